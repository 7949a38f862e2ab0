// SPDX-License-Identifier: MIT
/*
 * What blocking costs, measured while the loop works.
 *
 * When an event was signalled is not known to a loop that blocks: it only sees that it woke up. But
 * a source that is steady gives it away: the same wait, blocked for instead of polled for, is
 * longer by the cost of blocking, with all there is to it: the notification that the other side
 * must send, the wake-up, the system calls. So now and then one wait is done the other way round,
 * and the difference to the mean of the others is a sample. Two bounds come free with each wait
 * that blocked: an event that polling had not seen came after that, and none comes before the wait
 * began.
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
 * cost_wake_probe - should the wait that begins at @now be done the other way round?
 * @window: what the policy would answer
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
