// SPDX-License-Identifier: MIT
/* Reading a clock in ns. */
#ifndef POLLUX_BASE_CLOCK_H
#define POLLUX_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A clock in ns; 0 if it cannot be read, for example that of a process that has ended. */
static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts = {.tv_sec = 0};

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#endif
