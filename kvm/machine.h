// SPDX-License-Identifier: MIT
/*
 * A virtual machine: memory, vCPUs, boot, console and disks.
 *
 * machine_new() creates all parts or none. No guest instruction runs before machine_start().
 */
#ifndef POLLUX_KVM_MACHINE_H
#define POLLUX_KVM_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kvm/machine-config.h"
#include "kvm/machine-end.h"

struct machine;

/**
 * machine_new - create a machine that is ready to start
 * @config: copied where needed; strings need not outlive the call
 * Return: 0 and *@out, or -errno and @err: one line; then all parts are released.
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
 * @why: MACHINE_STOPPED; MACHINE_RESET; or MACHINE_POWEROFF from a port handler
 * Only the first call counts. Context: any thread, vCPU threads too; does not wait.
 */
void machine_stop(struct machine *m, enum machine_end why);

/**
 * machine_end - wait for the end
 * @message: as of machine_wait()
 * Context: any thread.
 * Return: how it ended; vCPU threads may still run, and requests be in flight.
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
 * machine_pause - stop the vCPUs soon; requests in flight complete
 * machine_resume - let the vCPUs run, and retry the failed requests that disks hold
 * Context: any thread; machine_resume() any but the I/O threads. Neither call waits. A call has no
 * effect if the machine is in that state already, or has ended.
 */
void machine_pause(struct machine *m);
void machine_resume(struct machine *m);

/**
 * machine_paused - is the machine paused?
 * Context: any thread.
 */
bool machine_paused(struct machine *m);

/**
 * machine_powerdown - press the ACPI power button; the guest decides what it does
 * Context: any thread. Does not wait.
 */
void machine_powerdown(struct machine *m);

/**
 * machine_resize_disk - notify the guest if the image of a disk has grown or shrunk
 * @i: the index in the configuration
 * @name: of the image, for the message
 * Context: the thread that called machine_new.
 * Return: 1 if the size changed, 0 if not, or -errno and @err.
 */
int machine_resize_disk(struct machine *m, unsigned i, const char *name, struct error *err);

/**
 * machine_watch - the watchdog, to be called about once a second while the machine runs
 * Serves and logs queues whose I/O thread sleeps although the driver made requests available.
 * Context: the thread that called machine_new.
 */
void machine_watch(struct machine *m);

/**
 * machine_free - release a machine that has ended or was never started; NULL is allowed
 */
void machine_free(struct machine *m);

/**
 * machine_console_in - put characters into the receive queue of the serial port
 * Context: any thread. Return: the number queued; the caller offers the others again.
 */
size_t machine_console_in(struct machine *m, const void *data, size_t len);

/* @i is the index in the configuration. Return: NULL past the last one, and for a disk that the
 * embedder made. The objects live as long as the machine. */
struct iothread *machine_iothread(struct machine *m, unsigned i);
struct virtio_device *machine_disk(struct machine *m, unsigned i);

/* machine_disk_parts - disk @i with its image; NULL as above. */
struct disk *machine_disk_parts(struct machine *m, unsigned i);

/**
 * machine_vcpu_tid - the thread id of a vCPU; 0 if its thread has not begun to run
 * Context: any thread.
 */
int machine_vcpu_tid(struct machine *m, unsigned i);

/**
 * machine_end_records - iothread_set_end_records() of its I/O threads
 * Context: the thread of machine_wait(), after it. Return: 0, or -errno and @err.
 */
int machine_end_records(struct machine *m, struct error *err);

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
