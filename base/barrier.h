// SPDX-License-Identifier: MIT
/*
 * The few memory orderings this project uses, by name.
 *
 * Everything here is C11 <stdatomic.h>; guest memory is plain memory shared with another CPU, so
 * it is read and written through the same helpers, on pointers to plain integers (the __atomic
 * builtins, which gcc and clang define for those). A place that needs an ordering names the
 * barrier it pairs with.
 */
#ifndef POLLUX_BASE_BARRIER_H
#define POLLUX_BASE_BARRIER_H

#define CACHE_LINE 64

#include <stdatomic.h>

/* No tearing, no ordering: counters, and hints that are re-checked. */
#define load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* What was written before the paired store_release is visible after this load. */
#define load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#define exchange_acq_rel(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define fetch_or_acq_rel(p, v)  __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define fetch_and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)

/* For one who reads after this thread has ended: stores before it reach memory before those after
 * it, as x86 keeps them in the order of the program. */
static inline void compiler_barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

/*
 * Orders an earlier store before a later load: "I published; now did the other side ask to be
 * told?". The only ordering here that costs anything on x86. ThreadSanitizer does not understand
 * fences, so under it a read-modify-write stands in, which is a full barrier on x86. It is a
 * relaxed one, or it would order everything in the eyes of ThreadSanitizer, which then would miss
 * races.
 */
static inline void full_barrier(void)
{
#if defined(__SANITIZE_THREAD__)
    static _Atomic int order;
    atomic_fetch_add_explicit(&order, 1, memory_order_relaxed);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* A counter with one writer that other threads read for display. */
#define stat_add(p, n) store_relaxed((p), load_relaxed(p) + (n))

/* In a spin loop: tells the CPU that this is one. */
static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

/* The line will be written: fetch it for that, not for reading first. CPUs that have no such hint
 * do nothing. (gcc's builtin reads, unless it is told that the CPU has it.) */
static inline void prefetch_to_write(const void *p)
{
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
}

#endif
