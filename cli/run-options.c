// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>

#include "cli/qmp-socket.h"
#include "cli/run-options.h"
#include "cli/trace-file.h"
#include "sandbox/config.h"

#define MEMORY_DEFAULT (512ull << 20)

static void *new_iothread(void *config, struct error *err)
{
    return iothread_list_add(&((struct run_config *)config)->iothreads, err);
}

static void *new_disk(void *config, struct error *err)
{
    struct run_config *c = config;

    if (c->nr_disks == MACHINE_DISKS_MAX) {
        error_set(err, -EINVAL, "--disk: a machine has room for %d disks at most",
                  MACHINE_DISKS_MAX);
        return NULL;
    }
    disk_args_init(&c->disks[c->nr_disks]);
    return &c->disks[c->nr_disks++];
}

static void *the_memory(void *config, struct error *err)
{
    return &((struct run_config *)config)->memory;
}

static void *the_sandbox(void *config, struct error *err)
{
    return &((struct run_config *)config)->sandbox;
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

static const struct option_key qmp_keys[] = {
    {.name = "qmp", .metavar = "ADDRESS", .min = 1, OPTION_AT(struct run_config, qmp)},
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

static const struct option_key vcpu_cpus_keys[] = {
    {.name = "vcpu-cpus", .metavar = "LIST", .min = 1, OPTION_AT(struct run_config, vcpu_cpus)},
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
    {.name = "vcpu-cpus",
     .help = "CPUs of the host where virtual CPUs run, as 0:2-5; default any",
     .keys = vcpu_cpus_keys,
     .plain = true},
    {.name = "memory", .help = "guest memory", .keys = memory_keys, .target = the_memory},
    {.name = "iothread",
     .help = IOTHREAD_OPTION_HELP,
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
    {.name = "qmp",
     .help = QMP_OPTION_HELP,
     .more = QMP_OPTION_MORE,
     .keys = qmp_keys,
     .plain = true},
    {.name = "sandbox",
     .help = SANDBOX_OPTION_HELP,
     .more = SANDBOX_OPTION_MORE,
     .keys = sandbox_keys,
     .plain = true,
     .target = the_sandbox},
    {.name = "user",
     .help = USER_OPTION_HELP,
     .more = USER_OPTION_MORE,
     .keys = user_keys,
     .plain = true,
     .target = the_sandbox},
    {.name = "trace", .help = TRACE_FILE_HELP, .keys = trace_keys, .plain = true},
    {.name = NULL},
};

void run_config_init(struct run_config *c)
{
    *c = (struct run_config){
        .cpus = 1, .memory = {.size = MEMORY_DEFAULT}, .sandbox = {.mode = SANDBOX_DEFAULT}};
}
