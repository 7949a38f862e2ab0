// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/layout.h"
#include "kvm/storage.h"

/*
 * Interrupts below 16 come first: a guest without ACPI has only the 8259s, which know no others.
 * Left out are those that a PC guest takes for something else: timer, keyboard, cascade, the
 * serial port, clock, coprocessor.
 */
static const uint8_t disk_gsi[] = {5, 10, 11, 9,  7,  6,  12, 14, 15,
                                   3, 16, 17, 18, 19, 20, 21, 22, 23};

_Static_assert(sizeof(disk_gsi) == STORAGE_DISKS_MAX, "an interrupt for each disk");

static struct iothread *find_iothread(const struct storage *s, const char *id)
{
    for (unsigned i = 0; i < s->nr_iothreads; i++) {
        if (strcmp(iothread_id(s->iothreads[i]), id) == 0) {
            return s->iothreads[i];
        }
    }
    return NULL;
}

static int start_iothreads(struct storage *s, const struct machine_config *config,
                           struct error *err)
{
    s->iothreads = calloc(config->nr_iothreads + 1, sizeof(s->iothreads[0]));
    if (!s->iothreads) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < config->nr_iothreads; i++) {
        struct iothread_config io = config->iothreads[i];
        int ret;

        io.trace = config->trace;
        if (find_iothread(s, config->iothreads[i].id)) {
            return error_set(err, -EEXIST, "I/O thread %s: there are two of this id",
                             config->iothreads[i].id);
        }
        ret = iothread_new(&io, &s->iothreads[i], err);
        if (ret < 0) {
            return ret;
        }
        s->nr_iothreads++;
    }
    return 0;
}

