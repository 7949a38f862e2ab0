// SPDX-License-Identifier: MIT
/*
 * Ratios of Pollux to its references, taken within a turn: their median, and its 95 % interval.
 *
 * A variant that blocks is compared with a QEMU that blocks, one that polls with the polling QEMU
 * variant that has the most IOPS. This choice favours QEMU a little. Variants that poll are also
 * compared with programs on the host alone, as a limit.
 */
#include "bench/ratios.h"

#include <jansson.h>
#include <stddef.h>

#include "bench/bench-options.h"
#include "bench/figures.h"
#include "bench/plan.h"
#include "bench/qemu-version.h"
#include "bench/run-pollux.h"
#include "bench/workload.h"
#include "cli/median.h"

#define REFERENCES_MAX 8 /* runners beside Pollux */

enum ratio_kind { RATIO_IOPS, RATIO_LATENCY, RATIO_CPU, NR_RATIOS };

/* The figures that are compared; offsets into struct bench_result. */
static const struct {
    const char *name;
    size_t offset;
} kinds[] = {
    [RATIO_IOPS] = {"iops", offsetof(struct bench_result, iops)},
    [RATIO_LATENCY] = {"lat_mean_ns", offsetof(struct bench_result, lat_mean_ns)},
    [RATIO_CPU] = {"iothread_cpu_ns_per_request", offsetof(struct bench_result, cpu_ns)},
};

static double value(const struct bench_plan *p, unsigned g, unsigned v, unsigned run,
                    enum ratio_kind kind)
{
    const struct bench_result *r = bench_result_at(p, g, v, run);

    return *(const double *)((uintptr_t)r + kinds[kind].offset);
}

static bool ratio(const struct bench_plan *p, unsigned g, unsigned variant, unsigned reference,
                  enum ratio_kind kind, struct interval *out)
{
    double v[BENCH_RUNS_MAX];
    unsigned n = 0;

    for (unsigned run = 0; run < p->done[g]; run++) {
        double a = value(p, g, variant, run, kind), b = value(p, g, reference, run, kind);

        if (a > 0 && b > 0) {
            v[n++] = a / b;
        }
    }
    if (n > 0) {
        median_interval(v, n, out);
    }
    return n > 0;
}

static double median_iops(const struct bench_plan *p, unsigned g, unsigned v)
{
    double iops[BENCH_RUNS_MAX];

    for (unsigned run = 0; run < p->done[g]; run++) {
        iops[run] = value(p, g, v, run, RATIO_IOPS);
    }
    return median(iops, p->done[g]);
}

static bool comparable(const struct bench_plan *p, unsigned g, unsigned variant, unsigned reference)
{
    const struct bench_variant *a = &p->variants[variant], *b = &p->variants[reference];

    if (!bench_cell_exists(p, g, reference) || b->runner == &bench_runner_pollux) {
        return false;
    }
    return b->policy ? a->packed == b->packed && !a->max_ns == !b->max_ns : a->max_ns > 0;
}

/* Variants to compare with, one of each runner. Return: how many. */
static unsigned references(const struct bench_plan *p, unsigned g, unsigned variant,
                           unsigned refs[REFERENCES_MAX])
{
    unsigned n = 0;

    if (p->done[g] == 0 || p->variants[variant].runner != &bench_runner_pollux) {
        return 0;
    }
    for (unsigned v = 0; v < p->nr_variants; v++) {
        unsigned i = 0;

        if (!comparable(p, g, variant, v)) {
            continue;
        }
        while (i < n && p->variants[refs[i]].runner != p->variants[v].runner) {
            i++;
        }
        if (i == n && n < REFERENCES_MAX) {
            refs[n++] = v;
        } else if (i < n && median_iops(p, g, v) > median_iops(p, g, refs[i])) {
            refs[i] = v;
        }
    }
    return n;
}

/* Return: false if there is no ratio of IOPS. */
static bool compare(const struct bench_plan *p, unsigned g, unsigned variant, unsigned reference,
                    struct interval r[NR_RATIOS])
{
    for (unsigned k = 0; k < NR_RATIOS; k++) {
        if (!ratio(p, g, variant, reference, (enum ratio_kind)k, &r[k])) {
            r[k] = (struct interval){.median = 0};
        }
    }
    return r[RATIO_IOPS].median > 0;
}

/* --- the table --- */

