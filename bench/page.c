// SPDX-License-Identifier: MIT
/*
 * pollux bench --report DIR: one page that stands on its own, made from the JSON of a result.
 *
 * A section holds what differs in depth and variant only. gnuplot runs once, for the plots of all
 * sections; what it prints is cut into pieces and put into the page in the same order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cells.h"
#include "bench/gnuplot.h"
#include "bench/html.h"
#include "bench/output.h"
#include "bench/plots.h"

#define DEPTHS_MAX 4 /* of a section, that have plots of their own */

enum figure_kind { FIGURE_IOPS, FIGURE_CPU, FIGURE_LATENCY, FIGURE_WHERE };

struct figure {
    enum figure_kind kind;
    int depth;
};

struct section {
    json_t *cells, *variants;
    unsigned nr_figures;
    struct figure figures[2 + 2 * DEPTHS_MAX];
};

struct page {
    const json_t *root;
    unsigned nr_sections;
    struct section *sections;
};

/* --- what is shown --- */

static const char *const section_keys[] = {"disk", "engine", "bs", "pause", NULL};

static struct section *section_of(struct page *p, const json_t *cell)
{
    for (unsigned i = 0; i < p->nr_sections; i++) {
        if (cell_same(json_array_get(p->sections[i].cells, 0), cell, section_keys)) {
            return &p->sections[i];
        }
    }
    p->sections[p->nr_sections] = (struct section){.cells = json_array(), .variants = json_array()};
    return &p->sections[p->nr_sections++];
}

static bool has_variant(const json_t *variants, const json_t *cell)
{
    for (size_t i = 0; i < json_array_size(variants); i++) {
        if (cell_same(json_array_get(variants, i), cell, cell_variant_keys)) {
            return true;
        }
    }
    return false;
}

static int page_init(struct page *p, const json_t *root)
{
    const json_t *cells = json_object_get(root, "cells");
    json_t *cell;
    size_t i;

    *p = (struct page){.root = root};
    p->sections = calloc(json_array_size(cells) + 1, sizeof(*p->sections));
    if (!p->sections) {
        return -ENOMEM;
    }
    json_array_foreach(cells, i, cell)
    {
        struct section *s = section_of(p, cell);

        json_array_append(s->cells, cell);
        if (!has_variant(s->variants, cell)) {
            json_array_append(s->variants, cell);
        }
    }
    return 0;
}

static void page_destroy(struct page *p)
{
    for (unsigned i = 0; p->sections && i < p->nr_sections; i++) {
        json_decref(p->sections[i].cells);
        json_decref(p->sections[i].variants);
    }
    free(p->sections);
}

static unsigned depths_of(const struct section *s, int depths[DEPTHS_MAX])
{
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(s->cells) && n < DEPTHS_MAX; i++) {
        const int depth = (int)cell_number(json_array_get(s->cells, i), "depth");
        bool known = false;

        for (unsigned k = 0; k < n; k++) {
            known |= depths[k] == depth;
        }
        if (!known) {
            depths[n++] = depth;
        }
    }
    return n;
}

static void add_figure(struct section *s, bool plotted, enum figure_kind kind, int depth)
{
    if (plotted) {
        s->figures[s->nr_figures++] = (struct figure){kind, depth};
    }
}

static void plot_section(struct section *s, FILE *script)
{
    int depths[DEPTHS_MAX];
    const unsigned n = depths_of(s, depths);

    add_figure(s, plot_iops(script, s->cells, s->variants), FIGURE_IOPS, 0);
    add_figure(s, plot_cpu(script, s->cells, s->variants), FIGURE_CPU, 0);
    for (unsigned i = 0; i < n; i++) {
        add_figure(s, plot_latency(script, s->cells, s->variants, depths[i]), FIGURE_LATENCY,
                   depths[i]);
        add_figure(s, plot_where(script, s->cells, s->variants, depths[i]), FIGURE_WHERE,
                   depths[i]);
    }
}

/* All plots, one after the other; @svgs: free() it. */
static int make_plots(struct page *p, char **svgs, struct error *err)
{
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int ret;

    if (!f) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    plot_begin(f);
    for (unsigned i = 0; i < p->nr_sections; i++) {
        plot_section(&p->sections[i], f);
    }
    fclose(f);
    ret = gnuplot_run(script, size, svgs, err);
    free(script);
    return ret;
}

