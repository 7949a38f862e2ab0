// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/cells.h"
#include "bench/plots.h"

/* Seen on white and on black. */
static const uint32_t colours[] = {0x868e96, 0xe8590c, 0x2f9e44, 0x1c7ed6, 0xae3ec9, 0xb8860b,
                                   0x0c8599, 0xe03131, 0xd6336c, 0x74b816, 0x845ef7, 0x15aabf};

const struct plot_stage plot_stages[PLOT_STAGES] = {
    {"on the way to the device and back", "stage_guest_ns", 0x9aa3ad},
    {"until it is submitted", "stage_seen_to_submitted_ns", 0x4dabf7},
    {"in the host", "stage_submitted_to_completed_ns", 0xf08c00},
    {"until the guest can see it", "stage_completed_to_used_ns", 0x51cf66},
};

uint32_t plot_colour(unsigned i)
{
    return colours[i % (sizeof(colours) / sizeof(colours[0]))];
}

void plot_begin(FILE *script)
{
    fputs("set terminal svg size 440,290 dynamic font 'sans-serif,13'\n"
          "set encoding utf8\n"
          "set border 3 lw 0.8\n"
          "set style fill solid noborder\n"
          "unset key\n",
          script);
}

/* --- axes --- */

struct range {
    double min, max;
};

static void widen(struct range *r, double value)
{
    if (value > 0) {
        r->min = r->max > 0 && r->min < value ? r->min : value;
        r->max = r->max > value ? r->max : value;
    }
}

/* "100k", "20": as short as it is exact for 1, 2 and 5 times a power of ten. */
static void format_tic(double value, char *buf, size_t size)
{
    static const struct {
        double unit;
        const char *suffix;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
    unsigned i = 0;

    while (units[i].unit > 1 && value < units[i].unit) {
        i++;
    }
    snprintf(buf, size, "%.3g%s", value / units[i].unit, units[i].suffix);
}

/* 1, 2 and 5 in each decade; only 1 where there are many. */
static void log_tics(FILE *script, char axis, double low, double high)
{
    static const double steps[] = {1, 2, 5};
    const unsigned n = high / low > 300 ? 1 : 3;
    const char *comma = "";

    fprintf(script, "set %ctics (", axis);
    for (double decade = pow(10, floor(log10(low))); decade <= high; decade *= 10) {
        for (unsigned i = 0; i < n; i++) {
            char text[32];

            if (decade * steps[i] < low || decade * steps[i] > high) {
                continue;
            }
            format_tic(decade * steps[i], text, sizeof(text));
            fprintf(script, "%s'%s' %g", comma, text, decade * steps[i]);
            comma = ", ";
        }
    }
    fprintf(script, ") nomirror out scale 0.6\n");
}

/* Logarithmic where values lie far apart. */
static void scale_axis(FILE *script, char axis, const struct range *r, const char *label)
{
    fprintf(script, "set %clabel '%s'\n", axis, label);
    if (r->max / r->min > 8) {
        const double low = r->min / 1.5, high = r->max * 1.5;

        fprintf(script, "set logscale %c\nset %crange [%g:%g]\n", axis, axis, low, high);
        log_tics(script, axis, low, high);
    } else {
        fprintf(script,
                "unset logscale %c\nset %crange [0:%g]\nset format %c '%%.0s%%c'\n"
                "set %ctics autofreq nomirror out scale 0.6\n",
                axis, axis, r->max * 1.12, axis, axis);
    }
}

/* --- data --- */

/* The cell of a variant at a depth; NULL if there is none. */
static const json_t *find(const json_t *cells, const json_t *variant, int depth)
{
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);

        if (cell_number(cell, "depth") == depth && cell_same(cell, variant, cell_variant_keys)) {
            return cell;
        }
    }
    return NULL;
}

static struct range spread(const json_t *cell, const char *figure)
{
    double v[BENCH_RUNS_MAX];
    struct range r = {0, 0};

    for (unsigned i = 0, n = cell_runs(cell, figure, v); i < n; i++) {
        widen(&r, v[i]);
    }
    return r;
}

