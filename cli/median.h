// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_MEDIAN_H
#define POLLUX_CLI_MEDIAN_H

/**
 * median - of @n > 0 values, which are sorted by it
 */
double median(double *v, unsigned n);

#endif
