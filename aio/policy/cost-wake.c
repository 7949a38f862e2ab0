// SPDX-License-Identifier: MIT
/* Probes, and the estimate of W. */
#include "aio/policy/cost-wake.h"

#define WAKE_MIN_NS 500
#define WAKE_MAX_NS 2000000

/* Waits before the mean is trusted. */
#define MEAN_WAITS 16
/* A wait this short is worth polling for, whatever blocking costs. */
#define PROBE_WORTH_NS 2000
/* The least time between probes is the cost of a probe times this, so that all probes together take
 * less than a thousandth of the time, or of a CPU. It doubles up to MAX_GAP_SHIFT times.
 */
#define PROBE_GAP     1024
#define MAX_GAP_SHIFT 4
/* A probe by polling is made only where it can pay if W is up to this many times the estimate. */
#define WAKE_ERROR_MAX 4

void cost_wake_init(struct cost_wake *k, uint64_t guess_ns)
{
    *k = (struct cost_wake){.wake_ns = guess_ns};
}

void cost_wake_forget(struct cost_wake *k)
{
    k->waits = 0;
    k->gap_shift = 0;
}

static bool steady(const struct cost_wake *k, bool polling)
{
    return k->polling == polling && k->waits >= MEAN_WAITS && k->spread_ns * 4 < k->wake_ns;
}

static void postpone(struct cost_wake *k, uint64_t now, uint64_t gap)
{
    k->due_ns = now + (gap << k->gap_shift);
    if (k->gap_shift < MAX_GAP_SHIFT) {
        k->gap_shift++;
    }
}

enum wake_probe cost_wake_probe(struct cost_wake *k, uint64_t now, uint64_t window,
                                const struct poll_params *params, uint64_t *probe_ns)
{
    uint64_t wake_max, weight;

    if (now < k->due_ns || !steady(k, window > 0)) {
        return WAKE_PROBE_NONE;
    }
    if (window) {
        if (k->mean_ns < PROBE_WORTH_NS) {
            return WAKE_PROBE_NONE;
        }
        postpone(k, now, k->wake_ns * PROBE_GAP);
        return WAKE_PROBE_BLOCK;
    }
    weight = params->latency_weight ? params->latency_weight : POLL_LATENCY_WEIGHT_DEFAULT;
    wake_max = k->wake_ns * WAKE_ERROR_MAX < k->mean_ns ? k->wake_ns * WAKE_ERROR_MAX : k->mean_ns;
    if (k->mean_ns - wake_max >= params->max_ns || k->mean_ns - wake_max >= weight * wake_max) {
        return WAKE_PROBE_NONE;
    }
    *probe_ns = k->mean_ns < params->max_ns ? k->mean_ns : params->max_ns;
    postpone(k, now, *probe_ns * PROBE_GAP);
    return WAKE_PROBE_POLL;
}

/* Towards the sample by 1/2^shift of the way, at most by half of the estimate. */
static void approach(struct cost_wake *k, int64_t sample, unsigned shift)
{
    int64_t old = (int64_t)k->wake_ns, limit = old / 2;
    int64_t step = sample - old;

    step = step > limit ? limit : step < -limit ? -limit : step;
    old += step / (1 << shift);
    k->wake_ns = (uint64_t)(old < WAKE_MIN_NS   ? WAKE_MIN_NS
                            : old > WAKE_MAX_NS ? WAKE_MAX_NS
                                                : old);
}

static void measured(struct cost_wake *k, const struct poll_wait *w, int64_t sample)
{
    int64_t error = sample - (int64_t)k->wake_ns;
    bool far = (error < 0 ? -error : error) * 4 > (int64_t)k->wake_ns;

    if (far) {
        k->gap_shift = 0;
        k->due_ns -= (k->due_ns - w->start_ns) / 4 * 3;
    }
    approach(k, sample, k->measured ? 1 + !far : 0);
    k->measured = true;
}

static void follow(struct cost_wake *k, uint64_t wait, bool polling)
{
    int64_t diff;

    if (k->polling != polling || !k->waits) {
        k->polling = polling;
        k->waits = 1;
        k->mean_ns = wait;
        k->spread_ns = 0;
        return;
    }
    k->waits++;
    diff = (int64_t)wait - (int64_t)k->mean_ns;
    k->mean_ns = (uint64_t)((int64_t)k->mean_ns + diff / 8);
    diff = diff < 0 ? -diff : diff;
    k->spread_ns = (uint64_t)((int64_t)k->spread_ns + (diff - (int64_t)k->spread_ns) / 8);
}

void cost_wake_learn(struct cost_wake *k, const struct poll_wait *w, enum wake_probe probe)
{
    int64_t wait = (int64_t)(w->end_ns - w->start_ns);
    bool hit = w->outcome == POLL_HIT;

    if (!hit && wait - (int64_t)w->polled_ns < (int64_t)k->wake_ns) {
        approach(k, wait - (int64_t)w->polled_ns, 3);
    }
    if (probe == WAKE_PROBE_NONE) {
        follow(k, (uint64_t)wait, hit);
    } else if (probe == WAKE_PROBE_BLOCK && !hit) {
        measured(k, w, wait - (int64_t)k->mean_ns);
    } else if (probe == WAKE_PROBE_POLL && hit) {
        measured(k, w, (int64_t)k->mean_ns - wait);
    }
}
