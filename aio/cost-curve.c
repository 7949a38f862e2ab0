// SPDX-License-Identifier: MIT
#include "aio/cost-curve.h"

/* Of Pareto(1), in a bucket a quarter of an octave wide: 1 - 2^(-1/4). */
#define PRIOR_HAZARD 0.16f
/* The prior counts as much as a quarter of a wait. */
#define PRIOR_SEEN (HIST_ONE / 4)
/* A window grows only if that saves at least this share of the cost, so that two windows that are
 * as good as each other do not alternate. It shrinks for any gain: spinning in vain is never kept.
 */
#define MARGIN 0.03f

void cost_curve_add(struct cost_curve *c, const uint16_t events[HIST_BUCKETS],
                    const uint16_t ended[HIST_BUCKETS])
{
    uint32_t lasted = 0;

    for (unsigned i = HIST_BUCKETS; i-- > 0;) {
        lasted += ended[i];
        if (lasted) {
            c->hazard[i] += (float)events[i] / (float)lasted;
        }
        if ((float)lasted > c->seen[i]) {
            c->seen[i] = (float)lasted;
        }
    }
}

static float hazard_at(const struct cost_curve *c, unsigned i)
{
    float known = c->hazard[i] < 1 ? c->hazard[i] : 1;

    return (known * c->seen[i] + PRIOR_HAZARD * PRIOR_SEEN) / (c->seen[i] + PRIOR_SEEN);
}

uint64_t cost_curve_best(const struct cost_curve *c, uint64_t block_ns, uint64_t max_ns,
                         uint64_t now_ns)
{
    float block = (float)block_ns;
    float best = block, kept = block; /* expected cost of window 0 */
    float alive = 1, spun = 0;        /* P(wait lasts until here), sum of p(x) * x so far */
    uint64_t best_ns = 0, from = 0;

    for (unsigned i = 0; i < HIST_BUCKETS && from < max_ns; i++) {
        uint64_t edge = hist_edge(i), to = edge < max_ns ? edge : max_ns;
        float here = alive * hazard_at(c, i), cost;

        if (to < edge) {
            here *= (float)(to - from) / (float)(edge - from);
        }
        spun += here * (float)(from + to) / 2;
        alive -= here;
        cost = spun + alive * ((float)to + block);
        if (cost < best) {
            best = cost;
            best_ns = to;
        }
        if (to <= now_ns) {
            kept = cost;
        }
        from = edge;
    }
    if (best_ns > now_ns && best >= kept * (1 - MARGIN)) {
        return now_ns;
    }
    return best_ns;
}
