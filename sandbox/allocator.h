// SPDX-License-Identifier: MIT
/* What malloc() of glibc asks the system once, in whatever thread needs it first. */
#ifndef POLLUX_SANDBOX_ALLOCATOR_H
#define POLLUX_SANDBOX_ALLOCATOR_H

/**
 * allocator_prepare - have malloc() ask now, so that confined threads neither open files for it nor
 * need calls of their own
 * The number of CPUs limits the arenas; /proc/sys/vm/overcommit_memory says how an arena shrinks, and
 * is read when an arena of a thread shrinks for the first time. qsort() asks for the size of memory.
 * Context: a thread that is not the main thread.
 */
void allocator_prepare(void);

#endif
