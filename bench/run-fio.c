// SPDX-License-Identifier: MIT
/*
 * fio on the host, on the same file in the same way: the performance of a program without a guest.
 * fio has its default settings except for the random map, which takes time and which the guest does
 * not have.
 */
#include "bench/run-fio.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench-disk.h"
#include "bench/bench-options.h"
#include "bench/child.h"
#include "bench/figures.h"
#include "bench/workload.h"

/* The percentiles that have figures. */
#define PERCENTILES "1:10:25:50:75:90:95:99:99.5:99.9:99.95:99.99"

#define OUTPUT_MAX 65536
#define GRACE_MS   30000
#define VERSION_MS 10000

bool bench_fio_probe(char *version, size_t size)
{
    char *argv[] = {"fio", "--version", NULL};
    struct child child;
    struct error err = {""};
    ssize_t n;

    *version = '\0';
    if (child_start(&child, argv, (const int[]){-1}, -1, &err) < 0) {
        return false;
    }
    n = child_read_all(&child, version, size, VERSION_MS);
    child_end(&child, NULL, 0);
    version[n > 0 ? strcspn(version, "\n") : 0] = '\0';
    return n > 0;
}

/* fio's name of the engine, NULL if fio has none like it. */
static const char *engine_name(const struct bench_disk *t)
{
    if (t->engine == &engine_linux_aio) {
        return t->direct ? "libaio" : NULL; /* blocks in the submission else */
    }
    if (t->engine == &engine_mmap) { /* fills holes by reading them, and writes to its mapping */
        return t->fd >= 0 && t->readonly ? "mmap" : NULL;
    }
    return t->engine == &engine_io_uring ? "io_uring" : NULL;
}

struct fio_args {
    char filename[4096], engine[32], direct[16], rw[32], mix[32], bs[32], depth[32], time[48];
};

/* A ':' in a file name separates two of them, for fio. */
static void escape(const char *name, char *buf, size_t size)
{
    size_t len = 0;

    for (; *name && len + 2 < size; name++) {
        if (*name == ':' || *name == '\\') {
            buf[len++] = '\\';
        }
        buf[len++] = *name;
    }
    buf[len] = '\0';
}

static void make_args(struct fio_args *w, const struct bench_config *c,
                      const struct bench_group *group)
{
    const struct bench_disk *t = group->disk;
    bool mixed = !strncmp(c->rw, "mixed:", 6);

    memcpy(w->filename, "--filename=", 11);
    escape(t->file, w->filename + 11, sizeof(w->filename) - 11);
    snprintf(w->engine, sizeof(w->engine), "--ioengine=%s", engine_name(t));
    snprintf(w->direct, sizeof(w->direct), "--direct=%d", t->direct && t->engine != &engine_mmap);
    snprintf(w->rw, sizeof(w->rw), "--rw=%s%s", c->order ? "" : "rand", mixed ? "rw" : c->rw);
    snprintf(w->mix, sizeof(w->mix), "--rwmixread=%s", mixed ? c->rw + 6 : "50");
    snprintf(w->bs, sizeof(w->bs), "--bs=%" PRIu64, group->bs);
    snprintf(w->depth, sizeof(w->depth), "--iodepth=%u", group->depth);
    snprintf(w->time, sizeof(w->time), "--runtime=%" PRIu64 "ms", c->time_ns / 1000000);
}

/* Member @b of member @a; 0 if there is none. */
static double number(json_t *job, const char *a, const char *b)
{
    return json_number_value(json_object_get(json_object_get(job, a), b));
}

static double percentile(json_t *job, const char *direction, double percent)
{
    json_t *lat = json_object_get(json_object_get(job, direction), "lat_ns");
    char key[16];

    snprintf(key, sizeof(key), "%.6f", percent);
    return number(lat, "percentile", key);
}

/* Latencies are those of the direction with more requests, from before the call to completion. */
static int read_job(json_t *job, uint64_t bs, struct bench_result *out, struct error *err)
{
    double reads = number(job, "read", "iops"), writes = number(job, "write", "iops");
    const char *most = reads >= writes ? "read" : "write";
    const struct bench_figure *f;
    double percent;

    if (!job || json_integer_value(json_object_get(job, "error")) || reads + writes <= 0) {
        return error_set(err, -EIO, "fio failed or made no request; try more --time");
    }
    bench_result_unknown(out);
    out->iops = reads + writes;
    out->mb_per_s = out->iops * (double)bs / 1e6;
    out->lat_mean_ns = number(json_object_get(job, most), "lat_ns", "mean");
    out->lat_max_ns = number(json_object_get(job, most), "lat_ns", "max");
    for (unsigned i = 0; (f = bench_figure_at(i)); i++) {
        if (sscanf(f->name, "lat_p%lf", &percent) == 1) {
            *bench_figure(out, f) = percentile(job, most, percent);
        }
    }
    out->cpu = (json_number_value(json_object_get(job, "usr_cpu")) +
                json_number_value(json_object_get(job, "sys_cpu"))) /
               100;
    out->cpu_ns = 1e9 * out->cpu / out->iops;
    return 0;
}

/* fio may print other text before its JSON. */
static int read_output(const char *text, uint64_t bs, struct bench_result *out, struct error *err)
{
    const char *begin = strstr(text, "{\n");
    json_t *root = begin ? json_loads(begin, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    int ret = read_job(json_array_get(json_object_get(root, "jobs"), 0), bs, out, err);

    json_decref(root);
    return ret;
}

static int follow(struct child *child, uint64_t time_ns, uint64_t bs, struct bench_result *out,
                  struct error *err)
{
    char *text = malloc(OUTPUT_MAX), complaint[ERROR_MSG_MAX / 2];
    ssize_t n = text ? child_read_all(child, text, OUTPUT_MAX, (int)(time_ns / 1000000) + GRACE_MS)
                     : -ENOMEM;
    int status = child_end(child, complaint, sizeof(complaint)), ret;

    if (n < 0) {
        ret = error_set(err, (int)n, "fio: %s", strerror((int)-n));
    } else if (status != 0) {
        ret = error_set(err, -EIO, "fio ended with status %d%s%s", status, *complaint ? ": " : "",
                        complaint);
    } else {
        ret = read_output(text, bs, out, err);
    }
    free(text);
    return ret;
}

static int run_fio(const struct bench_config *c, const struct bench_group *group,
                   const struct bench_variant *variant, unsigned run, int stop_fd,
                   struct trace *trace, struct bench_result *out, struct error *err)
{
    struct fio_args w;
    struct child child;
    char *argv[] = {
        "fio",
        "--name=bench",
        w.filename,
        w.engine,
        w.direct,
        w.rw,
        w.mix,
        w.bs,
        w.depth,
        w.time,
        "--time_based",
        "--invalidate=0", /* the page cache is as it is for the others */
        "--thread",
        "--norandommap",
        "--allow_file_create=0",
        "--output-format=json",
        "--lat_percentiles=1",
        "--clat_percentiles=0",
        "--percentile_list=" PERCENTILES,
        group->disk->readonly ? "--readonly" : NULL,
        NULL,
    };
    int ret;

    make_args(&w, c, group);
    ret = child_start(&child, argv, (const int[]){group->disk->fd, -1}, stop_fd, err);
    return ret < 0 ? ret : follow(&child, c->time_ns, group->bs, out, err);
}

static bool fio_takes(const struct bench_config *c, const struct bench_group *group,
                      const struct bench_variant *variant)
{
    return bench_host_takes(c, group) && engine_name(group->disk);
}

const struct bench_runner bench_runner_fio = {
    .name = "fio",
    .takes = fio_takes,
    .run = run_fio,
};
