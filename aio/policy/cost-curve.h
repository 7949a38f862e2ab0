// SPDX-License-Identifier: MIT
/*
 * What each possible poll window would cost, from what was seen of the sources.
 *
 * The first event of any source ends a wait. If another source ended it, the event of this source
 * would have come later: the observation is censored. So the estimate for a source is its hazard in
 * each bucket of time: of the waits that lasted until the bucket with this source as a candidate,
 * the share in which its event came there. The hazards of the candidates of a wait add up, and the
 * sum gives the distribution of the wait.
 *
 * In buckets that no wait has reached, the hazard is taken as that of a Pareto distribution with exponent
 * 1, for which the best window is exactly the cost of blocking. Without observations this is the
 * ski-rental window, which costs at most twice what the clairvoyant policy pays.
 */
#ifndef POLLUX_AIO_POLICY_COST_CURVE_H
#define POLLUX_AIO_POLICY_COST_CURVE_H

#include "base/histogram.h"

struct cost_curve {
    float hazard[HIST_BUCKETS]; /* sum over the candidates */
    float seen[HIST_BUCKETS];   /* waits that lasted until the bucket, largest of any source */
};

/**
 * cost_curve_add - add a candidate, or several that are always candidates together
 * @c:      zeroed before the first one
 * @events: when its events came
 * @ended:  when the waits ended in which it was a candidate, whatever ended them
 */
void cost_curve_add(struct cost_curve *c, const uint16_t events[HIST_BUCKETS],
                    const uint16_t ended[HIST_BUCKETS]);

/**
 * cost_curve_best - the window with the least expected cost
 * @block_ns: what it costs to block, in ns of spinning
 * @max_ns:   cap of the window
 * @now_ns:   the window in force; returned if it would be the best for a block_ns near this one
 * Return: ns, 0 for none.
 */
uint64_t cost_curve_best(const struct cost_curve *c, uint64_t block_ns, uint64_t max_ns,
                         uint64_t now_ns);

#endif
