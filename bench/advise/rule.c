// SPDX-License-Identifier: MIT
/*
 * Computes a recommendation from figures; measures and prints nothing.
 *
 * Engine: the default of `pollux run`, unless another engine is faster by more than the spread of
 * the turns. Policy: `cost`, which blocks by itself where polling does not pay, unless there is no
 * second CPU to poll on or a wake-up costs nothing. Cap: the time of the slowest reads that polling
 * pays for.
 */
#include "bench/advise/rule.h"

#include <string.h>

#include "aio/policy/cost-curve.h"
#include "bench/summary.h"
#include "cli/median.h"

/* A faster engine must be faster by this factor, and not only by chance. */
#define FASTER 1.05
/* The least cap, for requests of a guest that follow each other. */
#define CAP_FLOOR_NS POLL_MAX_NS_QEMU
/* If a wake-up is worth less polling than this, polling saves nothing. */
#define LIMIT_MIN_NS 1000

struct bench_result advise_median(const struct advise_data *d, unsigned e, enum advise_wait wait,
                                  enum advise_depth depth)
{
    struct bench_summary s;

    bench_summarise(d->plan, e * ADVISE_DEPTHS + depth, wait, &s);
    return s.median;
}

/* --- the policy --- */

/* The window that policy cost will learn, and the share of reads inside it. */
static void find_window(const uint64_t reads[HIST_BUCKETS], struct advice *out)
{
    uint16_t n[HIST_BUCKETS];
    struct cost_curve curve;
    double within = 0;
    uint64_t all = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        all += reads[i];
    }
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        n[i] = (uint16_t)((double)reads[i] / (double)(all ? all : 1) * UINT16_MAX);
    }
    memset(&curve, 0, sizeof(curve));
    cost_curve_add(&curve, n, n);
    out->window_ns = cost_curve_best(&curve, out->limit_ns, out->max_ns, 0);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t from = i ? hist_edge(i - 1) : 0, edge = hist_edge(i);
        uint64_t to = edge < out->window_ns ? edge : out->window_ns;

        within += from < to ? (double)reads[i] * (double)(to - from) / (double)(edge - from) : 0;
    }
    out->within = all ? within / (double)all : 0;
}

/* The policy learns by buckets: a cap inside a bucket would exclude the whole bucket. */
static uint64_t find_cap(const struct advise_data *d, const struct advice *a)
{
    double p99 = advise_median(d, a->engine, ADVISE_POLL, ADVISE_DEPTH_1).lat_p99_ns;
    uint64_t cap = hist_edge(hist_bucket((uint64_t)p99));

    cap = cap > CAP_FLOOR_NS ? cap : CAP_FLOOR_NS;
    return cap < a->limit_ns ? cap : a->limit_ns;
}

static double wake_ns(const struct advise_data *d)
{
    double v[ADVISE_WAKES], middle;

    memcpy(v, d->wake_ns, sizeof(v));
    middle = median(v, ADVISE_WAKES);
    return middle > 0 ? middle : 0;
}

/* --- the engine --- */

/* Linux AIO blocks on buffered files; pollux run then takes threads. */
static unsigned usual_engine(const struct advise_data *d)
{
    for (unsigned e = 0; e < d->plan->nr_disks; e++) {
        const struct engine_ops *ops = advise_engine(d, e);

        if (ops == &engine_linux_aio || (!d->direct && ops == &engine_threads)) {
            return e;
        }
    }
    return 0;
}

/* An engine with a poll policy. */
struct setting {
    unsigned engine;
    enum advise_wait wait;
};

/* At depth 1, or as the mean of depth 1 and 32. */
static double ratio_in(const struct advise_data *d, struct setting a, struct setting b, bool deep,
                       unsigned turn)
{
    const unsigned depths = deep ? ADVISE_DEPTHS : 1;
    double sum = 0;

    for (unsigned i = 0; i < depths; i++) {
        sum += advise_run(d, a.engine, a.wait, i, turn)->iops /
               advise_run(d, b.engine, b.wait, i, turn)->iops;
    }
    return sum / depths;
}

/* Return: the speed of @a divided by that of @b; 1 if the difference may be chance. */
static double faster(const struct advise_data *d, struct setting a, struct setting b, bool deep)
{
    double v[BENCH_RUNS_MAX];
    struct interval ratio;

    if (d->nr_turns < ADVISE_TURNS_MIN) {
        return 1;
    }
    for (unsigned i = 0; i < d->nr_turns; i++) {
        v[i] = ratio_in(d, a, b, deep, i);
    }
    median_interval(v, d->nr_turns, &ratio);
    return ratio.median > FASTER && ratio.low > 1 ? ratio.median : 1;
}

static void choose_engine(const struct advise_data *d, struct advice *out)
{
    out->engine = out->usual = usual_engine(d);
    out->engine_ratio = 1;
    for (unsigned e = 0; e < d->plan->nr_disks; e++) {
        double ratio;

        /* Engine sync blocks its I/O thread, so a fast figure of one disk is no reason for it. */
        if (advise_engine(d, e) == &engine_sync) {
            continue;
        }
        ratio = faster(d, (struct setting){e, out->wait}, (struct setting){out->usual, out->wait},
                       true);
        if (ratio > out->engine_ratio) {
            out->engine = e;
            out->engine_ratio = ratio;
        }
    }
}

static void choose_block(const struct advise_data *d, struct advice *out)
{
    out->policy = &poll_policy_block;
    out->wait = ADVISE_BLOCK;
    choose_engine(d, out);
}

/* For example if other work takes the CPU that polling needs. */
static bool slower_by_polling(const struct advise_data *d, const struct advice *a)
{
    return faster(d, (struct setting){a->engine, ADVISE_BLOCK},
                  (struct setting){a->engine, ADVISE_COST}, false) > 1;
}

void advise_decide(const struct advise_data *d, struct advice *out)
{
    *out = (struct advice){.policy = &poll_policy_cost, .wait = ADVISE_COST};
    out->wake_ns = wake_ns(d);
    out->limit_ns = (uint64_t)out->wake_ns * POLL_LATENCY_WEIGHT_DEFAULT;
    choose_engine(d, out);
    if (d->cpus < 2) {
        out->why_block = ADVICE_ONE_CPU;
    } else if (out->limit_ns < LIMIT_MIN_NS) {
        out->why_block = ADVICE_CHEAP_WAKE;
    } else if (slower_by_polling(d, out)) {
        out->why_block = ADVICE_SLOWER;
    }
    if (out->why_block) {
        choose_block(d, out);
    } else {
        out->max_ns = find_cap(d, out);
        find_window(d->reads[out->engine], out);
    }
}
