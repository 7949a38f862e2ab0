// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "aio/policy/policy.h"
#include "cli/choices.h"
#include "cli/run-options.h"
#include "cli/trace-file.h"
#include "engine/engine.h"

#define MEMORY_DEFAULT (512ull << 20)

/* --- choices --- */

const char *run_cache_name(unsigned i)
{
    static const char *const names[] = {
        [RUN_CACHE_NONE] = "none",
        [RUN_CACHE_WRITEBACK] = "writeback",
        [RUN_CACHE_WRITETHROUGH] = "writethrough",
        [RUN_CACHE_DIRECTSYNC] = "directsync",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *cache_about(unsigned i)
{
    static const char *const about[] = {
        [RUN_CACHE_NONE] =
            "around the host's page cache (O_DIRECT); durable when the guest flushes",
        [RUN_CACHE_WRITEBACK] = "through the page cache; durable when the guest flushes",
        [RUN_CACHE_WRITETHROUGH] = "through the page cache; each write is durable at once",
        [RUN_CACHE_DIRECTSYNC] = "around the page cache; each write is durable at once",
    };

    return about[i];
}

static const char *format_name(unsigned i)
{
    return i == RUN_FORMAT_RAW ? "raw" : NULL;
}

static const char *format_about(unsigned i)
{
    return "the guest gets the file as it is, even if it looks like qcow2 or another format";
}

static const char *discard_name(unsigned i)
{
    static const char *const names[] = {
        [RUN_DISCARD_IGNORE] = "ignore",
        [RUN_DISCARD_UNMAP] = "unmap",
    };

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *discard_about(unsigned i)
{
    static const char *const about[] = {
        [RUN_DISCARD_IGNORE] = "the guest is not offered it",
        [RUN_DISCARD_UNMAP] = "what the guest discards is freed in the image",
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
        [VIRTIO_BLK_DETECT_OFF] = "they are written",
        [VIRTIO_BLK_DETECT_ON] = "the host is asked for zeroes, which may be faster",
        [VIRTIO_BLK_DETECT_UNMAP] = "their blocks are freed; needs discard=unmap",
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
        [VIRTIO_BLK_STOP] = "the machine pauses; SIGCONT goes on and tries again",
        [VIRTIO_BLK_ENOSPC] = "stop when the host's disk is full, else report",
    };

    return about[i];
}

/* --- tables --- */

static void *new_iothread(void *config, struct error *err)
{
    struct run_config *c = config;
    struct run_iothread *io;

    if (c->nr_iothreads == RUN_IOTHREADS_MAX) {
        error_set(err, -EINVAL, "--iothread: at most %d are possible", RUN_IOTHREADS_MAX);
        return NULL;
    }
    io = &c->iothreads[c->nr_iothreads++];
    *io = (struct run_iothread){0};
    poll_params_default(&io->io.poll);
    io->policy = choice_index(choice_policy, io->io.poll.policy->name);
    return io;
}

static void *new_disk(void *config, struct error *err)
{
    struct run_config *c = config;

    if (c->nr_disks == MACHINE_DISKS_MAX) {
        error_set(err, -EINVAL, "--disk: a machine has interrupts for %d disks at most",
                  MACHINE_DISKS_MAX);
        return NULL;
    }
    c->disks[c->nr_disks] = (struct run_disk){
        .disk = {.image.block_size = SECTOR_SIZE,
                 .device = {.merge = true, .werror = VIRTIO_BLK_ENOSPC}},
        .engine = RUN_ENGINE_DEFAULT,
        .format = RUN_FORMAT_DEFAULT,
    };
    return &c->disks[c->nr_disks++];
}

static void *the_memory(void *config, struct error *err)
{
    return &((struct run_config *)config)->memory;
}

static const struct option_key kernel_keys[] = {
    {.name = "kernel", .metavar = "FILE", .min = 1, .offset = offsetof(struct run_config, kernel)},
    {.name = NULL},
};

static const struct option_key initrd_keys[] = {
    {.name = "initrd", .metavar = "FILE", .min = 1, .offset = offsetof(struct run_config, initrd)},
    {.name = NULL},
};

static const struct option_key append_keys[] = {
    {.name = "append", .metavar = "TEXT", .offset = offsetof(struct run_config, append)},
    {.name = NULL},
};

static const struct option_key trace_keys[] = {
    {.name = "trace", .metavar = "FILE", .min = 1, .offset = offsetof(struct run_config, trace)},
    {.name = NULL},
};

static const struct option_key cpus_keys[] = {
    {.name = "cpus",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .min = 1,
     .max = MACHINE_CPUS_MAX,
     .offset = offsetof(struct run_config, cpus)},
    {.name = NULL},
};

static const struct option_key memory_keys[] = {
    {.name = "size",
     .kind = OPTION_SIZE,
     .metavar = "SIZE",
     .help = "16M or more; default 512M",
     .min = MACHINE_MEMORY_MIN,
     .offset = 0},
    {.name = "shared",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "from a memfd that other processes could map; default off",
     .offset =
         offsetof(struct run_config, memory.shared) - offsetof(struct run_config, memory.size)},
    {.name = NULL},
};

static const struct option_key iothread_keys[] = {
    {.name = "id",
     .metavar = "ID",
     .help = "name of the thread, for --disk and for top -H",
     .more = "Up to 15 characters, none of them a colon.",
     .min = 1,
     .max = IOTHREAD_ID_MAX,
     OPTION_AT(struct run_iothread, io.id)},
    {.name = "poll-policy",
     .kind = OPTION_CHOICE,
     .metavar = "POLICY",
     .help = "how long to poll before blocking; default cost",
     .more = "For the behaviour of QEMU: poll-policy=grow-shrink,poll-max-ns=32768.",
     .choice = choice_policy,
     .about = choice_policy_about,
     OPTION_AT(struct run_iothread, policy)},
    {.name = "poll-max-ns",
     .kind = OPTION_TIME,
     .metavar = "NS",
     .help = "poll at most so long; 0 never polls; default 200000",
     .max = 1000000000,
     OPTION_AT(struct run_iothread, io.poll.max_ns)},
    {.name = "poll-grow",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "multiply the time by N when polling longer would have paid; default 2",
     .max = 1000,
     OPTION_AT(struct run_iothread, io.poll.grow)},
    {.name = "poll-shrink",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "divide it by N when the wait was too long; 0: to zero (weighted: N = 2)",
     .max = 1000,
     OPTION_AT(struct run_iothread, io.poll.shrink)},
    {.name = "poll-weight",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "weighted: the newest interval counts 1/2^N; default 3",
     .max = 16,
     OPTION_AT(struct run_iothread, io.poll.weight)},
    {.name = "poll-latency-weight",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "cost: ns of polling that one ns of latency is worth; default 7",
     .max = 1000000,
     OPTION_AT(struct run_iothread, io.poll.latency_weight)},
    {.name = "poll-cpu-max",
     .kind = OPTION_NUMBER,
     .metavar = "PERCENT",
     .help = "of a CPU that polling may take in 100 ms; 0: no limit; default 0",
     .max = 100,
     OPTION_AT(struct run_iothread, io.poll.cpu_max)},
    {.name = "aio-max-batch",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help =
         "most requests in one system call; default 0: 64 while they complete inside it, else 2",
     .more = "Requests complete inside the call where the file is in the page cache. "
             "Elsewhere the kernel keeps requests that are submitted together from the "
             "device until the last one is prepared.",
     .max = AIO_MAX_BATCH_LIMIT,
     OPTION_AT(struct run_iothread, io.max_batch)},
    {.name = "fdmon",
     .kind = OPTION_CHOICE,
     .metavar = "MONITOR",
     .help = "how the thread waits in the kernel; default auto: ppoll, epoll for many sources",
     .choice = aio_fdmon_name,
     OPTION_AT(struct run_iothread, fdmon)},
    {.name = "record",
     .metavar = "FILE",
     .help = "write how long the thread waited for what, for pollux replay",
     .min = 1,
     OPTION_AT(struct run_iothread, io.record)},
    {.name = NULL},
};

static const struct option_key disk_keys[] = {
    {.name = "file",
     .metavar = "FILE",
     .help = "raw image or block device",
     .more = "Its size must be a multiple of 512 bytes.",
     .min = 1,
     OPTION_AT(struct run_disk, disk.image.path)},
    {.name = "format",
     .kind = OPTION_CHOICE,
     .metavar = "FORMAT",
     .help = "by default raw, and a file of another format is refused",
     .more =
         "With format=raw given, the guest gets the bytes of the file as they are, whatever they "
         "begin with. Convert other formats with qemu-img convert -O raw.",
     .choice = format_name,
     .about = format_about,
     OPTION_AT(struct run_disk, format)},
    {.name = "size",
     .kind = OPTION_SIZE,
     .metavar = "SIZE",
     .help = "with engine=null and no file",
     .min = SECTOR_SIZE,
     .max = 1ull << 60,
     OPTION_AT(struct run_disk, disk.image.size)},
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
     OPTION_AT(struct run_disk, disk.image.block_size)},
    {.name = "iothread",
     .metavar = "ID[:ID...]",
     .help = "which threads serve it: queues are dealt round robin; default the first",
     .more = "Queue 0 goes to the first thread, queue 1 to the second, and so on, then from "
             "the first again. The --iothread may come later on the command line.",
     .min = 1,
     OPTION_AT(struct run_disk, iothread)},
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
     OPTION_AT(struct run_disk, engine)},
    {.name = "cache",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "the host's page cache, and when writes are durable; default none",
     .more = "A durable write is on the medium and outlives a loss of power. With none and "
             "writeback the guest sees a disk with a write cache. The guest can switch the "
             "write cache at run time (/sys/block/vda/cache_type in Linux); a driver that "
             "cannot flush always gets durable writes. writeback and writethrough need the "
             "engine threads, then the default, or io_uring: Linux AIO would block.",
     .choice = run_cache_name,
     .about = cache_about,
     OPTION_AT(struct run_disk, cache)},
    {.name = "discard",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "discard (trim) by the guest; default ignore",
     .more = "Blocks are freed where the file system or device of the host can do that.",
     .choice = discard_name,
     .about = discard_about,
     OPTION_AT(struct run_disk, discard)},
    {.name = "detect-zeroes",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .help = "writes of nothing but zeroes; default off",
     .choice = detect_name,
     .about = detect_about,
     OPTION_AT(struct run_disk, disk.device.detect_zeroes)},
    {.name = "share-rw",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "others that say so too may write the image meanwhile; default off",
     .more = "An image is locked while it is in use: by one machine that writes it, or by "
             "many that read it. QEMU keeps to the same locks. The value on is for guests "
             "that can share a disk.",
     OPTION_AT(struct run_disk, disk.image.share_rw)},
    {.name = "readonly",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "default off",
     OPTION_AT(struct run_disk, disk.image.readonly)},
    {.name = "serial",
     .metavar = "TEXT",
     .help = "what the guest reads as the disk's serial number; default diskN",
     .more = "Up to 20 characters.",
     .min = 1,
     .max = VIRTIO_BLK_SERIAL_MAX,
     OPTION_AT(struct run_disk, disk.device.serial)},
    {.name = "queues",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "virtqueues, 1 to 64; default one for each of its threads",
     .more = "With as many as the guest has virtual CPUs, each of them has its own.",
     .min = 1,
     .max = VIRTIO_BLK_QUEUES_MAX,
     OPTION_AT(struct run_disk, disk.device.nr_queues)},
    {.name = "rerror",
     .kind = OPTION_CHOICE,
     .metavar = "ACTION",
     .help = "when a read fails; default report",
     .choice = rerror_name,
     .about = error_about,
     OPTION_AT(struct run_disk, disk.device.rerror)},
    {.name = "werror",
     .kind = OPTION_CHOICE,
     .metavar = "ACTION",
     .help = "when a write, or anything but a read, fails; default enospc",
     .more = "A flush of the host's page cache (cache=writeback) that failed cannot be "
             "tried again, since Linux has dropped the data: unless errors are ignored it "
             "is reported, and so is every later one.",
     .choice = werror_name,
     .about = error_about,
     OPTION_AT(struct run_disk, disk.device.werror)},
    {.name = "merge",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "adjacent requests go to the host as one; default on",
     OPTION_AT(struct run_disk, disk.device.merge)},
    {.name = "queue-size",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "entries of a virtqueue, a power of 2 unless packed=on; default 256",
     .min = 1,
     .max = VIRTQ_SIZE_MAX,
     OPTION_AT(struct run_disk, disk.device.queue_size)},
    {.name = "packed",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "offer packed virtqueues; default off",
     .more = "This ring format touches fewer cache lines.",
     OPTION_AT(struct run_disk, disk.device.packed)},
    {.name = "delay",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .help = "engine=null: how long a request takes; default 0",
     .max = 1000000000,
     OPTION_AT(struct run_disk, disk.device.delay_ns)},
    {.name = "fault-errors",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "of a million requests, let N fail, for testing; default 0",
     .max = 1000000,
     OPTION_AT(struct run_disk, disk.faults.error_ppm)},
    {.name = "fault-errno",
     .kind = OPTION_CHOICE,
     .metavar = "ERROR",
     .help = "with this error; default EIO",
     .choice = choice_errno,
     OPTION_AT(struct run_disk, fault_errno)},
    {.name = "fault-short",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "of a million requests, let N move only a part; default 0",
     .max = 1000000,
     OPTION_AT(struct run_disk, disk.faults.short_ppm)},
    {.name = "fault-delay",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .help = "complete every request so much later; default 0",
     .max = 1000000000000,
     OPTION_AT(struct run_disk, disk.faults.delay_ns)},
    {.name = "fault-file",
     .metavar = "FILE",
     .help = "make faults only while FILE exists",
     .min = 1,
     OPTION_AT(struct run_disk, disk.faults.trigger)},
    {.name = NULL},
};

const struct option run_options[] = {
    {.name = "kernel",
     .help = "what to boot: a bzImage, or an ELF file with a PVH note",
     .keys = kernel_keys,
     .plain = true},
    {.name = "initrd", .help = "initial RAM disk", .keys = initrd_keys, .plain = true},
    {.name = "append",
     .help = "kernel command line",
     .more = "Disks are added to it for an ELF kernel and with acpi=off; other guests find "
             "them by ACPI.",
     .keys = append_keys,
     .plain = true},
    {.name = "cpus", .help = "virtual CPUs, 1 to 64; default 1", .keys = cpus_keys, .plain = true},
    {.name = "memory", .help = "guest memory", .keys = memory_keys, .target = the_memory},
    {.name = "iothread",
     .help = "an I/O thread; may be repeated; default id=" IOTHREAD_DEFAULT,
     .keys = iothread_keys,
     .target = new_iothread},
    {.name = "disk",
     .help = "a virtio-blk disk; may be repeated",
     .keys = disk_keys,
     .target = new_disk},
    {.name = "stats",
     .help = "print figures of threads and disks at the end",
     .more = "Also whenever the process gets SIGUSR1. For each disk they have the latency "
             "of each operation (read, write, flush, discard and write zeroes) by stage, in "
             "microseconds: from seen in the ring to submitted to the engine, to completed "
             "by it, to used as the guest sees it, and the total.",
     .offset = offsetof(struct run_config, stats)},
    {.name = "trace", .help = TRACE_FILE_HELP, .keys = trace_keys, .plain = true},
    {.name = NULL},
};

void run_config_init(struct run_config *c)
{
    *c = (struct run_config){.cpus = 1, .memory = {.size = MEMORY_DEFAULT}};
}
