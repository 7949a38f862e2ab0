// SPDX-License-Identifier: MIT
/* Runs a poll policy over recorded waits. */
#include "aio/waits/replay.h"

#include <errno.h>

int replay_init(struct replay *r, const struct poll_params *params, const struct waits *t)
{
    *r = (struct replay){
        .nr_sources = t->nr_sources,
        .wake_ns = t->wake_ns,
        .wake_cpu_ns = t->wake_cpu_ns,
    };
    if (poll_policy_init(&r->policy, params) < 0) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < t->nr_sources; i++) {
        const unsigned *in_flight = t->sources[i].counted ? &r->in_flight[i] : NULL;

        if (poll_source_init(&r->sources[i], &r->policy, in_flight) < 0) {
            r->nr_sources = i;
            replay_destroy(r);
            return -ENOMEM;
        }
        poll_source_join(&r->sources[i], &r->policy);
    }
    return 0;
}

void replay_destroy(struct replay *r)
{
    for (unsigned i = 0; i < r->nr_sources; i++) {
        poll_source_destroy(&r->sources[i]);
    }
    poll_policy_destroy(&r->policy);
}

/* When the event came, ns after the loop went idle. */
static uint64_t came_at(const struct replay *r, const struct wait_record *w)
{
    if (!w->blocked) {
        return w->wait_ns;
    }
    return w->wait_ns > w->polled_ns + r->wake_ns ? w->wait_ns - r->wake_ns : w->polled_ns;
}

static void count(struct replay *r, const struct wait_record *w, const struct poll_wait *pw,
                  uint64_t came)
{
    struct replay_result *out = &r->result;
    uint64_t weight = r->policy.params.latency_weight;
    uint64_t block_cost = r->wake_ns * (weight ? weight : POLL_LATENCY_WEIGHT_DEFAULT);

    out->waits++;
    out->polled_ns += pw->polled_ns;
    out->cpu_ns += pw->polled_ns;
    out->cost += pw->polled_ns;
    if (pw->outcome == POLL_HIT) {
        out->hits++;
    } else {
        out->blocks++;
        out->misses += pw->polled_ns > 0;
        out->cpu_ns += r->wake_cpu_ns;
    }
    if (w->ready) {
        out->best_cost += came < block_cost ? came : block_cost;
        if (pw->outcome != POLL_HIT) {
            out->latency_ns += r->wake_ns;
            out->cost += block_cost;
        }
    }
}

void replay_wait(struct replay *r, const struct wait_record *w)
{
    uint64_t came = came_at(r, w);
    struct poll_wait pw = {.off_cpu = w->off_cpu};

    r->now += w->busy_ns;
    for (unsigned i = 0; i < r->nr_sources; i++) {
        r->in_flight[i] = w->in_flight >> i & 1;
    }
    pw.start_ns = r->now;
    pw.window_ns = r->window_ns = poll_policy_window(&r->policy, r->now);
    if (w->ready && came <= pw.window_ns) {
        pw.outcome = POLL_HIT;
        pw.polled_ns = came;
        r->now += came;
    } else {
        pw.outcome = POLL_BLOCKED;
        pw.polled_ns = came < pw.window_ns ? came : pw.window_ns;
        r->now += came + r->wake_ns;
        pw.blocked_ns = r->now - pw.start_ns - pw.polled_ns;
    }
    pw.end_ns = r->now;
    for (unsigned i = 0; i < r->nr_sources; i++) {
        if (w->ready >> i & 1) {
            poll_policy_event(&r->policy, &r->sources[i]);
        }
    }
    poll_policy_wait_done(&r->policy, &pw);
    if (!w->off_cpu) {
        count(r, w, &pw, came);
    }
    r->result.total_ns = r->now;
}

int replay_run(const struct poll_params *params, const struct waits *t, struct replay_result *out)
{
    struct replay r;
    int ret = replay_init(&r, params, t);

    if (ret < 0) {
        return ret;
    }
    for (size_t i = 0; i < t->nr_waits; i++) {
        replay_wait(&r, &t->waits[i]);
    }
    *out = r.result;
    replay_destroy(&r);
    return 0;
}

double replay_regret(const struct replay_result *r)
{
    return r->best_cost ? (double)r->cost / (double)r->best_cost : 1;
}
