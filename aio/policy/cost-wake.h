// SPDX-License-Identifier: MIT
/*
 * What blocking costs, measured while the loop works.
 *
 * A loop that blocks knows when it woke up, not when the event came. With a steady source, a wait
 * that blocks is longer than a wait that polls by the cost of blocking: the notification of the
 * other side, the wake-up and the system calls. So from time to time the policy makes a probe: it
 * blocks in a wait that it would poll in, or the reverse. The difference to the mean of the other
 * waits is a sample. Each wait that blocked also gives an upper bound: its event came after polling
 * had ended.
 */
#ifndef POLLUX_AIO_POLICY_COST_WAKE_H
#define POLLUX_AIO_POLICY_COST_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "aio/policy/policy.h"

enum wake_probe {
    WAKE_PROBE_NONE,
    WAKE_PROBE_BLOCK, /* the loop polls: block for once */
    WAKE_PROBE_POLL,  /* the loop blocks: poll for once */
};

struct cost_wake {
    uint64_t wake_ns;   /* the estimate: W */
    bool measured;      /* by a probe; else it is a guess */
    bool polling;       /* how the waits that mean_ns is about were done */
    uint32_t waits;     /* of these, so far */
    uint64_t mean_ns;   /* of these */
    uint64_t spread_ns; /* mean absolute deviation from it */
    uint64_t due_ns;    /* no probe before this time */
    uint32_t gap_shift; /* probes become rarer while they confirm what is known */
};

void cost_wake_init(struct cost_wake *k, uint64_t guess_ns);

/**
 * cost_wake_probe - should the wait that begins at @now be a probe?
 * @window: the window without a probe
 * @params: cap and latency weight
 * @probe_ns: if WAKE_PROBE_POLL, the window to poll for
 */
enum wake_probe cost_wake_probe(struct cost_wake *k, uint64_t now, uint64_t window,
                                const struct poll_params *params, uint64_t *probe_ns);

/**
 * cost_wake_learn - the wait is over
 * @probe: what cost_wake_probe() said for it
 */
void cost_wake_learn(struct cost_wake *k, const struct poll_wait *w, enum wake_probe probe);

/**
 * cost_wake_forget - the workload has changed; W itself stays
 */
void cost_wake_forget(struct cost_wake *k);

#endif
