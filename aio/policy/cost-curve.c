// SPDX-License-Identifier: MIT
/* Expected cost of each possible window, from hazards. */
#include "aio/policy/cost-curve.h"

/* Of Pareto(1), in a bucket a quarter of an octave wide: 1 - 2^(-1/4). */
#define PRIOR_HAZARD 0.16f
/* The prior counts as much as a quarter of a wait. */
#define PRIOR_SEEN (HIST_ONE / 4)
/* The window in force stays while it would be the best one for a cost of blocking between
 * 1 / (1 + HYSTERESIS) and 1 + HYSTERESIS times the measured one. Where polling and blocking cost
 * about the same, W is not known well enough to say which is better, and changing between them
 * costs more than either. */
#define HYSTERESIS 0.25f

void cost_curve_add(struct cost_curve *c, const uint16_t events[HIST_BUCKETS],
                    const uint16_t ended[HIST_BUCKETS])
{
    uint32_t lasted = 0;

    for (unsigned i = HIST_BUCKETS; i-- > 0;) {
        lasted += ended[i];
        if (events[i] && lasted) {
            c->hazard[i] += (float)events[i] / (float)lasted;
        }
        if ((float)lasted > c->seen[i]) {
            c->seen[i] = (float)lasted;
        }
    }
}

/* @prior: what is left of it here. */
static float hazard_at(const struct cost_curve *c, unsigned i, float prior)
{
    float known = c->hazard[i] < 1 ? c->hazard[i] : 1;

    return (known * c->seen[i] + PRIOR_HAZARD * prior) / (c->seen[i] + prior);
}

enum { CHEAP, LIKELY, DEAR, PRICES };

uint64_t cost_curve_best(const struct cost_curve *c, uint64_t block_ns, uint64_t max_ns,
                         uint64_t now_ns)
{
    const float block[PRICES] = {(float)block_ns / (1 + HYSTERESIS), (float)block_ns,
                                 (float)block_ns * (1 + HYSTERESIS)};
    float best[PRICES] = {block[CHEAP], block[LIKELY], block[DEAR]}; /* of window 0 */
    uint64_t best_ns[PRICES] = {0}, from = 0;
    float alive = 1, spun = 0; /* P(wait lasts until here), sum of p(x) * x so far */
    float prior = PRIOR_SEEN;

    for (unsigned i = 0; i < HIST_BUCKETS && from < max_ns; i++) {
        uint64_t edge = hist_edge(i), to = edge < max_ns ? edge : max_ns;
        float here = alive * hazard_at(c, i, prior);

        if (to < edge) {
            here *= (float)(to - from) / (float)(edge - from);
        }
        spun += here * (float)(from + to) / 2;
        alive -= here;
        for (unsigned k = 0; k < PRICES; k++) {
            float cost = spun + alive * ((float)to + block[k]);

            if (cost < best[k]) {
                best[k] = cost;
                best_ns[k] = to;
            }
        }
        prior *= 1 - PRIOR_HAZARD;
        from = edge;
    }
    if (best_ns[CHEAP] <= now_ns && now_ns <= best_ns[DEAR]) {
        return now_ns;
    }
    return best_ns[LIKELY];
}
