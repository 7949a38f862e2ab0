// SPDX-License-Identifier: MIT
/*
 * Run a poll policy over recorded waits on a virtual clock, and add up the cost.
 *
 * The model: an event comes a fixed time after the loop went idle, whatever the loop does. If the
 * window T is at least as long as the wait, polling sees the event at once and the wait of x costs
 * x. If not, the event is seen W later and the wait costs T + w * W. The clairvoyant policy knows
 * x, and spins exactly when x < w * W; regret is a policy's cost divided by the clairvoyant's.
 */
#ifndef POLLUX_AIO_WAITS_REPLAY_H
#define POLLUX_AIO_WAITS_REPLAY_H

#include "aio/policy/policy.h"
#include "aio/waits/file.h"

/* All times ns. */
struct replay_result {
    uint64_t waits;
    uint64_t hits;       /* seen by polling */
    uint64_t misses;     /* polled without result, then blocked */
    uint64_t blocks;     /* blocked, misses included */
    uint64_t polled_ns;  /* spent spinning */
    uint64_t latency_ns; /* added by wake-ups */
    uint64_t cpu_ns;     /* spinning and wake-ups */
    uint64_t cost;       /* polled + w * latency */
    uint64_t best_cost;  /* the clairvoyant's */
    uint64_t total_ns;   /* virtual time that passed */
};

struct replay {
    struct poll_policy policy;
    struct poll_source sources[WAITS_SOURCES_MAX];
    unsigned in_flight[WAITS_SOURCES_MAX]; /* what sources[].in_flight points to */
    unsigned nr_sources;
    uint64_t wake_ns, wake_cpu_ns;
    uint64_t now;
    uint64_t window_ns; /* the newest answer of the policy */
    struct replay_result result;
};

/**
 * replay_init - prepare to feed waits, one by one, to a policy
 * @t: its header only: sources, and what blocking costs
 * Return: 0 or -ENOMEM. replay_destroy() frees.
 */
int replay_init(struct replay *r, const struct poll_params *params, const struct waits *t);
void replay_destroy(struct replay *r);

/**
 * replay_wait - ask the policy about a wait, decide how it ends, teach the policy, count the cost
 */
void replay_wait(struct replay *r, const struct wait_record *w);

/**
 * replay_run - all waits
 * Return: 0 or -ENOMEM.
 */
int replay_run(const struct poll_params *params, const struct waits *t, struct replay_result *out);

/**
 * replay_regret - cost over the clairvoyant's, at least 1; 1 if the waits cost nothing
 */
double replay_regret(const struct replay_result *r);

#endif
