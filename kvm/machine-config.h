// SPDX-License-Identifier: MIT
/* The configuration of a machine: memory, vCPUs, kernel, I/O threads, disks, callbacks. */
#ifndef POLLUX_KVM_MACHINE_CONFIG_H
#define POLLUX_KVM_MACHINE_CONFIG_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "blk/disk.h"

#define MACHINE_CPUS_MAX   64
#define MACHINE_DISKS_MAX  31 /* PCI bus 0 has 32 devices, one of them the host bridge */
#define MACHINE_MMIO_MAX   18 /* of them virtio-mmio: each takes an interrupt of the I/O APIC */
#define MACHINE_MEMORY_MIN (16ull << 20)

/* Ports that the embedder answers, for example those of the bench guest. */
struct machine_ports {
    uint16_t first, count;
    /* Context: a vCPU thread. @size 1, 2 or 4 bytes. */
    void (*out)(void *opaque, uint16_t port, uint32_t value, unsigned size);
    void *opaque;
};

struct machine_config {
    unsigned cpus;           /* 1..MACHINE_CPUS_MAX */
    cpu_set_t vcpu_cpus;     /* CPUs of the host where vCPU threads run; empty: anywhere */
    uint64_t memory;         /* bytes, a multiple of 4096 */
    bool memory_shared;      /* from a memfd, MAP_SHARED */
    const char *kernel;      /* bzImage or ELF with a PVH note; NULL: kernel_data */
    const void *kernel_data; /* an ELF image in memory, which the caller frees */
    size_t kernel_size;
    const char *initrd; /* NULL: none */
    const char *append; /* guest command line; NULL: empty */
    const struct iothread_config *iothreads;
    unsigned nr_iothreads;
    const struct disk_config *disks;
    unsigned nr_disks;
    const struct machine_ports *ports; /* NULL: none */
    /* The serial port's output, in batches. Context: a thread of its own, one call at a time. The
     * machine does not end before the last call has returned. NULL: dropped. */
    void (*console_out)(void *opaque, const void *data, size_t len);
    /* One line about a fault of a guest or a disk, or about a kernel option that disables hardware.
     * Context: any thread. NULL: dropped. */
    void (*log)(void *opaque, const char *line);
    /* The host failed a request of a disk. Context: an I/O thread. NULL: not reported. */
    void (*io_error)(void *opaque, const struct blk_io_error *e);
    /* A disk with rerror or werror stop failed a request, and the machine pauses. @why is the
     * cause. machine_resume() retries. Context: an I/O thread. NULL: not reported. */
    void (*paused)(void *opaque, const char *why);
    void *opaque;        /* first argument of the functions above */
    struct trace *trace; /* vCPUs and I/O threads record there; NULL: none; outlives the machine */
};

#endif
