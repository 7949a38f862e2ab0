// SPDX-License-Identifier: MIT
/* Medians of the runs of a cell, and the ratio of its IOPS to blocking mode. */
#include "bench/summary.h"

#include <math.h>

#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/plan.h"
#include "cli/median.h"

/* Of the runs that have it; not a number if none has. */
static double median_of(const struct bench_plan *p, unsigned group, unsigned variant,
                        const struct bench_figure *f)
{
    double v[BENCH_RUNS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < p->done[group]; i++) {
        v[n] = *bench_figure(bench_result_at(p, group, variant, i), f);
        n += !isnan(v[n]);
    }
    return n > 0 ? median(v, n) : NAN;
}

void bench_summarise(const struct bench_plan *p, unsigned group, unsigned variant,
                     struct bench_summary *out)
{
    unsigned n = p->done[group], noisy = 0;
    const struct bench_figure *f;
    double v[BENCH_RUNS_MAX];

    *out = (struct bench_summary){.ratio = 0};
    bench_result_unknown(&out->median);
    for (unsigned i = 0; (f = bench_figure_at(i)); i++) {
        *bench_figure(&out->median, f) = median_of(p, group, variant, f);
    }
    for (unsigned i = 0; i < n; i++) {
        noisy += bench_result_at(p, group, variant, i)->noisy;
    }
    out->median.noisy = 2 * noisy > n;
    if (n == 0 || p->variants[0].policy != &poll_policy_block) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        v[i] = bench_result_at(p, group, variant, i)->iops / bench_result_at(p, group, 0, i)->iops;
    }
    out->ratio = median(v, n);
    out->ratio_min = v[0]; /* sorted now */
    out->ratio_max = v[n - 1];
}
