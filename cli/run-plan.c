// SPDX-License-Identifier: MIT
/* From the options of `pollux run` to a machine: what they say about each other, and defaults. */
#include <errno.h>
#include <string.h>

#include "aio/policy/policy.h"
#include "base/output-file.h"
#include "cli/choices.h"
#include "cli/run-options.h"
#include "engine/engine.h"

static int plan_iothread(struct iothread_config *io, const struct run_config *c, unsigned i,
                         struct error *err)
{
    const struct run_iothread *from = &c->iothreads[i];
    const char *id = from->io.id;

    if (!id) {
        return error_set(err, -EINVAL, "--iothread: id is missing: --iothread id=NAME");
    }
    if (strchr(id, ':')) {
        return error_set(err, -EINVAL,
                         "--iothread: id '%s' has a ':', which separates the threads of a disk "
                         "(--disk iothread=ID:ID)",
                         id);
    }
    for (unsigned j = 0; j < i; j++) {
        if (!strcmp(c->iothreads[j].io.id, id)) {
            return error_set(err, -EINVAL, "--iothread: id '%s' is given twice", id);
        }
    }
    *io = from->io;
    io->fdmon = aio_fdmon_name(from->fdmon);
    io->poll.policy = poll_policy_at(from->policy);
    return 0;
}

static bool is_direct(const struct run_disk *d)
{
    return d->cache == RUN_CACHE_NONE || d->cache == RUN_CACHE_DIRECTSYNC;
}

/* Linux AIO does buffered I/O within io_submit(), and all the thread's disks would wait for it. */
static const struct engine_ops *engine_for(const struct run_disk *d)
{
    if (d->engine != RUN_ENGINE_DEFAULT) {
        return engine_at(d->engine);
    }
    return is_direct(d) ? &engine_linux_aio : &engine_threads;
}

static int check_disk(const struct run_disk *d, const struct engine_ops *engine, struct error *err)
{
    const struct image_config *image = &d->disk.image;
    const struct virtio_blk_options *device = &d->disk.device;

    if (image->path && image->size) {
        return error_set(err, -EINVAL,
                         "--disk: size and file exclude each other; the size of '%s' "
                         "is the disk's",
                         image->path);
    }
    if (!image->path && engine->needs_file) {
        return error_set(err, -EINVAL, "--disk: engine %s needs file=FILE", engine->name);
    }
    if (!image->path && !image->size) {
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
                         run_cache_name(d->cache));
    }
    if (device->detect_zeroes == VIRTIO_BLK_DETECT_UNMAP && d->discard != RUN_DISCARD_UNMAP) {
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

static int no_such_iothread(const struct run_plan *plan, const char *id, int len, struct error *err)
{
    char all[256] = "";
    size_t used = 0;

    for (unsigned i = 0; i < plan->machine.nr_iothreads && used < sizeof(all); i++) {
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
                                 plan->iothreads[i].id);
    }
    return error_set(err, -EINVAL,
                     "--disk: iothread: there is no '%.*s'; there is %s (add one with "
                     "--iothread id=%.*s)",
                     len, id, all, len, id);
}

/* "io0:io1:io0" into the ids of the plan. */
static int plan_disk_iothreads(const struct run_plan *plan, const char *list,
                               struct disk_config *disk, struct error *err)
{
    unsigned n = 0;

    for (const char *id = list;; id++) {
        size_t len = strcspn(id, ":");
        unsigned i = 0;

        while (i < plan->machine.nr_iothreads && (strncmp(plan->iothreads[i].id, id, len) != 0 ||
                                                  plan->iothreads[i].id[len] != '\0')) {
            i++;
        }
        if (i == plan->machine.nr_iothreads) {
            return no_such_iothread(plan, id, (int)len, err);
        }
        if (n == (disk->device.nr_queues ? disk->device.nr_queues : VIRTIO_BLK_QUEUES_MAX)) {
            return error_set(err, -EINVAL,
                             "--disk: iothread=%s names more threads than the disk has queues, %u",
                             list, n);
        }
        disk->iothreads[n++] = plan->iothreads[i].id;
        id += len;
        if (*id == '\0') {
            return 0;
        }
    }
}

static int plan_disk(struct run_plan *plan, const struct run_config *c, unsigned i,
                     struct error *err)
{
    const struct run_disk *from = &c->disks[i];
    const struct engine_ops *engine = engine_for(from);
    struct disk_config *disk = &plan->disks[i];
    const char *iothread = from->iothread ? from->iothread : plan->iothreads[0].id;
    int ret = check_disk(from, engine, err);

    if (ret < 0) {
        return ret;
    }
    snprintf(plan->names[i], sizeof(plan->names[i]), "disk%u", i);
    *disk = from->disk;
    disk->name = plan->names[i];
    disk->image.raw = from->format == RUN_FORMAT_RAW;
    disk->image.direct = disk->image.path && is_direct(from);
    disk->image.writethrough =
        from->cache == RUN_CACHE_WRITETHROUGH || from->cache == RUN_CACHE_DIRECTSYNC;
    disk->engine = engine;
    disk->engine_named = from->engine != RUN_ENGINE_DEFAULT;
    disk->device.discard = from->discard == RUN_DISCARD_UNMAP;
    disk->faults.error = choice_errno_number(from->fault_errno);
    return plan_disk_iothreads(plan, iothread, disk, err);
}

/* An output is opened, and truncated, before the files of the machine. */
static int check_output(const struct run_config *c, const char *option, const char *path,
                        struct error *err)
{
    bool used = output_file_same(path, c->kernel) || output_file_same(path, c->initrd);

    for (unsigned i = 0; i < c->nr_disks; i++) {
        used |= output_file_same(path, c->disks[i].disk.image.path);
    }
    return used ? error_set(err, -EINVAL,
                            "%s: '%s' is a file of this machine, which would be overwritten",
                            option, path)
                : 0;
}

static int check_outputs(const struct run_config *c, struct error *err)
{
    int ret = check_output(c, "--trace", c->trace, err);

    for (unsigned i = 0; i < c->nr_iothreads && ret == 0; i++) {
        ret = check_output(c, "record", c->iothreads[i].io.record, err);
    }
    return ret;
}

int run_plan_init(struct run_plan *plan, const struct run_config *c, struct error *err)
{
    int ret;

    if (!c->kernel) {
        return error_set(err, -EINVAL, "--kernel FILE is missing: what is to be booted?");
    }
    if (c->memory.size % 4096) {
        return error_set(err, -EINVAL, "--memory: size must be a multiple of 4K");
    }
    ret = check_outputs(c, err);
    if (ret < 0) {
        return ret;
    }
    memset(plan, 0, sizeof(*plan));
    plan->machine = (struct machine_config){
        .cpus = (unsigned)c->cpus,
        .memory = c->memory.size,
        .memory_shared = c->memory.shared,
        .kernel = c->kernel,
        .initrd = c->initrd,
        .append = c->append,
        .iothreads = plan->iothreads,
        .nr_iothreads = c->nr_iothreads,
        .disks = plan->disks,
        .nr_disks = c->nr_disks,
    };
    for (unsigned i = 0; i < c->nr_iothreads; i++) {
        ret = plan_iothread(&plan->iothreads[i], c, i, err);
        if (ret < 0) {
            return ret;
        }
    }
    if (c->nr_iothreads == 0) {
        plan->iothreads[0].id = IOTHREAD_DEFAULT;
        poll_params_default(&plan->iothreads[0].poll);
        plan->machine.nr_iothreads = 1;
    }
    for (unsigned i = 0; i < c->nr_disks; i++) {
        ret = plan_disk(plan, c, i, err);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