static void print_comparison(const struct bench_plan *p, unsigned variant, unsigned reference,
                             const struct interval r[NR_RATIOS], FILE *out)
{
    char a[48], b[48], iops[48], cpu[16] = "-";

    bench_variant_name(&p->variants[variant], true, a, sizeof(a));
    bench_variant_name(&p->variants[reference], true, b, sizeof(b));
    snprintf(iops, sizeof(iops), "%.2f (%.2f-%.2f)", r[RATIO_IOPS].median, r[RATIO_IOPS].low,
             r[RATIO_IOPS].high);
    if (r[RATIO_CPU].median > 0) {
        snprintf(cpu, sizeof(cpu), "%.2f", r[RATIO_CPU].median);
    }
    fprintf(out, "  %-24s %-30s %-22s %7.2f %6s\n", a, b, iops, r[RATIO_LATENCY].median, cpu);
}

/* Return: the least coverage of an interval; 1 if nothing was printed. */
static double print_group(const struct bench_plan *p, unsigned g, FILE *out)
{
    unsigned refs[REFERENCES_MAX];
    double coverage = 1;
    char name[160];

    for (unsigned v = 0; v < p->nr_variants; v++) {
        unsigned n = references(p, g, v, refs);

        for (unsigned i = 0; i < n; i++) {
            struct interval r[NR_RATIOS];

            if (!compare(p, g, v, refs[i], r)) {
                continue;
            }
            if (coverage == 1) {
                bench_group_name(&p->groups[g], name, sizeof(name));
                fprintf(out, "%s\n", name);
            }
            print_comparison(p, v, refs[i], r, out);
            coverage = r[RATIO_IOPS].coverage < coverage ? r[RATIO_IOPS].coverage : coverage;
        }
    }
    return coverage;
}

static void print_host(const struct bench_host *host, FILE *out)
{
    fprintf(out, "spin: this guest with a disk that is a thread which spins: no events, checks or "
                 "interrupts.\n");
    if (host->fio_version[0]) {
        fprintf(out, "fio: %s, on the host, its engine of the same kind.\n", host->fio_version);
    } else {
        fprintf(out, "fio: not installed, so left out.\n");
    }
    if (host->trip.ns > 0) {
        fprintf(out, "One cache line from CPU %d to CPU %d and back: %.0f ns.\n", host->trip.cpu[0],
                host->trip.cpu[1], host->trip.ns);
    }
}

void bench_print_ratios(const struct bench_plan *p, FILE *out)
{
    double coverage = 1;

    fprintf(out, "\n  %-24s %-30s %-22s %7s %6s\n", "pollux", "to", "IOPS ratio", "latency", "CPU");
    for (unsigned g = 0; g < p->nr_groups; g++) {
        double c = print_group(p, g, out);

        coverage = c < coverage ? c : coverage;
    }
    fprintf(
        out,
        "\nRatios are taken within each turn, Pollux to the other: the median, and where it lies "
        "with\n%.0f %% probability or more, from order statistics (6 turns give 95 %%). latency: "
        "of the means;\nCPU: of the I/O thread per request, medians too. Of the ways in which "
        "QEMU polls, the one\nwith the most IOPS in that cell.\n",
        100 * (coverage < 0.95 ? coverage : 0.95));
    if (p->qemu.version[0]) {
        fprintf(out, "qemu: %s, version %s.\n", bench_qemu_program(p->config), p->qemu.version);
    }
    if (p->config->host) {
        print_host(&p->host, out);
    }
}

/* --- JSON --- */

json_t *bench_host_json(const struct bench_host *host)
{
    return json_pack("{s:s?, s:o}", "fio", host->fio_version[0] ? host->fio_version : NULL,
                     "cache_line_trip_ns",
                     host->trip.ns > 0 ? json_real(host->trip.ns) : json_null());
}

static json_t *interval_json(const struct interval *in)
{
    return json_pack("{s:f, s:f, s:f}", "median", in->median, "low", in->low, "high", in->high);
}

json_t *bench_ratios_json(const struct bench_plan *p, unsigned g, unsigned v)
{
    unsigned refs[REFERENCES_MAX], n = references(p, g, v, refs);
    json_t *list = n > 0 ? json_array() : NULL;

    for (unsigned i = 0; i < n; i++) {
        const struct bench_variant *reference = &p->variants[refs[i]];
        struct interval r[NR_RATIOS];
        json_t *o;

        if (!compare(p, g, v, refs[i], r)) {
            continue;
        }
        o = json_pack("{s:s, s:s?, s:I, s:f}", "runner", reference->runner->name, "policy",
                      reference->policy ? reference->policy->name : NULL, "poll_max_ns",
                      (json_int_t)reference->max_ns, "coverage", r[RATIO_IOPS].coverage);
        for (unsigned k = 0; o && k < NR_RATIOS; k++) {
            if (r[k].median > 0) {
                json_object_set_new(o, kinds[k].name, interval_json(&r[k]));
            }
        }
        json_array_append_new(list, o);
    }
    return list;
}