/* One "$dN" for each variant, with a line for each of its cells. */
static void write_data(FILE *script, const json_t *cells, const json_t *variants,
                       void (*line)(FILE *script, const json_t *cell))
{
    for (size_t v = 0; v < json_array_size(variants); v++) {
        fprintf(script, "$d%zu << EOD\n", v);
        for (size_t i = 0; i < json_array_size(cells); i++) {
            const json_t *cell = json_array_get(cells, i);

            if (cell_same(cell, json_array_get(variants, v), cell_variant_keys)) {
                line(script, cell);
            }
        }
        fprintf(script, "NaN NaN NaN NaN\nEOD\n"); /* gnuplot takes no empty ones */
    }
}

/* @style: what comes after the colour, for each variant. */
static void plot_each(FILE *script, const json_t *variants, const char *columns, const char *style)
{
    fprintf(script, "plot ");
    for (size_t v = 0; v < json_array_size(variants); v++) {
        fprintf(script, "%s$d%zu using %s %s lc rgb '#%06" PRIx32 "'", v ? ", " : "", v, columns,
                style, plot_colour((unsigned)v));
    }
}

static void iops_line(FILE *script, const json_t *cell)
{
    const struct range r = spread(cell, "iops");

    fprintf(script, "%d %g %g %g\n", (int)cell_number(cell, "depth"), cell_figure(cell, "iops"),
            r.min, r.max);
}

bool plot_iops(FILE *script, const json_t *cells, const json_t *variants)
{
    struct range x = {0, 0}, y = {0, 0};
    const char *comma = "";
    int last = 0;

    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        const struct range r = spread(cell, "iops");

        widen(&x, (double)cell_number(cell, "depth"));
        widen(&y, r.min);
        widen(&y, r.max);
    }
    if (!(x.max > x.min) || !(y.max > 0)) {
        return false;
    }
    write_data(script, cells, variants, iops_line);
    scale_axis(script, 'y', &y, "IOPS");
    fprintf(script,
            "set grid ytics\nset logscale x 2\n"
            "set xrange [%g:%g]\nset xlabel 'depth'\nset xtics (",
            x.min / 1.25, x.max * 1.25);
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const int depth = (int)cell_number(json_array_get(cells, i), "depth");

        if (depth != last) {
            fprintf(script, "%s%d", comma, depth);
            comma = ", ";
        }
        last = depth;
    }
    fprintf(script, ") nomirror out scale 0.6\n");
    plot_each(script, variants, "1:2:3:4", "with yerrorlines lw 1.8 pt 7 ps 0.5");
    fputc('\n', script);
    return true;
}

static const char cpu_figure[] = "iothread_cpu_ns_per_request";

static void cpu_line(FILE *script, const json_t *cell)
{
    fprintf(script, "%g %g %d\n", cell_figure(cell, "lat_mean_ns") / 1e3,
            cell_figure(cell, cpu_figure) / 1e3, (int)cell_number(cell, "depth"));
}

bool plot_cpu(FILE *script, const json_t *cells, const json_t *variants)
{
    struct range x = {0, 0}, y = {0, 0};

    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);

        widen(&x, cell_figure(cell, "lat_mean_ns") / 1e3);
        widen(&y, cell_figure(cell, cpu_figure) / 1e3);
    }
    if (!(x.max > 0) || !(y.max > 0)) {
        return false;
    }
    write_data(script, cells, variants, cpu_line);
    scale_axis(script, 'x', &x, "mean latency, us");
    scale_axis(script, 'y', &y, "CPU per request, us");
    fprintf(script, "set grid xtics ytics\n");
    plot_each(script, variants, "1:2", "with linespoints lw 0.8 pt 7 ps 0.7");
    for (size_t v = 0; v < json_array_size(variants); v++) {
        fprintf(script, ", $d%zu using 1:2:3 with labels offset 0.9,0.5 font ',11'", v);
    }
    fputc('\n', script);
    return true;
}

