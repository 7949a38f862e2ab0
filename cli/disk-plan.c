// SPDX-License-Identifier: MIT
/* What the keys of --disk say about each other, and the configuration that they make. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/choices.h"
#include "cli/disk-options.h"
#include "cli/rbd-options.h"

static bool is_direct(const struct disk_args *d)
{
    return d->cache == DISK_CACHE_NONE || d->cache == DISK_CACHE_DIRECTSYNC;
}

/* Is the file of a format that a helper serves? */
static bool has_helper(const struct disk_args *d)
{
    return d->format != DISK_FORMAT_DEFAULT && d->format != DISK_FORMAT_RAW;
}

/* Linux AIO does buffered I/O within io_submit(), and all the thread's disks would wait for it. */
static const struct engine_ops *engine_for(const struct disk_args *d)
{
    if (d->disk.image.rbd) {
        return &engine_rbd;
    }
    if (d->disk.image.uri || has_helper(d)) {
        return &engine_nbd;
    }
    if (d->engine != DISK_ENGINE_DEFAULT) {
        return engine_at(d->engine);
    }
    return is_direct(d) ? &engine_linux_aio : &engine_threads;
}

static int check_nbd(const struct disk_args *d, struct error *err)
{
    const struct image_config *image = &d->disk.image;

    if (image->path || image->size) {
        return error_set(err, -EINVAL, "--disk: nbd and %s exclude each other",
                         image->path ? "file" : "size");
    }
    if (d->engine != DISK_ENGINE_DEFAULT || d->format != DISK_FORMAT_DEFAULT || image->share_rw) {
        return error_set(err, -EINVAL,
                         "--disk: engine, format and share-rw are for files, not nbd");
    }
    return 0;
}

static int check_helper(const struct disk_args *d, struct error *err)
{
    if (!d->disk.image.path) {
        return error_set(err, -EINVAL, "--disk: format=%s needs file=FILE",
                         disk_format_name(d->format));
    }
    if (d->engine != DISK_ENGINE_DEFAULT || d->disk.image.share_rw) {
        return error_set(err, -EINVAL,
                         "--disk: engine and share-rw are for raw images, not format=%s",
                         disk_format_name(d->format));
    }
    return 0;
}

static int check_disk(const struct disk_args *d, const struct engine_ops *engine, struct error *err)
{
    const struct image_config *image = &d->disk.image;
    const struct virtio_blk_options *device = &d->disk.device;
    bool for_files = d->engine != DISK_ENGINE_DEFAULT || d->format != DISK_FORMAT_DEFAULT;
    int ret = rbd_check(image, for_files, err);

    if (ret == 0 && !image->rbd) {
        ret = image->uri ? check_nbd(d, err) : has_helper(d) ? check_helper(d, err) : 0;
    }
    if (ret < 0) {
        return ret;
    }
    if (image->path && image->size) {
        return error_set(err, -EINVAL,
                         "--disk: size and file exclude each other; the size of '%s' "
                         "is the disk's",
                         image->path);
    }
    if (!image->path && engine->needs_file) {
        return error_set(err, -EINVAL, "--disk: engine %s needs file=FILE", engine->name);
    }
    if (!image_place(image) && !image->size) {
        return error_set(err, -EINVAL, "--disk: engine %s needs size=SIZE", engine->name);
    }
    if (image->block_size & (image->block_size - 1)) {
        return error_set(err, -EINVAL, "--disk: block-size must be 512, 1K, 2K or 4K");
    }
    if (image->size % image->block_size) {
        return error_set(err, -EINVAL, "--disk: size must be a multiple of %u bytes",
                         image->block_size);
    }
    if (engine == &engine_linux_aio && !is_direct(d)) {
        return error_set(err, -EINVAL,
                         "--disk: engine=linux-aio would block on cache=%s: use engine=threads or "
                         "engine=io_uring, or cache=none or cache=directsync",
                         disk_cache_name(d->cache));
    }
    if (device->detect_zeroes == VIRTIO_BLK_DETECT_UNMAP && d->discard != DISK_DISCARD_UNMAP) {
        return error_set(err, -EINVAL, "--disk: detect-zeroes=unmap needs discard=unmap");
    }
    if (device->delay_ns && engine != &engine_null) {
        return error_set(err, -EINVAL,
                         "--disk: delay is for engine=null; fault-delay is for the others");
    }
    if (!device->packed && (device->queue_size & (device->queue_size - 1))) {
        return error_set(err, -EINVAL, "--disk: queue-size must be a power of 2, unless packed=on");
    }
    return 0;
}

/* The threads to choose from. */
struct iothread_choice {
    const struct iothread_config *iothreads;
    unsigned nr;
};

static int no_such_iothread(const struct iothread_choice *of, const char *id, int len,
                            struct error *err)
{
    char all[256] = "";
    size_t used = 0;

    for (unsigned i = 0; i < of->nr && used < sizeof(all); i++) {
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
                                 of->iothreads[i].id);
    }
    return error_set(err, -EINVAL,
                     "--disk: iothread: there is no '%.*s'; there is %s (add one with "
                     "--iothread id=%.*s)",
                     len, id, all, len, id);
}

/* "io0:io1:io0" into the ids of the threads. */
static int plan_iothreads(const struct iothread_choice *of, const char *list,
                          struct disk_config *disk, struct error *err)
{
    unsigned n = 0;

    for (const char *id = list;; id++) {
        size_t len = strcspn(id, ":");
        unsigned i = 0;

        while (i < of->nr &&
               (strncmp(of->iothreads[i].id, id, len) != 0 || of->iothreads[i].id[len] != '\0')) {
            i++;
        }
        if (i == of->nr) {
            return no_such_iothread(of, id, (int)len, err);
        }
        if (n == (disk->device.nr_queues ? disk->device.nr_queues : VIRTIO_BLK_QUEUES_MAX)) {
            return error_set(err, -EINVAL,
                             "--disk: iothread=%s names more threads than the disk has queues, %u",
                             list, n);
        }
        disk->iothreads[n++] = of->iothreads[i].id;
        id += len;
        if (*id == '\0') {
            return 0;
        }
    }
}

int disk_args_plan(const struct disk_args *d, unsigned i, const struct iothread_config *iothreads,
                   unsigned nr_iothreads, char name[DISK_NAME_MAX], struct disk_config *out,
                   struct error *err)
{
    const struct iothread_choice choice = {.iothreads = iothreads, .nr = nr_iothreads};
    const struct engine_ops *engine = engine_for(d);
    int ret = check_disk(d, engine, err);

    if (ret < 0) {
        return ret;
    }
    snprintf(name, DISK_NAME_MAX, "disk%u", i);
    *out = d->disk;
    out->name = name;
    out->transport = d->transport == DISK_TRANSPORT_DEFAULT ? DISK_TRANSPORT_MMIO : d->transport;
    out->image.raw = d->format == DISK_FORMAT_RAW;
    out->image.format = has_helper(d) ? disk_format_name(d->format) : NULL;
    out->image.discard = d->discard == DISK_DISCARD_UNMAP;
    out->image.direct = (out->image.path || out->image.rbd) && is_direct(d);
    out->image.writethrough =
        d->cache == DISK_CACHE_WRITETHROUGH || d->cache == DISK_CACHE_DIRECTSYNC;
    out->engine = engine;
    out->engine_named = d->engine != DISK_ENGINE_DEFAULT;
    out->device.discard = d->discard == DISK_DISCARD_UNMAP;
    out->faults.error = choice_errno_number(d->fault_errno);
    return plan_iothreads(&choice, d->iothread ? d->iothread : iothreads[0].id, out, err);
}
