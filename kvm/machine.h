// SPDX-License-Identifier: MIT
/*
 * A virtual machine: memory, vCPUs, boot, console and disks put together. What cli/ builds on.
 *
 * machine_new() either makes everything or nothing; no guest instruction runs before
 * machine_start().
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
