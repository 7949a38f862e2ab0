// SPDX-License-Identifier: MIT
/*
 * A virtual machine: memory, vCPUs, boot, console and disks put together. What cli/ builds on.
 *
 * machine_new() either makes everything or nothing; no guest instruction runs before
 * machine_start().
 */
#ifndef POLLUX_KVM_MACHINE_H
#define POLLUX_KVM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "blk/disk.h"

#define MACHINE_CPUS_MAX   64
#define MACHINE_MEMORY_MIN (16ull << 20)

struct machine;

/* Ports that the embedder answers, for example those of the bench guest. */
struct machine_ports {
    uint16_t first, count;
    /* Context: a vCPU thread. @size 1, 2 or 4 bytes. */
    void (*out)(void *opaque, uint16_t port, uint32_t value, unsigned size);
    void *opaque;
};

enum machine_end {
    MACHINE_RUNNING,
    MACHINE_POWEROFF, /* by the guest: ACPI S5, or machine_stop() from its ports */
    MACHINE_RESET,    /* by the guest: ACPI reset, 0xfe to port 0x64, port 0xcf9 */
    MACHINE_STOPPED,  /* by the host: machine_stop() */
    MACHINE_TRIPLE_FAULT,
    MACHINE_INTERNAL_ERROR, /* KVM_EXIT_INTERNAL_ERROR */
    MACHINE_ENTRY_FAILURE,  /* KVM_EXIT_FAIL_ENTRY */
    MACHINE_HOST_ERROR,     /* KVM_RUN itself failed */
};

struct machine_config {
    unsigned cpus;           /* 1..MACHINE_CPUS_MAX */
    uint64_t memory;         /* bytes, a multiple of 4096 */
    bool memory_shared;      /* from a memfd, MAP_SHARED */
    const char *kernel;      /* bzImage or ELF with a PVH note; NULL: kernel_data */
    const void *kernel_data; /* an ELF image in memory; stays the caller's */
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
    /* One line about a fault of a guest or a disk, or what the command line takes from the guest.
     * Context: any thread. NULL: dropped. */
    void (*log)(void *opaque, const char *line);
    /* A disk of rerror or werror stop failed a request, and the machine pauses; what is to be
     * mended is in @why. machine_resume() tries again. Context: an I/O thread. NULL: nobody is
     * told. */
    void (*paused)(void *opaque, const char *why);
    void *opaque;        /* for the functions above */
    struct trace *trace; /* vCPUs and I/O threads record there; NULL: none; outlives the machine */
};

/**
 * machine_new - build a machine; everything the guest needs is in place, nothing runs
 * @config: copied where needed; strings need not outlive the call
 * Return: 0 and *@out, or -errno and @err: one clear line, and nothing half-started is left.
 */
int machine_new(const struct machine_config *config, struct machine **out, struct error *err);

/**
 * machine_start - let the vCPU threads run
 * Return: 0 or -errno and @err.
 */
int machine_start(struct machine *m, struct error *err);

/**
 * machine_end_fd - an eventfd that becomes readable when the machine has ended; never read it
 */
int machine_end_fd(const struct machine *m);

/**
 * machine_stop - end the machine from outside
 * @why: MACHINE_STOPPED, or MACHINE_POWEROFF when a port handler means just that
 * The first end wins. Context: any thread, vCPU threads too; does not wait.
 */
void machine_stop(struct machine *m, enum machine_end why);

/**
 * machine_end - wait for the end
 * @message: as of machine_wait()
 * Context: any thread.
 * Return: how it ended; vCPUs may still be on their way out, and requests in flight.
 */
enum machine_end machine_end(struct machine *m, char *message, size_t size);

/**
 * machine_wait - wait for the end, join the vCPU threads, drain the disks
 * @message: filled for the ends from MACHINE_TRIPLE_FAULT on: cause, vCPU, registers, instruction
 *           bytes; may have several lines
 * Waits without limit for requests in flight.
 * Context: any thread, one at a time.
 * Return: how it ended.
 */
enum machine_end machine_wait(struct machine *m, char *message, size_t size);

/**
 * machine_pause - stop the vCPUs soon; disks complete what they were given
 * machine_resume - let them run, and try again what disks have kept since they failed
 * Context: any thread; machine_resume() any but the I/O threads. Do not wait. Nothing happens where
 * the machine is in that state already, or has ended.
 */
void machine_pause(struct machine *m);
void machine_resume(struct machine *m);

/**
 * machine_resize_disk - look whether the image of a disk has grown or shrunk, and tell the guest
 * @i: by its place in the configuration
 * @name: of the image, for the message
 * Context: the thread that called machine_new.
 * Return: 1 it has another size now, 0 it has not, or -errno and @err.
 */
int machine_resize_disk(struct machine *m, unsigned i, const char *name, struct error *err);

/**
 * machine_watch - the watchdog: call it about once a second while the machine runs
 * Serves queues whose I/O thread sleeps though the driver made something available, and logs it.
 * Context: the thread that called machine_new.
 */
void machine_watch(struct machine *m);

/**
 * machine_free - release everything; the machine has ended or was never started. NULL is allowed.
 */
void machine_free(struct machine *m);

/**
 * machine_console_in - characters typed at the serial port
 * Context: any thread. Return: how many were taken; the rest does not fit yet: offer it again.
 */
size_t machine_console_in(struct machine *m, const void *data, size_t len);

/* By their place in the configuration; NULL past the last one, and for a disk that the embedder
 * made. They live as long as the machine. */
struct iothread *machine_iothread(struct machine *m, unsigned i);
struct virtio_device *machine_disk(struct machine *m, unsigned i);

/**
 * machine_vcpu_cpu_ns - CPU time of a vCPU's thread, ns; its final figure when it has ended
 * Context: any thread.
 */
uint64_t machine_vcpu_cpu_ns(struct machine *m, unsigned i);

/**
 * machine_vcpu_exits - exits to user space of a vCPU so far
 * Context: any thread.
 */
uint64_t machine_vcpu_exits(struct machine *m, unsigned i);

#endif
