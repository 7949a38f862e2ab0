// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_MEDIAN_H
#define POLLUX_CLI_MEDIAN_H

/**
 * median - of @n > 0 values, which are sorted by it
 */
double median(double *v, unsigned n);

/* The median and where the median of what the values are a sample of lies. */
struct interval {
    double median, low, high;
    double coverage; /* probability that [low, high] holds it; 0.95 or more from 6 values on */
};

/**
 * median_interval - the narrowest interval between order statistics that covers 95 %
 * Free of assumptions about the distribution: each value is on either side of the median with
 * probability 1/2. Below 6 values no interval covers as much; then it is the widest one, and
 * @coverage tells.
 * @v: @n > 0 independent values; sorted by it
 */
void median_interval(double *v, unsigned n, struct interval *out);

#endif