static const struct {
    const char *figure;
    double percent;
} quantiles[] = {
    {"lat_p1_ns", 1},       {"lat_p10_ns", 10},       {"lat_p25_ns", 25},
    {"lat_p50_ns", 50},     {"lat_p75_ns", 75},       {"lat_p90_ns", 90},
    {"lat_p95_ns", 95},     {"lat_p99_ns", 99},       {"lat_p99.5_ns", 99.5},
    {"lat_p99.9_ns", 99.9}, {"lat_p99.95_ns", 99.95}, {"lat_p99.99_ns", 99.99},
};

#define NR_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

bool plot_latency(FILE *script, const json_t *cells, const json_t *variants, int depth)
{
    struct range y = {0, 0};

    for (size_t v = 0; v < json_array_size(variants); v++) {
        const json_t *cell = find(cells, json_array_get(variants, v), depth);

        for (size_t i = 0; cell && i < NR_QUANTILES; i++) {
            widen(&y, cell_figure(cell, quantiles[i].figure) / 1e3);
        }
    }
    if (!(y.max > 0)) {
        return false;
    }
    for (size_t v = 0; v < json_array_size(variants); v++) {
        const json_t *cell = find(cells, json_array_get(variants, v), depth);

        fprintf(script, "$d%zu << EOD\n", v);
        for (size_t i = 0; cell && i < NR_QUANTILES; i++) {
            fprintf(script, "%g %g\n", -log10(1 - quantiles[i].percent / 100),
                    cell_figure(cell, quantiles[i].figure) / 1e3);
        }
        fprintf(script, "NaN NaN\nEOD\n");
    }
    scale_axis(script, 'y', &y, "latency, us");
    fprintf(script,
            "unset logscale x\nset xrange [0:4.1]\nset xlabel 'percent of requests'\n"
            "set xtics ('0' 0, '50' 0.301, '90' 1, '99' 2, '99.9' 3, '99.99' 4) nomirror out "
            "scale 0.6\nset grid xtics ytics\n");
    plot_each(script, variants, "1:2", "with lines lw 1.8");
    fputc('\n', script);
    return true;
}

/* All stages together, ns; 0 if they are not known. */
static double stages_sum(const json_t *cell)
{
    double sum = 0;

    for (unsigned i = 0; cell && i < PLOT_STAGES; i++) {
        sum += cell_figure(cell, plot_stages[i].figure);
    }
    return sum > 0 ? sum : 0;
}

/* Shares, as the whole of one variant may be a hundred times that of another; it is in the label.
 */
bool plot_where(FILE *script, const json_t *cells, const json_t *variants, int depth)
{
    char *tics = NULL, name[128];
    unsigned rows = 0;
    size_t size;
    FILE *labels = open_memstream(&tics, &size);

    for (size_t v = 0; labels && v < json_array_size(variants); v++) {
        const json_t *cell = find(cells, json_array_get(variants, v), depth);
        const double sum = stages_sum(cell);
        double from = 0;

        if (sum == 0) {
            continue;
        }
        fputs(rows ? "" : "$d << EOD\n", script);
        for (unsigned i = 0; i < PLOT_STAGES; i++) {
            const double share = cell_figure(cell, plot_stages[i].figure) / sum * 100;

            fprintf(script, "%g %g %u %" PRIu32 "\n", from, from + share, rows, plot_stages[i].rgb);
            from += share;
        }
        cell_name_variant(cell, true, name, sizeof(name));
        fprintf(labels, "%s\"%s\\n%.*f us\" %u", rows ? ", " : "", name,
                sum < 1e4   ? 2
                : sum < 1e5 ? 1
                            : 0,
                sum / 1e3, rows);
        rows++;
    }
    if (labels) {
        fclose(labels);
    }
    if (rows > 0) {
        fprintf(script,
                "EOD\nset ytics (%s) nomirror out scale 0\nunset logscale\nset yrange "
                "[%u.5:-0.5]\nunset ylabel\nset xrange [0:100]\n"
                "set xtics autofreq nomirror out scale 0.6\nset format x '%%g'\n"
                "set xlabel 'percent of the mean latency'\n"
                "set grid xtics noytics\n"
                "plot $d using (($1+$2)/2):3:(($2-$1)/2):(0.3):4 with boxxyerror lc rgb variable\n",
                tics, rows - 1);
    }
    free(tics);
    return rows > 0;
}
