// SPDX-License-Identifier: MIT
#include "cli/median.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

void median_interval(double *v, unsigned n, struct interval *out)
{
    double tail, term = 1; /* probability of at most @rank values, and of @rank, below the median */
    unsigned rank = 0;

    out->median = median(v, n);
    for (unsigned i = 0; i < n; i++) {
        term /= 2;
    }
    tail = term;
    for (; rank + 1 < (n + 1) / 2; rank++) {
        double next = term * (n - rank) / (rank + 1);

        if (1 - 2 * (tail + next) < 0.95) {
            break;
        }
        term = next;
        tail += next;
    }
    out->low = v[rank];
    out->high = v[n - 1 - rank];
    out->coverage = 1 - 2 * tail;
}
