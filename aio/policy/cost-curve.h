// SPDX-License-Identifier: MIT
/*
 * What each possible poll window would cost, from what was seen of the sources.
 *
 * Sources race: the loop waits for the first of them, and a wait that another one ended says of
 * this one only that it took longer. So what is estimated per source is its hazard in each bucket
 * of time: of the waits that had lasted until there with this source in the race, the share in
 * which it fired there. Hazards of sources that race add up, whichever set of them is in the race
 * now, and from the sum follows the distribution of the next wait.
 *
 * Where no wait has ever come, the hazard is taken as that of a Pareto distribution with exponent
 * 1, for which the best window is exactly the cost of blocking: with nothing known, this is the
 * classical answer to the ski-rental problem, never worse than twice the clairvoyant's cost.
 */
#ifndef POLLUX_AIO_POLICY_COST_CURVE_H
#define POLLUX_AIO_POLICY_COST_CURVE_H

#include "base/histogram.h"

struct cost_curve {
    float hazard[HIST_BUCKETS]; /* sum over the sources in the race */
    float seen[HIST_BUCKETS];   /* waits that lasted until the bucket, largest of any source */
};

/**
 * cost_curve_add - put a source, or several that are always in the race together, into the race
 * @c:      zeroed before the first one
 * @events: when it fired
 * @ended:  when the waits ended in which it was in the race, whatever ended them
 */
void cost_curve_add(struct cost_curve *c, const uint16_t events[HIST_BUCKETS],
                    const uint16_t ended[HIST_BUCKETS]);

/**
 * cost_curve_best - the window with the least expected cost
 * @block_ns: what it costs to block, in ns of spinning
 * @max_ns:   cap of the window
 * @now_ns:   the window in force; kept if it would be the best for a block_ns not far from this one
 * Return: ns, 0 for none.
 */
uint64_t cost_curve_best(const struct cost_curve *c, uint64_t block_ns, uint64_t max_ns,
                         uint64_t now_ns);

#endif
