// SPDX-License-Identifier: MIT
/* Handlers that are polled and never ready, beside those of the disks. */
#ifndef POLLUX_BENCH_IDLE_HANDLERS_H
#define POLLUX_BENCH_IDLE_HANDLERS_H

#include "iothread/iothread.h"

struct bench_idle;

/**
 * bench_idle_add - @n handlers in the loop of @io that can be polled and never have anything to do
 * Return: 0 and *@out, which bench_idle_remove() frees; or -errno and @err.
 */
int bench_idle_add(struct iothread *io, unsigned n, struct bench_idle **out, struct error *err);
void bench_idle_remove(struct bench_idle *idle);

#endif