/* --- what it says of it --- */

static void put_head(const struct page *p, FILE *out)
{
    const json_t *host = json_object_get(p->root, "host");
    const json_t *w = json_object_get(p->root, "workload");
    char text[1024];

    html_begin(out, "pollux bench");
    fprintf(out, "<h1>pollux bench</h1>\n<p>");
    snprintf(text, sizeof(text),
             "%s, %d processors, %s, Linux %s, KVM: %s. Pollux %s, %s. Up to %d runs of %g s each.",
             cell_text(host, "processor"), (int)cell_number(host, "processors"),
             cell_text(host, "system"), cell_text(host, "kernel"), cell_text(host, "kvm"),
             cell_text(p->root, "pollux"), cell_text(p->root, "date"),
             (int)cell_number(p->root, "runs_planned"),
             json_number_value(json_object_get(w, "run_seconds")));
    html_text(out, text);
    fprintf(out, "</p>\n<p>");
    snprintf(
        text, sizeof(text),
        "Requests: %s, %s order; the guest waits by %s; cache: %s; disks: %d, queues of each: %d.",
        cell_text(w, "rw"), strcmp(cell_text(w, "order"), "seq") ? "random" : "sequential",
        strcmp(cell_text(w, "wait"), "irq") ? "polling" : "interrupts", cell_text(w, "cache"),
        (int)cell_number(w, "disks"), (int)cell_number(w, "queues"));
    html_text(out, text);
    if (cell_number(w, "fsync")) {
        fprintf(out, " A flush after every %d writes.", (int)cell_number(w, "fsync"));
    }
    if (!json_is_true(json_object_get(p->root, "complete"))) {
        fprintf(out, " <b>It ended early: this is what was complete.</b>");
    }
    fprintf(out, "</p>\n");
}

static void put_legend(const struct section *s, FILE *out)
{
    json_t *variant;
    size_t i;

    fprintf(out, "<ul class=\"legend\">\n");
    json_array_foreach(s->variants, i, variant)
    {
        char name[128];

        cell_name_variant(variant, true, name, sizeof(name));
        html_legend_entry(out, plot_colour((unsigned)i), name);
    }
    fprintf(out, "</ul>\n");
}

static void put_caption(const struct figure *f, FILE *out)
{
    switch (f->kind) {
    case FIGURE_IOPS:
        fprintf(out, "<b>IOPS against depth</b>Medians; bars from the slowest to the fastest run.");
        break;
    case FIGURE_CPU:
        fprintf(out, "<b>CPU against latency</b>CPU of the I/O thread. Left and low is good; "
                     "numbers are depths.");
        break;
    case FIGURE_LATENCY:
        fprintf(out,
                "<b>Latency distribution, depth %d</b>So many percent of the requests took no "
                "longer.",
                f->depth);
        break;
    case FIGURE_WHERE:
        fprintf(out, "<b>Where the time goes, depth %d</b>Shares of the mean latency.", f->depth);
        break;
    }
}

static void put_stages(FILE *out)
{
    fprintf(out, "<ul class=\"legend\">\n");
    for (unsigned i = 0; i < PLOT_STAGES; i++) {
        html_legend_entry(out, plot_stages[i].rgb, plot_stages[i].name);
    }
    fprintf(out, "</ul>\n");
}

static const struct {
    const char *title, *figure;
    double unit;
    int decimals;
} columns[] = {
    {"IOPS", "iops", 1, 0},
    {"MB/s", "mb_per_s", 1, 1},
    {"mean us", "lat_mean_ns", 1e3, 2},
    {"p50 us", "lat_p50_ns", 1e3, 2},
    {"p99 us", "lat_p99_ns", 1e3, 2},
    {"p99.99 us", "lat_p99.99_ns", 1e3, 1},
    {"CPU us", "iothread_cpu_ns_per_request", 1e3, 2},
    {"vCPU us", "vcpu_cpu_ns_per_request", 1e3, 2},
    {"kicks", "kicks_per_request", 1, 3},
};

