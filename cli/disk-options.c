// SPDX-License-Identifier: MIT
/* The keys of --disk, and the configuration that they make. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/choices.h"
#include "cli/disk-options.h"
#include "cli/limit-options.h"
#include "cli/rbd-options.h"

#define RECONNECT_DEFAULT_NS 30000000000ull
#define RECONNECT_MAX_NS     86400000000000ull /* a day */

/* --- choices --- */

const char *disk_cache_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_CACHE_NONE] = "none",
        [DISK_CACHE_WRITEBACK] = "writeback",
        [DISK_CACHE_WRITETHROUGH] = "writethrough",
        [DISK_CACHE_DIRECTSYNC] = "directsync",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *cache_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_CACHE_NONE] =
            "around the host's page cache (O_DIRECT); durable when the guest flushes",
        [DISK_CACHE_WRITEBACK] = "through the page cache; durable when the guest flushes",
        [DISK_CACHE_WRITETHROUGH] = "through the page cache; each write is durable at once",
        [DISK_CACHE_DIRECTSYNC] = "around the page cache; each write is durable at once",
    };

    return about[i];
}

static const char *format_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_FORMAT_RAW] = "raw",
        "qcow2",
        "qcow",
        "qed",
        "vmdk",
        "vhdx",
        "vpc",
        "vdi",
        "parallels",
        "bochs",
        "dmg",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *format_about(unsigned i)
{
    return i == DISK_FORMAT_RAW
               ? "the guest gets the file as it is, even if it looks like qcow2 or another format"
               : "served by qemu-nbd";
}

static const char *discard_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_DISCARD_IGNORE] = "ignore",
        [DISK_DISCARD_UNMAP] = "unmap",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *discard_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_DISCARD_IGNORE] = "the guest cannot discard",
        [DISK_DISCARD_UNMAP] = "what the guest discards is freed in the image",
    };

    return about[i];
}

