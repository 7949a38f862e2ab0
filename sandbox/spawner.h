// SPDX-License-Identifier: MIT
/*
 * A thread that makes workers, connectors and probes for other threads. A thread inherits the filter of
 * the thread that makes it, and an I/O thread may neither make threads nor do what its helpers do.
 */
#ifndef POLLUX_SANDBOX_SPAWNER_H
#define POLLUX_SANDBOX_SPAWNER_H

#include <pthread.h>

#include "base/error.h"

/**
 * spawner_start - start the thread of the process
 * Return: 0, or -errno and @err.
 */
int spawner_start(struct error *err);

/**
 * spawner_create - as pthread_create(), in the spawner
 * The new thread has the CPUs of the caller.
 * Context: any thread, after spawner_start(). Waits until the thread is there.
 */
int spawner_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *opaque),
                   void *opaque);

#endif
