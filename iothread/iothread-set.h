// SPDX-License-Identifier: MIT
/* The I/O threads of a process, found by their ids. */
#ifndef POLLUX_IOTHREAD_IOTHREAD_SET_H
#define POLLUX_IOTHREAD_IOTHREAD_SET_H

#include "iothread/iothread.h"

struct iothread_set {
    struct iothread **threads;
    unsigned nr;
};

/**
 * iothread_set_start - start a thread for each of @nr configurations
 * @trace: the trace that all of them record to; NULL: none; outlives them
 * Context: any thread.
 * Return: 0; or -errno and @err: two have the same id, or one could not be started. Those that were
 *         started are in @set: iothread_set_stop() releases in both cases.
 */
int iothread_set_start(struct iothread_set *set, const struct iothread_config *configs, unsigned nr,
                       struct trace *trace, struct error *err);

/**
 * iothread_set_stop - end and free all of them; see iothread_free()
 */
void iothread_set_stop(struct iothread_set *set);

/**
 * iothread_set_end_records - iothread_end_record() of all of them
 * Return: 0, or -errno and @err of the first that could not be written.
 */
int iothread_set_end_records(const struct iothread_set *set, struct error *err);

/**
 * iothread_set_find - Return: the thread with this id, or NULL.
 */
struct iothread *iothread_set_find(const struct iothread_set *set, const char *id);

#endif
