// SPDX-License-Identifier: MIT
/* A disk from its configuration: the image, the engine that suits it, and the device. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "blk/disk.h"

static void log_line(const struct disk_log *log, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void log_line(const struct disk_log *log, const char *fmt, ...)
{
    char line[ERROR_MSG_MAX];
    va_list ap;

    if (log->line) {
        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        log->line(log->opaque, line);
    }
}

/* Logs bytes of the image that the guest does not get, and a page cache in spite of O_DIRECT. */
static void report_image(const struct disk *d, const struct disk_log *log)
{
    const struct disk_config *config = d->config;
    const struct image *image = &d->image;

    if (image->left_out && image_on_server(image)) {
        log_line(log,
                 "%s: the guest does not see the last %u bytes of %s, which are no whole block of "
                 "%u",
                 config->name, image->left_out, image_place(&config->image), image_block(image));
    } else if (image->left_out) {
        log_line(log,
                 "%s: the guest does not see the last %u bytes of %s, which are no whole block of "
                 "%u: truncate -s %%%u %s adds what is missing",
                 config->name, image->left_out, config->image.path, image_block(image),
                 image_block(image), config->image.path);
    }
    if (image->page_cache) {
        log_line(log,
                 "%s: %s is in the host's page cache in spite of O_DIRECT: %s; a flush "
                 "that fails is final%s",
                 config->name, config->image.path, image->page_cache,
                 config->engine != &engine_linux_aio ? ""
                 : config->engine_named
                     ? ", and engine=linux-aio blocks the I/O thread, with all its disks, in "
                       "io_submit"
                     : ", and the engine is threads, as linux-aio would block the I/O thread");
    }
}

/* Linux AIO does buffered I/O inside io_submit(), which blocks all disks of the thread. */
static const struct engine_ops *engine_for(const struct disk *d)
{
    bool blocks = d->image.page_cache && d->config->engine == &engine_linux_aio;

    return blocks && !d->config->engine_named ? &engine_threads : d->config->engine;
}

const char *disk_engine(const struct disk *d)
{
    const struct engine_ops *ops = engine_for(d);
    bool in_memory = d->image.in_memory && (ops == &engine_linux_aio || ops == &engine_io_uring);

    return in_memory ? "in memory" : ops->name;
}

static bool has_faults(const struct engine_faults *f)
{
    return f->error_ppm || f->short_ppm || f->delay_ns;
}

int disk_open(struct disk *d, const struct disk_config *config, const struct disk_log *log,
              struct error *err)
{
    int ret;

    *d = (struct disk){.config = config, .is_virtio_blk = !config->make};
    ret = image_open(&d->image, &config->image, err);
    if (ret == 0) {
        d->image_open = true;
        report_image(d, log);
    }
    return ret;
}

static int make_virtio_blk(struct disk *d, const struct iothread_set *set,
                           const struct guest_memory *mem,
                           void (*stop)(void *opaque, const char *why), void *stop_opaque,
                           const struct disk_log *log, struct error *err)
{
    const struct disk_config *config = d->config;
    struct iothread *iothreads[VIRTIO_BLK_QUEUES_MAX];
    struct virtio_blk_options options = config->device;

    options.name = config->name;
    options.image = &d->image;
    options.engine = engine_for(d);
    options.faults = has_faults(&config->faults) ? &config->faults : NULL;
    options.iothreads = iothreads;
    options.nr_iothreads = 0;
    options.stop = stop;
    options.stop_opaque = stop_opaque;
    options.log = log->line;
    options.io_error = log->io_error;
    options.log_opaque = log->opaque;
    for (unsigned i = 0; i < VIRTIO_BLK_QUEUES_MAX && config->iothreads[i]; i++) {
        iothreads[i] = iothread_set_find(set, config->iothreads[i]);
        if (!iothreads[i]) {
            return error_set(err, -ENOENT, "%s: there is no I/O thread %s; name one of --iothread",
                             config->name, config->iothreads[i]);
        }
        options.nr_iothreads++;
    }
    if (options.nr_iothreads == 0) {
        return error_set(err, -EINVAL, "%s: no I/O thread is named", config->name);
    }
    if (options.nr_queues == 0) {
        options.nr_queues = options.nr_iothreads;
    }
    return virtio_blk_new(&options, mem, &d->dev, err);
}

int disk_make(struct disk *d, const struct iothread_set *iothreads, const struct guest_memory *mem,
              void (*stop)(void *opaque, const char *why), void *stop_opaque,
              const struct disk_log *log, struct error *err)
{
    return d->is_virtio_blk ? make_virtio_blk(d, iothreads, mem, stop, stop_opaque, log, err)
                            : d->config->make(d->config->opaque, &d->image, mem, &d->dev, err);
}

void disk_free_device(struct disk *d)
{
    if (d->dev) {
        d->dev->ops->free(d->dev);
        d->dev = NULL;
    }
}

void disk_close(struct disk *d)
{
    if (d->image_open) {
        image_close(&d->image);
        d->image_open = false;
    }
}