static void log_line(const struct machine_config *machine, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void log_line(const struct machine_config *machine, const char *fmt, ...)
{
    char line[ERROR_MSG_MAX];
    va_list ap;

    if (machine->log) {
        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        machine->log(machine->opaque, line);
    }
}

/* What the guest does not get of the image, and what the host does with it that O_DIRECT hides. */
static void report_image(const struct image *image, const struct machine_disk *config,
                         const struct machine_config *machine)
{
    if (image->left_out) {
        log_line(machine,
                 "%s: the guest does not see the last %u bytes of %s, which are no whole block of "
                 "%u: truncate -s %%%u %s adds what is missing",
                 config->name, image->left_out, config->image.path, image_block(image),
                 image_block(image), config->image.path);
    }
    if (image->page_cache) {
        log_line(
            machine,
            "%s: %s is in the host's page cache in spite of O_DIRECT: %s; a flush "
            "that fails is final%s",
            config->name, config->image.path, image->page_cache,
            config->engine != &engine_linux_aio ? ""
            : config->engine_named
                ? ", and engine=linux-aio blocks the I/O thread, with all its disks, in io_submit"
                : ", and the engine is threads, as linux-aio would block the I/O thread");
    }
}

/* Linux AIO does buffered I/O within io_submit(), and all the thread's disks would wait for it. */
static const struct engine_ops *engine_for(const struct image *image,
                                           const struct machine_disk *config)
{
    bool blocks = image->page_cache && config->engine == &engine_linux_aio;

    return blocks && !config->engine_named ? &engine_threads : config->engine;
}

static int make_device(struct storage *s, struct storage_disk *d, const struct machine_disk *config,
                       const struct machine_config *machine, const struct guest_memory *mem,
                       struct error *err)
{
    struct iothread *iothreads[VIRTIO_BLK_QUEUES_MAX];
    struct virtio_blk_options options = {
        .name = config->name,
        .image = &d->image,
        .engine = engine_for(&d->image, config),
        .queue_size = config->queue_size,
        .packed = config->packed,
        .delay_ns = config->delay_ns,
        .faults = config->faults,
        .iothreads = iothreads,
        .discard = config->discard,
        .detect_zeroes = config->detect_zeroes,
        .merge = config->merge,
        .rerror = config->rerror,
        .werror = config->werror,
        .stop = s->stopped,
        .stop_opaque = s->opaque,
        .serial = config->serial,
        .log = machine->log,
        .log_opaque = machine->opaque,
    };

    for (unsigned i = 0; i < VIRTIO_BLK_QUEUES_MAX && config->iothreads[i]; i++) {
        iothreads[i] = find_iothread(s, config->iothreads[i]);
        if (!iothreads[i]) {
            return error_set(err, -ENOENT, "%s: there is no I/O thread %s; name one of --iothread",
                             config->name, config->iothreads[i]);
        }
        options.nr_iothreads++;
    }
    if (options.nr_iothreads == 0) {
        return error_set(err, -EINVAL, "%s: no I/O thread is named", config->name);
    }
    options.nr_queues = config->nr_queues ? config->nr_queues : options.nr_iothreads;
    return virtio_blk_new(&options, mem, &d->dev, err);
}

int storage_init(struct storage *s, const struct machine_config *config, const struct vm *vm,
                 const struct guest_memory *mem, void (*stopped)(void *opaque, const char *why),
                 void *opaque, struct error *err)
{
    int ret = 0;

    *s = (struct storage){.stopped = stopped, .opaque = opaque};
    if (config->nr_disks > STORAGE_DISKS_MAX) {
        return error_set(err, -EINVAL, "%u disks: a machine has interrupts for %d at most",
                         config->nr_disks, STORAGE_DISKS_MAX);
    }
    s->nr_disks = config->nr_disks;
    /* All images first: most mistakes of people are here. */
    for (unsigned i = 0; ret == 0 && i < s->nr_disks; i++) {
        ret = image_open(&s->disks[i].image, &config->disks[i].image, err);
        s->disks[i].image_open = ret == 0;
        if (ret == 0) {
            report_image(&s->disks[i].image, &config->disks[i], config);
        }
    }
    if (ret == 0) {
        ret = start_iothreads(s, config, err);
    }
    for (unsigned i = 0; ret == 0 && i < s->nr_disks; i++) {
        struct storage_disk *d = &s->disks[i];

        d->place = (struct acpi_device){
            .base = (uint32_t)(LAYOUT_VIRTIO_MMIO + i * LAYOUT_VIRTIO_MMIO_SIZE),
            .size = LAYOUT_VIRTIO_MMIO_SIZE,
            .gsi = disk_gsi[i],
        };
        d->ours = !config->disks[i].make;
        ret = d->ours
                  ? make_device(s, d, &config->disks[i], config, mem, err)
                  : config->disks[i].make(config->disks[i].opaque, &d->image, mem, &d->dev, err);
        if (ret == 0) {
            ret = virtio_mmio_init(&d->transport, vm, d->dev, d->place.base, d->place.gsi, err);
        }
    }
    if (ret < 0) {
        storage_destroy(s);
    }
    return ret;
}

bool storage_access(struct storage *s, uint64_t gpa, void *data, unsigned size, bool write)
{
    uint64_t at = gpa - LAYOUT_VIRTIO_MMIO;
    uint64_t offset = at % LAYOUT_VIRTIO_MMIO_SIZE;

    if (at / LAYOUT_VIRTIO_MMIO_SIZE >= s->nr_disks || offset + size > LAYOUT_VIRTIO_MMIO_SIZE) {
        return false;
    }
    virtio_mmio_access(&s->disks[at / LAYOUT_VIRTIO_MMIO_SIZE].transport, (unsigned)offset, data,
                       size, write);
    return true;
}

void storage_parameters(const struct storage *s, char *out, size_t size)
{
    size_t len = 0;

    *out = '\0';
    for (unsigned i = 0; i < s->nr_disks && len < size; i++) {
        const struct acpi_device *p = &s->disks[i].place;

        len += (size_t)snprintf(out + len, size - len,
                                "%svirtio_mmio.device=%" PRIu32 "K@0x%" PRIx32 ":%" PRIu32,
                                i ? " " : "", p->size >> 10, p->base, p->gsi);
    }
}

void storage_retry(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        if (s->disks[i].ours) {
            virtio_blk_retry(s->disks[i].dev);
        }
    }
}

struct resize {
    struct storage_disk *disk;
    const char *name;
    struct error *err;
};

static int update_size(void *opaque)
{
    struct resize *r = opaque;

    return image_update_size(&r->disk->image, r->name, r->err);
}

int storage_resize(struct storage *s, unsigned i, const char *name, struct error *err)
{
    struct resize r = {.disk = &s->disks[i], .name = name, .err = err};

    int ret = virtio_mmio_change_config(&s->disks[i].transport, update_size, &r);

    return ret == -ETIMEDOUT
               ? error_set(err, ret, "the disk does not answer; its size is as before")
               : ret;
}

void storage_stop(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        virtio_mmio_stop(&s->disks[i].transport);
    }
}

void storage_destroy(struct storage *s)
{
    for (unsigned i = 0; i < s->nr_disks; i++) {
        struct storage_disk *d = &s->disks[i];

        virtio_mmio_stop(&d->transport);
        virtio_mmio_destroy(&d->transport);
        if (d->dev) {
            d->dev->ops->free(d->dev);
        }
    }
    for (unsigned i = 0; i < s->nr_iothreads; i++) {
        iothread_free(s->iothreads[i]);
    }
    for (unsigned i = 0; i < s->nr_disks; i++) {
        if (s->disks[i].image_open) {
            image_close(&s->disks[i].image);
        }
    }
    free(s->iothreads);
    memset(s, 0, sizeof(*s));
}
