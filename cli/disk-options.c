// SPDX-License-Identifier: MIT
/* The keys of --disk. */
#include "cli/choices.h"
#include "cli/disk-options.h"
#include "cli/limit-options.h"
#include "cli/rbd-options.h"

#define RECONNECT_DEFAULT_NS 30000000000ull
#define RECONNECT_MAX_NS     86400000000000ull /* a day */

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
     .choice = disk_format_name,
     .about = disk_format_about,
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
     .choice = disk_transport_name,
     .about = disk_transport_about,
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
     .about = disk_cache_about,
     OPTION_AT(struct disk_args, cache)},
    {.name = "discard",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "discard (trim) by the guest; default ignore",
     .more = "Blocks are freed where the file system or device of the host can do that.",
     .choice = disk_discard_name,
     .about = disk_discard_about,
     OPTION_AT(struct disk_args, discard)},
    {.name = "detect-zeroes",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "what happens to writes of zeroes; default off",
     .choice = disk_detect_name,
     .about = disk_detect_about,
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
     .choice = disk_rerror_name,
     .about = disk_error_about,
     OPTION_AT(struct disk_args, disk.device.rerror)},
    {.name = "werror",
     .kind = OPTION_CHOICE,
     .metavar = "ACTION",
     .help = "when a write, or anything but a read, fails; default enospc",
     .more = "A flush of the host's page cache (cache=writeback) that failed cannot be "
             "tried again, since Linux has dropped the data: unless errors are ignored it "
             "is reported, and so is every later one.",
     .choice = disk_werror_name,
     .about = disk_error_about,
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