#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_row(const json_t *cell, FILE *out)
{
    const json_t *ratio = json_object_get(json_object_get(cell, "iops_to_block"), "median");
    const bool noisy = json_is_true(json_object_get(cell, "noisy"));
    char name[128];

    cell_name_variant(cell, true, name, sizeof(name));
    fprintf(out, "<tr><td>%d</td><td>%s", (int)cell_number(cell, "depth"), noisy ? "~ " : "");
    html_text(out, name);
    fprintf(out, "</td>");
    for (size_t i = 0; i < NR_COLUMNS; i++) {
        const double value = cell_figure(cell, columns[i].figure);

        if (isnan(value)) {
            fprintf(out, "<td></td>");
        } else {
            fprintf(out, "<td>%.*f</td>", columns[i].decimals, value / columns[i].unit);
        }
    }
    if (ratio) {
        fprintf(out, "<td>%.2f</td></tr>\n", json_number_value(ratio));
    } else {
        fprintf(out, "<td></td></tr>\n");
    }
}

static void put_table(const struct section *s, FILE *out)
{
    json_t *cell;
    size_t k;

    fprintf(out, "<div class=\"wide\"><table>\n<tr><th>depth</th><th>policy</th>");
    for (size_t i = 0; i < NR_COLUMNS; i++) {
        fprintf(out, "<th>%s</th>", columns[i].title);
    }
    fprintf(out, "<th>IOPS to block</th></tr>\n");
    json_array_foreach(s->cells, k, cell)
    {
        put_row(cell, out);
    }
    fprintf(out, "</table></div>\n");
}

static void put_section(const struct section *s, char **svgs, FILE *out)
{
    char name[256];

    cell_name_workload(json_array_get(s->cells, 0), false, name, sizeof(name));
    fprintf(out, "<h2>");
    html_text(out, name);
    fprintf(out, "</h2>\n");
    put_legend(s, out);
    fprintf(out, "<div class=\"plots\">\n");
    for (unsigned i = 0; i < s->nr_figures; i++) {
        fprintf(out, "<figure>\n<figcaption>");
        put_caption(&s->figures[i], out);
        fprintf(out, "</figcaption>\n");
        html_svg(out, svgs);
        if (s->figures[i].kind == FIGURE_WHERE) {
            put_stages(out);
        }
        fprintf(out, "</figure>\n");
    }
    fprintf(out, "</div>\n");
    put_table(s, out);
}

static const char foot[] =
    "<p>us is per request: mean, p50, p99 and p99.99 of latency, CPU time of the I/O thread and of "
    "the guest's processor. The last column is the ratio to the blocking I/O thread, taken within "
    "each turn of the variants. ~ marks cells in which the host was busy with something else in "
    "most runs.</p>\n";

/* --- */

int bench_page_prepare(const char *dir, struct error *err)
{
    struct stat st;

    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        return error_set(err, -errno, "cannot make directory '%s': %s", dir, strerror(errno));
    }
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
        return error_set(err, -ENOTDIR, "--report: '%s' is no directory", dir);
    }
    if (access(dir, W_OK | X_OK) < 0) {
        return error_set(err, -errno, "cannot write into '%s': %s", dir, strerror(errno));
    }
    return gnuplot_probe(err);
}

static int put_page(const struct page *p, char *svgs, const char *path, struct error *err)
{
    FILE *out = fopen(path, "we");
    bool good = out;

    if (out) {
        put_head(p, out);
        for (unsigned i = 0; i < p->nr_sections; i++) {
            put_section(&p->sections[i], &svgs, out);
        }
        fputs(foot, out);
        html_end(out);
        good = !ferror(out);
        good &= fclose(out) == 0;
    }
    return good ? 0 : error_set(err, -errno, "cannot write '%s': %s", path, strerror(errno));
}

int bench_page_write(const char *dir, const json_t *root, struct error *err)
{
    char *path = NULL, *svgs = NULL;
    struct page p;
    int ret;

    if (page_init(&p, root) < 0 || asprintf(&path, "%s/index.html", dir) < 0) {
        page_destroy(&p);
        return error_set(err, -ENOMEM, "out of memory for the report");
    }
    ret = make_plots(&p, &svgs, err);
    if (ret == 0) {
        ret = put_page(&p, svgs, path, err);
    }
    page_destroy(&p);
    free(svgs);
    free(path);
    return ret;
}
