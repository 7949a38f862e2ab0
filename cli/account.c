// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>

#include "cli/account.h"

#define ANSWER_NS 1000000000 /* a turn of a loop takes far less */

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void print_loop(const char *id, const struct iothread_account *a, FILE *out)
{
    const struct aio_stats *s = &a->loop;

    fprintf(out,
            "%s: %.3f s CPU; polled %.3f s: %" PRIu64 " hits, %" PRIu64
            " misses; blocked %.3f s in %" PRIu64 " waits\n",
            id, seconds(a->cpu_ns), seconds(s->polled_ns), s->poll_hits, s->poll_misses,
            seconds(s->blocked_ns), s->blocks);
    fprintf(out,
            "%s: %" PRIu64 " turns, %" PRIu64 " handler calls, %" PRIu64 " bottom halves, %" PRIu64
            " timers, %" PRIu64 " system calls; notified %" PRIu64 " times asleep, %" PRIu64
            " awake\n",
            id, s->turns, s->dispatches, s->bhs, s->timers, s->syscalls, s->notify_sent,
            s->notify_elided);
    if (a->run_delay_known) {
        fprintf(out,
                "%s: waited %.3f s for a CPU, which it got %" PRIu64 " times; %" PRIu64
                " trials of polling against blocking\n",
                id, seconds(a->run_delay_ns), a->starts, s->trials);
    }
    fprintf(out, "%s: window %.1f us now, policy %s, at most %.1f us%s%s\n", id,
            (double)s->window_ns / 1e3, a->poll.policy->name, (double)a->poll.max_ns / 1e3,
            *a->policy ? "; " : "", a->policy);
}

/* "1:20 2-3:4", only sizes that occurred. */
static void print_batches(const uint64_t batches[AIO_BATCH_BUCKETS], FILE *out)
{
    for (unsigned i = 0; i < AIO_BATCH_BUCKETS; i++) {
        unsigned low = 1u << i, high = 2 * low - 1;

        if (!batches[i]) {
            continue;
        }
        if (i == AIO_BATCH_BUCKETS - 1) {
            fprintf(out, " %u+:%" PRIu64, low, batches[i]);
        } else if (low == high) {
            fprintf(out, " %u:%" PRIu64, low, batches[i]);
        } else {
            fprintf(out, " %u-%u:%" PRIu64, low, high, batches[i]);
        }
    }
}

static void print_handler(const char *id, const struct aio_handler_info *h, FILE *out)
{
    const struct aio_handler_stats *s = &h->stats;

    fprintf(out,
            "%s:   %-18s %10" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9.3f %9.3f %9" PRIu64 " %9u %-7s",
            id, h->name, s->hits, s->misses, s->wakeups, seconds(s->polled_ns),
            seconds(s->blocked_ns), s->syscalls, h->in_flight,
            !h->live         ? "gone"
            : h->in_poll_set ? "polled"
            : h->can_poll    ? "quiet"
                             : "fd only");
    print_batches(s->batches, out);
    fputc('\n', out);
}

void account_print(struct iothread *io, FILE *out)
{
    struct iothread_account *a = malloc(sizeof(*a));
    const char *id = iothread_id(io);

    if (!a) {
        fprintf(out, "%s: out of memory\n", id);
        return;
    }
    if (iothread_get_account(io, ANSWER_NS, a) < 0) {
        fprintf(out, "%s does not answer\n", id);
        free(a);
        return;
    }
    print_loop(id, a, out);
    fprintf(out, "%s:   %-18s %10s %9s %9s %9s %9s %9s %9s %-7s %s\n", id, "handler", "hits",
            "misses", "wake-ups", "polled s", "blocked s", "syscalls", "in flight", "now",
            "requests at once:times");
    for (unsigned i = 0; i < a->nr_handlers; i++) {
        print_handler(id, &a->handlers[i], out);
    }
    free(a);
}