static const char *detect_name(unsigned i)
{
    static const char *const names[] = {
        [VIRTIO_BLK_DETECT_OFF] = "off",
        [VIRTIO_BLK_DETECT_ON] = "on",
        [VIRTIO_BLK_DETECT_UNMAP] = "unmap",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *detect_about(unsigned i)
{
    static const char *const about[] = {
        [VIRTIO_BLK_DETECT_OFF] = "the zeroes are written",
        [VIRTIO_BLK_DETECT_ON] = "the host is asked for zeroes, which may be faster",
        [VIRTIO_BLK_DETECT_UNMAP] = "the blocks are freed; needs discard=unmap",
    };

    return about[i];
}

static const char *werror_name(unsigned i)
{
    static const char *const names[] = {
        [VIRTIO_BLK_REPORT] = "report",
        [VIRTIO_BLK_IGNORE] = "ignore",
        [VIRTIO_BLK_STOP] = "stop",
        [VIRTIO_BLK_ENOSPC] = "enospc",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

/* A read needs no space. */
static const char *rerror_name(unsigned i)
{
    return i < VIRTIO_BLK_ENOSPC ? werror_name(i) : NULL;
}

static const char *error_about(unsigned i)
{
    static const char *const about[] = {
        [VIRTIO_BLK_REPORT] = "the guest gets an I/O error",
        [VIRTIO_BLK_IGNORE] = "the guest is told that all is well",
        [VIRTIO_BLK_STOP] =
            "the request waits, and the machine of pollux run pauses; SIGCONT tries again",
        [VIRTIO_BLK_ENOSPC] = "stop when the host's disk is full, else report",
    };

    return about[i];
}

static const char *transport_name(unsigned i)
{
    static const char *const names[] = {
        [DISK_TRANSPORT_MMIO] = "mmio",
        [DISK_TRANSPORT_PCI] = "pci",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *transport_about(unsigned i)
{
    static const char *const about[] = {
        [DISK_TRANSPORT_MMIO] =
            "virtio-mmio; all queues of a disk share an interrupt of the I/O APIC",
        [DISK_TRANSPORT_PCI] = "virtio-pci; each queue has an MSI-X interrupt of its own",
    };

    return about[i];
}

/* --- keys --- */

const struct option_key disk_keys[] = {
    {.name = "file",
     .metavar = "FILE",
     .help = "raw image or block device",
     .more = "Its size must be a multiple of 512 bytes.",
     .min = 1,
     OPTION_AT(struct disk_args, disk.image.path)},
    {.name = "nbd",
     .metavar = "URI",
     .help = "an export of an NBD server instead of a file",
     .more = "The URI is nbd://HOST[:PORT]/EXPORT, or nbd+unix:///EXPORT?socket=PATH; nbds and "
             "nbds+unix use TLS, with the keys of tls-certificates=DIR or tls-psk-file=FILE in the "
             "URI (nbd_connect_uri(3)). The engine is nbd. Each I/O thread of the disk has a "
             "connection of its own, if the server offers multi-conn; else the disk has one I/O "
             "thread.",
     .min = 1,
     OPTION_AT(struct disk_args, disk.image.uri)},
    {.name = "reconnect-timeout",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .help = "nbd: how long requests wait for a server that does not answer; default 30s",
     .more = "A lost connection is opened again, and the requests that wait are sent again. A "
             "request fails when the server has completed none for this time; rerror and werror "
             "say what follows. With 0 requests fail as soon as the connection is lost.",
     .max = RECONNECT_MAX_NS,
     OPTION_AT(struct disk_args, disk.image.reconnect_ns)},
    RBD_KEYS(struct disk_args, disk.image),
    {.name = "format",
     .kind = OPTION_CHOICE,
     .metavar = "FORMAT",
     .help = "by default raw, and a file of another format is refused",
     .more =
         "With format=raw given, the guest gets the bytes of the file as they are, whatever they "
         "begin with. For another format Pollux starts qemu-nbd (Debian: qemu-utils) on a private "
         "socket, and ends it with the machine. A format is never guessed.",
     .choice = format_name,
     .about = format_about,
     OPTION_AT(struct disk_args, format)},
    {.name = "size",
     .kind = OPTION_SIZE,
     .metavar = "SIZE",
     .help = "of a disk without a file; engine=null only",
     .min = SECTOR_SIZE,
     .max = 1ull << 60,
     OPTION_AT(struct disk_args, disk.image.size)},
    {.name = "block-size",
     .kind = OPTION_SIZE,
     .metavar = "SIZE",
     .help = "the guest's logical block: 512, 1K, 2K or 4K; default 512",
     .more =
         "QEMU calls this logical_block_size. It does not depend on the host's disk. Where "
         "O_DIRECT "
         "takes larger blocks only, smaller requests go through a buffer, and a write of a part of "
         "a host block reads the block first. The guest is told the host's block as physical block "
         "size, so that file systems avoid that. What follows the last whole block of the image is "
         "left out.",
     .min = SECTOR_SIZE,
     .max = IMAGE_ALIGN_MAX,
     OPTION_AT(struct disk_args, disk.image.block_size)},
    {.name = "iothread",
     .metavar = "ID[:ID...]",
     .help = "which threads serve it: queues are dealt round robin; default the first",
     .more = "Queue 0 goes to the first thread, queue 1 to the second, and so on, then from "
             "the first again. The --iothread may come later on the command line.",
     .min = 1,
     OPTION_AT(struct disk_args, iothread)},
    {.name = "transport",
     .kind = OPTION_CHOICE,
     .metavar = "TRANSPORT",
     .help = "how the guest of pollux run finds the disk; default mmio",
     .more = "A machine has up to 31 disks, up to 18 of them with transport=mmio.",
     .choice = transport_name,
     .about = transport_about,
     OPTION_AT(struct disk_args, transport)},
    {.name = "engine",
     .kind = OPTION_CHOICE,
     .metavar = "ENGINE",
     .help = "how requests reach the host; default linux-aio, or threads",
     .more = "The engine threads is the default where the page cache is used. mmap takes "
             "files on a tmpfs only, with any cache mode, and needs userfaultfd(2); it "
             "writes by system calls in the I/O thread, whose other disks wait meanwhile. "
             "The kernel has no asynchronous I/O for files on a tmpfs: linux-aio and "
             "io_uring, too, read and write them by ordinary system calls in the I/O "
             "thread.",
     .choice = choice_engine,
     .about = choice_engine_about,
     OPTION_AT(struct disk_args, engine)},
    {.name = "cache",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "the host's page cache, and when writes are durable; default none",
     .more = "A durable write is on the medium and outlives a loss of power. With none and "
             "writeback the guest sees a disk with a write cache. The guest can switch the "
             "write cache at run time (/sys/block/vda/cache_type in Linux); a driver that "
             "cannot flush always gets durable writes. writeback and writethrough need the "
             "engine threads, then the default, or io_uring: Linux AIO would block.",
     .choice = disk_cache_name,
     .about = cache_about,
     OPTION_AT(struct disk_args, cache)},
    {.name = "discard",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "discard (trim) by the guest; default ignore",
     .more = "Blocks are freed where the file system or device of the host can do that.",
     .choice = discard_name,
     .about = discard_about,
     OPTION_AT(struct disk_args, discard)},
    {.name = "detect-zeroes",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "what happens to writes of zeroes; default off",
     .choice = detect_name,
     .about = detect_about,
     OPTION_AT(struct disk_args, disk.device.detect_zeroes)},
    {.name = "share-rw",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "other processes with share-rw=on may write the image at the same time; default off",
     .more = "An image is locked while it is in use: by one machine that writes it, or by "
             "many that read it. QEMU keeps to the same locks. The value on is for guests "
             "that can share a disk.",
     OPTION_AT(struct disk_args, disk.image.share_rw)},
    {.name = "readonly",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "the guest cannot write the disk; default off",
     OPTION_AT(struct disk_args, disk.image.readonly)},
    {.name = "serial",
     .metavar = "TEXT",
     .help = "what the guest reads as the disk's serial number; default diskN",
     .more = "Up to 20 characters.",
     .min = 1,
     .max = VIRTIO_BLK_SERIAL_MAX,
     OPTION_AT(struct disk_args, disk.device.serial)},
    {.name = "queues",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "virtqueues, 1 to 64; default one for each of its threads",
     .more = "With as many as the guest has virtual CPUs, each of them has its own.",
     .min = 1,
     .max = VIRTIO_BLK_QUEUES_MAX,
     OPTION_AT(struct disk_args, disk.device.nr_queues)},
    {.name = "rerror",
     .kind = OPTION_CHOICE,
     .metavar = "ACTION",
     .help = "when a read fails; default report",
     .choice = rerror_name,
     .about = error_about,
     OPTION_AT(struct disk_args, disk.device.rerror)},
    {.name = "werror",
     .kind = OPTION_CHOICE,
     .metavar = "ACTION",
     .help = "when a write, or anything but a read, fails; default enospc",
     .more = "A flush of the host's page cache (cache=writeback) that failed cannot be "
             "tried again, since Linux has dropped the data: unless errors are ignored it "
             "is reported, and so is every later one.",
     .choice = werror_name,
     .about = error_about,
     OPTION_AT(struct disk_args, disk.device.werror)},
    {.name = "merge",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "adjacent requests go to the host as one; default on",
     OPTION_AT(struct disk_args, disk.device.merge)},
    {.name = "queue-size",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "entries of a virtqueue, a power of 2 unless packed=on; default 256",
     .min = 1,
     .max = VIRTQ_SIZE_MAX,
     OPTION_AT(struct disk_args, disk.device.queue_size)},
    {.name = "packed",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "offer packed virtqueues; default off",
     .more = "This ring format touches fewer cache lines.",
     OPTION_AT(struct disk_args, disk.device.packed)},
    LIMIT_KEYS(struct disk_args, disk.device.limits, disk.throttle_group),
    {.name = "delay",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .help = "engine=null: how long a request takes; default 0",
     .max = 1000000000,
     OPTION_AT(struct disk_args, disk.device.delay_ns)},
    {.name = "fault-errors",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "for tests: N of a million requests fail; default 0",
     .max = 1000000,
     OPTION_AT(struct disk_args, disk.faults.error_ppm)},
    {.name = "fault-errno",
     .kind = OPTION_CHOICE,
     .metavar = "ERROR",
     .help = "the error of fault-errors; default EIO",
     .choice = choice_errno,
     OPTION_AT(struct disk_args, fault_errno)},
    {.name = "fault-short",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "N of a million requests move only a part of their data; default 0",
     .max = 1000000,
     OPTION_AT(struct disk_args, disk.faults.short_ppm)},
    {.name = "fault-delay",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .help = "delay added to every request; default 0",
     .max = 1000000000000,
     OPTION_AT(struct disk_args, disk.faults.delay_ns)},
    {.name = "fault-file",
     .metavar = "FILE",
     .help = "inject faults only while FILE exists",
     .min = 1,
     OPTION_AT(struct disk_args, disk.faults.trigger)},
    {.name = NULL},
};

void disk_args_init(struct disk_args *d)
{
    *d = (struct disk_args){
        .disk = {.image = {.block_size = SECTOR_SIZE, .reconnect_ns = RECONNECT_DEFAULT_NS},
                 .device = {.merge = true, .werror = VIRTIO_BLK_ENOSPC}},
        .engine = DISK_ENGINE_DEFAULT,
        .format = DISK_FORMAT_DEFAULT,
        .transport = DISK_TRANSPORT_DEFAULT,
    };
}

/* --- to a configuration --- */

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
        return error_set(err, -EINVAL, "--disk: format=%s needs file=FILE", format_name(d->format));
    }
    if (d->engine != DISK_ENGINE_DEFAULT || d->disk.image.share_rw) {
        return error_set(err, -EINVAL,
                         "--disk: engine and share-rw are for raw images, not format=%s",
                         format_name(d->format));
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
    out->image.format = has_helper(d) ? format_name(d->format) : NULL;
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
