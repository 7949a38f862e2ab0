// SPDX-License-Identifier: MIT
/*
 * Every event that can be traced, once. From this list come the static probes, the recording
 * functions trace_NAME() (trace/trace.h) and the names of the arguments in the trace file.
 *
 * E<n>(name, type, argument, ...): pointers and integers that are at hand, at most four. A
 * `const char *` must stay valid as long as the trace: static text, or from trace_name().
 *
 * NAME_begin and NAME_end enclose what happens between them, and nest.
 */
#ifndef POLLUX_TRACE_EVENTS_H
#define POLLUX_TRACE_EVENTS_H

/* clang-format off */
#define TRACE_EVENTS(E1, E2, E3, E4)                                                               \
    /* The loop spins for up to @max_ns; the next timer is due in @timeout ns. */                  \
    E3(run_poll_handlers_begin, const void *, ctx, uint64_t, max_ns, int64_t, timeout)             \
    E3(run_poll_handlers_end, const void *, ctx, bool, progress, int64_t, timeout)                 \
    /* The policy's window is another one than before. */                                          \
    E3(poll_grow, const void *, ctx, uint64_t, old_ns, uint64_t, new_ns)                           \
    E3(poll_shrink, const void *, ctx, uint64_t, old_ns, uint64_t, new_ns)                         \
    /* A handler enters or leaves the set that is spun over. */                                    \
    E3(poll_add, const void *, ctx, const char *, handler, int, fd)                                \
    E3(poll_remove, const void *, ctx, const char *, handler, int, fd)                             \
    /* In the kernel until something is ready; INT64_MAX: no timer. */                             \
    E2(block_begin, const void *, ctx, int64_t, timeout)                                           \
    E2(block_end, const void *, ctx, uint64_t, blocked_ns)                                         \
    /* aio_notify(), by any thread; @sent: the owner was asleep, it took a system call. */         \
    E2(notify, const void *, ctx, bool, sent)                                                      \
    /* One handler's callback; @revents is 0 when polling found it. */                             \
    E3(dispatch_begin, const void *, ctx, const char *, handler, int, revents)                     \
    E1(dispatch_end, const void *, ctx)                                                              \
    E1(bottom_halves_begin, const void *, ctx)                                                     \
    E1(bottom_halves_end, const void *, ctx)                                                       \
    E1(end_of_turn_begin, const void *, ctx)                                                       \
    E1(end_of_turn_end, const void *, ctx)                                                         \
    /* One system call that hands requests to the kernel. */                                       \
    E3(submit_begin, const void *, ctx, const char *, engine, unsigned, requests)                  \
    E3(submit_end, const void *, ctx, const char *, engine, int, result)                           \
    /* The stages of a request. An engine gets it in one piece or, one after the other, in more. */\
    E2(request_seen, const void *, queue, const void *, request)                                   \
    E4(request_submitted, const void *, engine, const void *, request, unsigned, op,               \
       uint64_t, offset)                                                                           \
    E3(request_completed, const void *, engine, const void *, request, int64_t, result)            \
    E3(request_used, const void *, queue, const void *, request, unsigned, written)                \
    /* The driver is shown all used requests of the queue; @sent: with an interrupt. */            \
    E2(interrupt, const void *, queue, bool, sent)                                                 \
    /* A vCPU goes into the guest, or comes back to user space. */                                 \
    E1(vcpu_entry, unsigned, vcpu)                                                                 \
    E3(vcpu_exit, unsigned, vcpu, const char *, reason, unsigned, code)
/* clang-format on */

#endif
