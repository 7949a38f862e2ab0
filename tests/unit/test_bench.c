// SPDX-License-Identifier: MIT
/* pollux bench without a machine: its options, its statistics, and the comparison of two files. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench-json.h"
#include "bench/bench-options.h"
#include "bench/compare.h"
#include "bench/figures.h"
#include "bench/guest-report.h"
#include "bench/noise.h"
#include "bench/plan.h"
#include "bench/report.h"
#include "bench/summary.h"
#include "bench/turns.h"
#include "bench/workload.h"
#include "engine/image.h"
#include "tests/unit/suite.h"

static struct bench_config config;
static struct bench_plan *plan;
static struct error err;
static char *storage;

static int parse(int argc, char **argv)
{
    int ret;

    bench_config_init(&config);
    ret = options_parse(bench_options, &config, argc, argv, &storage, &err);
    plan = calloc(1, sizeof(*plan));
    return ret ? ret : bench_plan_init(plan, &config, &err);
}

#define BENCH(...)                                                                                 \
    parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

#define CALLS_MAX 64

/* A runner that measures nothing: the noise of its runs, and the run that fails. */
static struct {
    unsigned calls;
    double noise[CALLS_MAX];
    unsigned fails_at; /* counted from 1; 0: none */
} host;

static void release(void)
{
    if (plan) {
        bench_plan_destroy(plan);
    }
    free(plan);
    plan = NULL;
    free(storage);
    storage = NULL;
    memset(&host, 0, sizeof(host));
}

START_TEST(groups_are_all_combinations_of_the_options)
{
    char name[160];

    ck_assert_int_eq(BENCH("--engine", "null", "--bs", "4k,64K", "--depth", "1,8,128", "--pause",
                           "0,exp:50us", "--policy", "block"),
                     0);
    ck_assert_uint_eq(plan->nr_groups, 2 * 3 * 2);
    bench_group_name(&plan->groups[0], name, sizeof(name));
    ck_assert_str_eq(name, "-, null, 4K, depth 1");
    bench_group_name(&plan->groups[11], name, sizeof(name));
    ck_assert_str_eq(name, "-, null, 64K, depth 128, pause exp:50us");
    for (unsigned i = 0; i < plan->nr_groups; i++) {
        for (unsigned j = 0; j < i; j++) {
            ck_assert(plan->groups[i].bs != plan->groups[j].bs ||
                      plan->groups[i].depth != plan->groups[j].depth ||
                      strcmp(plan->groups[i].pause, plan->groups[j].pause));
        }
    }
}
END_TEST

START_TEST(options_reach_the_guest)
{
    char append[256];

    ck_assert_int_eq(BENCH("--engine", "null", "--depth", "3", "--rw", "mixed:70", "--fsync", "9",
                           "--queues", "2", "--pause", "on-off:1ms:10ms", "--order", "seq",
                           "--wait", "irq", "--policy", "block"),
                     0);
    bench_guest_append(&config, &plan->groups[0], &plan->variants[0], 0, append, sizeof(append));
    ck_assert_ptr_nonnull(strstr(append, "depth=3 "));
    ck_assert_ptr_nonnull(strstr(append, "rw=mixed:70 "));
    ck_assert_ptr_nonnull(strstr(append, "flush_every=9"));
    ck_assert_ptr_nonnull(strstr(append, "queues=2 "));
    ck_assert_ptr_nonnull(strstr(append, "pause=on-off:1ms:10ms "));
    ck_assert_ptr_nonnull(strstr(append, "order=seq "));
    ck_assert_ptr_nonnull(strstr(append, "wait=irq "));
}
END_TEST

/* Not every file system can. */
static bool can_direct(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_DIRECT, 0600);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

START_TEST(a_disk_is_measured_around_or_through_the_page_cache)
{
    ck_assert_int_eq(
        BENCH("--engine", "io_uring", "--size", "1M", "--file", "/var/tmp", "--policy", "block"),
        0);
    ck_assert(plan->disks[1].direct == can_direct("/var/tmp"));
    release();
    ck_assert_int_eq(BENCH("--engine", "io_uring", "--size", "1M", "--file", "/var/tmp", "--policy",
                           "block", "--cache", "writeback"),
                     0);
    ck_assert(!plan->disks[0].direct && !plan->disks[1].direct);
}
END_TEST

static const struct {
    const char *text, *form;
} pauses[] = {
    {"0", "0"},
    {"50000", "50us"},
    {"1500us", "1500us"},
    {"exp:0.05ms", "exp:50us"},
    {"bimodal:10us:1ms:90", "bimodal:10us:1ms:90"},
    {"on-off:1ms:1s", "on-off:1ms:1000ms"},
};

START_TEST(a_pause_is_brought_into_one_form)
{
    char form[BENCH_PAUSE_MAX];

    ck_assert_int_eq(bench_pause_parse(pauses[_i].text, form, &err), 0);
    ck_assert_str_eq(form, pauses[_i].form);
}
END_TEST

static const struct {
    char *argv[8];
    const char *message;
} wrong[] = {
    {{"--pause", "soon"}, "--pause: 'soon' is no time; it takes a number with ns, us, ms or s"},
    {{"--pause", "2s"}, "--pause: 2s is out of range; it takes 0 to 1s"},
    {{"--pause", "uni:1us"},
     "--pause: 'uni:1us' is not known; it takes a time, exp:MEAN, bimodal:SHORT:LONG:PERCENT or "
     "on-off:ON:OFF"},
    {{"--pause", "exp:1us:2us"}, "--pause: expected exp:MEAN"},
    {{"--pause", "exp:"}, "--pause: needs a value"},
    {{"--pause", "on-off:1us"}, "--pause: expected on-off:ON:OFF"},
    {{"--pause", "bimodal:1us:2us:101"}, "--pause: 101 is out of range; it takes 0 to 100"},
    {{"--depth", "129"}, "--depth: 129 is out of range; it takes 1 to 128"},
    {{"--bs", "4k,100"}, "--bs: 100 is out of range; it takes 512 to 1M; did you mean 100K?"},
    {{"--bs", "1000"}, "--bs: must be a multiple of 512"},
    {{"--disks", "5"}, "--disks: 5 is out of range; it takes 1 to 4"},
    {{"--queues", "0"}, "--queues: 0 is out of range; it takes 1 to 4"},
    {{"--fsync", "4"}, "--fsync needs writes: --rw write or --rw mixed:P"},
    {{"--bs", "1M", "--depth", "128", "--disks", "4", "--queues", "4"},
     "--bs, --depth, --disks and --queues together would need more than 1024 MiB for data"},
    {{"--cache", "writeback", "--engine", "linux-aio"},
     "--cache: linux-aio would block on writeback: give another --engine"},
    {{"--engine", "linux-aio", "--disk", "/proc/version"},
     "disk image /proc/version is empty: make one with truncate -s 1G /proc/version"},
    {{"--disk", "nbd=nbd://h", "--host"},
     "--disk: nbd= goes with the built-in guest, without --against and --host"},
    {{"--disk", "rbd=pool", "--engine", "null"},
     "RBD image 'pool' is not of the form POOL/IMAGE, POOL/NAMESPACE/IMAGE or either with @SNAP"},
    {{"--disk", "nbd=nbd+unix:///?socket=/x", "--rw", "write"},
     "--rw write would destroy what is on 'nbd=nbd+unix:///?socket=/x'; add --overwrite if that is "
     "meant"},
};

START_TEST(wrong_options_are_one_clear_line_before_the_first_run)
{
    int argc = 0;

    while (argc < 8 && wrong[_i].argv[argc]) {
        argc++;
    }
    ck_assert_int_eq(parse(argc, (char **)wrong[_i].argv), -EINVAL);
    ck_assert_str_eq(err.msg, wrong[_i].message);
}
END_TEST

/* Opening it would wait for somebody to write. */
START_TEST(a_fifo_is_refused)
{
    char dir[] = "/tmp/pollux-bench-XXXXXX", path[64], message[160];

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(BENCH("--disk", path, "--engine", "linux-aio"), -EINVAL);
    snprintf(message, sizeof(message),
             "disk image %s is neither file nor disk: give a regular file or a block device", path);
    ck_assert_str_eq(err.msg, message);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(a_scratch_file_that_has_no_room_is_refused_at_once)
{
    ck_assert_int_eq(BENCH("--size", "1024T", "--engine", "linux-aio"), -ENOSPC);
    ck_assert_str_eq(err.msg,
                     "cannot fill a scratch file of 1073741824 MiB in '/dev/shm': No space "
                     "left on device; give another directory with --file or a smaller "
                     "--size");
}
END_TEST

START_TEST(an_image_that_is_smaller_than_a_request_is_refused)
{
    char path[] = "/tmp/pollux-bench-XXXXXX", message[128];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    close(fd);
    ck_assert_int_eq(BENCH("--disk", path, "--engine", "linux-aio", "--bs", "4k"), 0);
    release();
    ck_assert_int_eq(BENCH("--disk", path, "--engine", "linux-aio", "--bs", "4k,8k"), -EINVAL);
    snprintf(message, sizeof(message), "--bs: 8192 bytes are more than '%s' has", path);
    ck_assert_str_eq(err.msg, message);
    unlink(path);
}
END_TEST

START_TEST(a_figure_that_is_not_known_is_left_out_of_the_median)
{
    struct bench_summary s;

    ck_assert_int_eq(BENCH("--engine", "null", "--depth", "1", "--policy", "block", "--runs", "3"),
                     0);
    for (unsigned i = 0; i < 3; i++) {
        struct bench_result *r = bench_result_at(plan, 0, 0, i);

        bench_result_unknown(r);
        r->iops = 100 + i;
        r->noisy = i > 0;
    }
    bench_result_at(plan, 0, 0, 2)->kicks = 7;
    plan->done[0] = 3;
    bench_summarise(plan, 0, 0, &s);
    ck_assert_double_eq(s.median.iops, 101);
    ck_assert_double_eq(s.median.kicks, 7);
    ck_assert(isnan(s.median.lat_mean_ns));
    ck_assert(s.median.noisy);
    bench_result_at(plan, 0, 0, 1)->noisy = false;
    bench_summarise(plan, 0, 0, &s);
    ck_assert(!s.median.noisy);
}
END_TEST

/* --- running --- */

static bool takes_all(const struct bench_config *c, const struct bench_group *group,
                      const struct bench_variant *variant)
{
    return true;
}

static int pretend(const struct bench_config *c, const struct bench_group *group,
                   const struct bench_variant *variant, unsigned run, int stop_fd,
                   struct trace *trace, struct bench_result *out, struct error *error)
{
    ck_assert_uint_lt(host.calls, CALLS_MAX);
    out->noise = host.noise[host.calls];
    out->noisy = out->noise > 0;
    out->iops = ++host.calls;
    return host.calls == host.fails_at ? -EINTR : 0;
}

static const struct bench_runner pretender = {
    .name = "pretender", .takes = takes_all, .run = pretend};

/* One group of @policies, in @runs turns. */
static int run_pretender(char *policies, char *runs)
{
    int ret = BENCH("--engine", "null", "--depth", "1", "--policy", policies, "--runs", runs);

    ck_assert_int_eq(ret, 0);
    for (unsigned v = 0; v < plan->nr_variants; v++) {
        plan->variants[v].runner = &pretender;
    }
    return bench_run_plan(plan, NULL, -1, NULL, &err);
}

START_TEST(a_quiet_run_is_not_repeated)
{
    ck_assert_int_eq(run_pretender("block,cost", "3"), 0);
    ck_assert_uint_eq(host.calls, 6);
    ck_assert_uint_eq(plan->done[0], 3);
    /* the second turn runs the other way round */
    ck_assert_double_eq(bench_result_at(plan, 0, 1, 1)->iops, 3);
    ck_assert_double_eq(bench_result_at(plan, 0, 0, 1)->iops, 4);
    ck_assert_uint_eq(bench_result_at(plan, 0, 0, 1)->repeats, 0);
}
END_TEST

START_TEST(a_noisy_run_is_repeated_and_the_quietest_counts)
{
    host.noise[0] = 0.5;
    host.noise[1] = 0.2;
    host.noise[2] = 0.4;
    host.noise[4] = 0.3; /* of the third run that counts; its repeat is quiet */
    ck_assert_int_eq(run_pretender("block", "6"), 0);
    ck_assert_uint_eq(host.calls, 6 + 2 + 1);
    ck_assert_double_eq(bench_result_at(plan, 0, 0, 0)->iops, 2);
    ck_assert(bench_result_at(plan, 0, 0, 0)->noisy);
    ck_assert_uint_eq(bench_result_at(plan, 0, 0, 0)->repeats, 2);
    ck_assert_double_eq(bench_result_at(plan, 0, 0, 2)->iops, 6);
    ck_assert(!bench_result_at(plan, 0, 0, 2)->noisy);
    ck_assert_uint_eq(bench_result_at(plan, 0, 0, 2)->repeats, 1);
}
END_TEST

START_TEST(a_turn_can_run_every_group)
{
    ck_assert_int_eq(
        BENCH("--engine", "null", "--depth", "1,8", "--policy", "block", "--runs", "2"), 0);
    plan->variants[0].runner = &pretender;
    plan->turns_of_all = true;
    ck_assert_int_eq(bench_run_plan(plan, NULL, -1, NULL, &err), 0);
    ck_assert_double_eq(bench_result_at(plan, 0, 0, 0)->iops, 1);
    ck_assert_double_eq(bench_result_at(plan, 1, 0, 0)->iops, 2);
    ck_assert_double_eq(bench_result_at(plan, 0, 0, 1)->iops, 3);
    ck_assert_double_eq(bench_result_at(plan, 1, 0, 1)->iops, 4);
}
END_TEST

START_TEST(repeats_have_a_bound)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        host.noise[i] = 1;
    }
    ck_assert_int_eq(run_pretender("block,cost", "5"), 0);
    ck_assert_uint_eq(host.calls, 10 + 5);
}
END_TEST

START_TEST(complete_runs_stay_after_an_interruption)
{
    json_t *root;

    host.fails_at = 4; /* the second of the second turn */
    ck_assert_int_eq(run_pretender("block,cost", "3"), -EINTR);
    ck_assert_uint_eq(host.calls, 4);
    ck_assert_uint_eq(plan->done[0], 1);
    root = bench_json(plan);
    ck_assert(json_is_false(json_object_get(root, "complete")));
    ck_assert_uint_eq(
        json_array_size(json_object_get(json_array_get(json_object_get(root, "cells"), 0), "runs")),
        1);
    json_decref(root);
}
END_TEST

/* A second, in which three threads got a CPU @times times and waited for it @delay_ns. */
static struct bench_result noise_of(uint64_t delay_ns, uint64_t times, uint64_t steal_ns)
{
    const struct bench_noise begin = {.at_ns = 5, .steal_ns = 7, .runqueue_ns = 11};
    const struct bench_noise end = {.at_ns = begin.at_ns + 1000000000,
                                    .steal_ns = begin.steal_ns + steal_ns,
                                    .runqueue_ns = begin.runqueue_ns + delay_ns,
                                    .times_run = times,
                                    .switches = 10};
    struct bench_result r;

    bench_result_unknown(&r);
    bench_noise_result(&begin, &end, &r);
    return r;
}

START_TEST(waking_up_is_no_noise_but_waiting_for_a_cpu_is)
{
    struct bench_result r = noise_of(80000000, 50000, 0);

    ck_assert_double_eq_tol(r.runqueue, 0.08, 1e-9);
    ck_assert_double_eq_tol(r.switches, 10, 1e-9);
    ck_assert(!r.noisy);
    ck_assert(noise_of(80000000, 50, 0).noisy);
    ck_assert(noise_of(0, 0, 100000000).noisy);
    ck_assert(!noise_of(0, 0, 10000000).noisy); /* one tick of the clock that steal is counted in */
}
END_TEST

START_TEST(noise_of_this_process_can_be_read)
{
    struct bench_noise a, b;
    struct timespec ts = {.tv_nsec = 100000}; /* not over before it begins on a busy machine */

    bench_noise_sample(&a, "/proc/self");
    for (unsigned i = 0; i < 10; i++) {
        nanosleep(&ts, NULL);
    }
    bench_noise_sample(&b, "/proc/self");
    ck_assert_uint_gt(b.at_ns, a.at_ns);
    ck_assert_uint_ge(b.times_run, a.times_run + 10); /* once after each sleep */
    ck_assert_uint_ge(b.runqueue_ns, a.runqueue_ns);
    ck_assert_uint_ge(b.switches, a.switches);
}
END_TEST

/* --- comparing --- */

START_TEST(a_ratio_of_medians_differs_only_beyond_noise)
{
    const double a[] = {100, 101, 99, 100, 102}, twice[] = {200, 203, 198, 204, 201};
    const double wide[] = {80, 130, 95, 104, 110}, few[] = {200, 201};
    struct bench_ratio r;

    bench_ratio(a, 5, twice, 5, &r);
    ck_assert_double_eq_tol(r.ratio, 2.01, 1e-9);
    ck_assert_double_ge(r.low, 198 / 102.0);
    ck_assert_double_le(r.high, 204 / 99.0);
    ck_assert_double_lt(r.low, r.high);
    ck_assert(r.differs);
    bench_ratio(twice, 5, a, 5, &r);
    ck_assert(r.differs && r.high < 1);
    bench_ratio(a, 5, wide, 5, &r);
    ck_assert(r.low < 1 && r.high > 1 && !r.differs);
    bench_ratio(a, 5, few, 2, &r);
    ck_assert(r.low > 1 && !r.differs);
}
END_TEST

static json_t *cell(const char *policy, int depth, double iops)
{
    json_t *runs = json_array();

    for (int i = 0; i < 5; i++) {
        json_array_append_new(runs,
                              json_pack("{s:f, s:f}", "iops", iops + i, "lat_p99_ns", 1000.0));
    }
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:i, s:i, s:s, s:o}", "runner", "pollux",
                     "disk", "memory", "engine", "linux-aio", "bs", 65536, "depth", depth, "pause",
                     "0", "policy", policy, "poll_max_ns", 200000, "idle_handlers", 0, "ring",
                     "split", "runs", runs);
}

static char path_a[] = "/tmp/pollux-bench-a-XXXXXX", path_b[] = "/tmp/pollux-bench-b-XXXXXX";

static void write_file(char *path, const char *rw, json_t *one, json_t *other)
{
    int fd = mkstemp(path);
    json_t *root =
        json_pack("{s:i, s:s, s:{s:s}, s:{s:s}, s:[o,o]}", "format", BENCH_JSON_FORMAT, "pollux",
                  "0.0.0", "host", "kernel", "6.6.6", "workload", "rw", rw, "cells", one, other);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(json_dumpfd(root, fd, 0), 0);
    json_decref(root);
    close(fd);
}

static void remove_files(void)
{
    unlink(path_a);
    unlink(path_b);
    strcpy(path_a, "/tmp/pollux-bench-a-XXXXXX");
    strcpy(path_b, "/tmp/pollux-bench-b-XXXXXX");
}

static char *compare(int expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    ck_assert_int_eq(bench_compare(path_a, path_b, out, &err), expected);
    fclose(out);
    return text;
}

START_TEST(two_files_are_compared_cell_by_cell)
{
    char *text;

    write_file(path_a, "read", cell("cost", 1, 1000), cell("fixed", 1, 1000));
    write_file(path_b, "write", cell("cost", 1, 1200), cell("fixed", 2, 1000));
    text = compare(0);
    ck_assert_ptr_nonnull(strstr(text, "A: /tmp/pollux-bench-a"));
    ck_assert_ptr_nonnull(strstr(text, "Linux 6.6.6"));
    ck_assert_ptr_nonnull(
        strstr(text, "The workloads differ: rw is \"read\" in A and \"write\" in B."));
    ck_assert_ptr_nonnull(strstr(text, "memory, linux-aio, 64K, depth 1\n"));
    ck_assert_ptr_null(strstr(text, "depth 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "1.20 (1.20-1.20) *   1.00 (1.00-1.00)     -"));
    ck_assert_ptr_nonnull(strstr(text, "\n1 of 1 cells differ beyond noise; 1 only in A; 1 only in "
                                       "B.\n"));
    free(text);
    remove_files();
}
END_TEST

START_TEST(a_file_does_not_differ_from_itself)
{
    char *text;

    write_file(path_a, "read", cell("cost", 1, 1000), cell("fixed", 1, 10));
    write_file(path_b, "read", cell("cost", 1, 1000), cell("fixed", 1, 10));
    text = compare(0);
    ck_assert_ptr_null(strstr(text, "workloads differ"));
    ck_assert_ptr_nonnull(strstr(text, "\n0 of 2 cells differ beyond noise.\n"));
    free(text);
    remove_files();
}
END_TEST

START_TEST(a_file_that_is_something_else_is_refused)
{
    FILE *f;

    write_file(path_a, "read", cell("cost", 1, 1000), cell("fixed", 1, 10));
    strcpy(path_b, "/nonexistent/b.json");
    free(compare(-EINVAL));
    ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/b.json"));
    f = fopen(path_a, "w");
    fprintf(f, "{\"cells\": 1}");
    fclose(f);
    free(compare(-EINVAL));
    ck_assert_ptr_nonnull(strstr(err.msg, "is not what pollux bench --json writes"));
    f = fopen(path_a, "w");
    fprintf(f, "{\"format\": 1, \"cells\": []}");
    fclose(f);
    free(compare(-EINVAL));
    ck_assert_ptr_nonnull(strstr(err.msg, "has format 1, not 2"));
    remove_files();
}
END_TEST

/* --- the page --- */

/* A cell with all that plots are made of. */
static json_t *full_cell(const char *policy, int depth, double ns)
{
    static const char *const figures[] = {
        "lat_mean_ns",
        "lat_p1_ns",
        "lat_p10_ns",
        "lat_p25_ns",
        "lat_p50_ns",
        "lat_p75_ns",
        "lat_p90_ns",
        "lat_p95_ns",
        "lat_p99_ns",
        "lat_p99.5_ns",
        "lat_p99.9_ns",
        "lat_p99.95_ns",
        "lat_p99.99_ns",
        "stage_guest_ns",
        "stage_seen_to_submitted_ns",
        "stage_submitted_to_completed_ns",
        "stage_completed_to_used_ns",
        "iothread_cpu_ns_per_request",
    };
    json_t *o = cell(policy, depth, 1e9 / ns), *median = json_pack("{s:f}", "iops", 1e9 / ns);

    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        json_object_set_new(median, figures[i], json_real(ns + (double)i));
    }
    json_object_set_new(o, "median", median);
    return o;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        n++;
    }
    return n;
}

/* Return: the page made of two variants at each of @depths; free() it. */
static char *page_of(const int *depths, unsigned n)
{
    char dir[] = "/tmp/pollux-bench-XXXXXX", path[64], *text = NULL;
    json_t *cells = json_array(), *root;
    size_t size = 0;
    FILE *f;

    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(cells, full_cell("block", depths[i], 50000));
        json_array_append_new(cells, full_cell("cost", depths[i], 2000));
    }
    root = json_pack("{s:i, s:{s:s}, s:{s:s}, s:b, s:o}", "format", BENCH_JSON_FORMAT, "host",
                     "processor", "A <fast> & \"good\" one", "workload", "rw", "read", "complete",
                     1, "cells", cells);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_msg(bench_report_write(dir, root, &err) == 0, "%s", err.msg);
    json_decref(root);
    snprintf(path, sizeof(path), "%s/index.html", dir);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_gt(getdelim(&text, &size, '\0', f), 0);
    fclose(f);
    unlink(path);
    rmdir(dir);
    return text;
}

static bool no_python(void)
{
    if (bench_report_prepare("/tmp", &err) == 0) {
        return false;
    }
    printf("skip: %s\n", err.msg);
    return true;
}

START_TEST(a_page_stands_on_its_own)
{
    char *text;

    if (no_python()) {
        return;
    }
    text = page_of((const int[]){1, 32}, 2);
    /* IOPS, CPU, and for each depth latency and stages */
    ck_assert_uint_eq(count(text, "<figure>"), 6);
    ck_assert_uint_eq(count(text, "<svg"), 6);
    ck_assert_uint_eq(count(text, "</svg>"), 6);
    ck_assert_uint_eq(count(text, "<h2>memory, linux-aio, 64K</h2>"), 1);
    ck_assert_uint_eq(count(text, "cost 200us</li>"), 1);
    ck_assert_ptr_nonnull(strstr(text, "A &lt;fast&gt; &amp; &quot;good&quot; one"));
    ck_assert_uint_eq(count(text, "http"), 6); /* the name of an XML name space */
    ck_assert_uint_eq(count(text, "<?xml") + count(text, "src="), 0);
    ck_assert_ptr_nonnull(strstr(text, "</html>"));
    free(text);
}
END_TEST

START_TEST(one_depth_has_no_plot_against_depth)
{
    char *text;

    if (no_python()) {
        return;
    }
    text = page_of((const int[]){8}, 1);
    ck_assert_uint_eq(count(text, "<svg"), 3);
    ck_assert_ptr_null(strstr(text, "IOPS against depth"));
    ck_assert_ptr_nonnull(strstr(text, "Latency distribution, depth 8"));
    free(text);
}
END_TEST

START_TEST(a_page_does_not_replace_a_file_in_use)
{
    char dir[] = "/tmp/pollux-bench-XXXXXX", path[64], text[8] = "";
    struct image_config disk = {.path = path};
    struct image image;
    json_t *root;
    FILE *f;

    if (no_python()) {
        return;
    }
    root = json_pack("{s:[]}", "cells");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/index.html", dir);
    f = fopen(path, "w");
    fputs("disk", f);
    ck_assert_int_eq(ftruncate(fileno(f), 4096), 0);
    fclose(f);
    ck_assert_msg(image_open(&image, &disk, &err) == 0, "%s", err.msg);

    ck_assert_int_eq(bench_report_check(dir, path, &err), -EINVAL);
    ck_assert_int_eq(bench_report_check(dir, NULL, &err), 0);
    ck_assert_int_lt(bench_report_write(dir, root, &err), 0);
    ck_assert_msg(strstr(err.msg, "is not overwritten") != NULL, "%s", err.msg);
    image_close(&image);
    f = fopen(path, "r");
    ck_assert_uint_eq(fread(text, 1, 4, f), 4);
    ck_assert_str_eq(text, "disk");
    fclose(f);

    ck_assert_msg(bench_report_write(dir, root, &err) == 0, "%s", err.msg);
    json_decref(root);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(a_failure_of_python_keeps_the_earlier_page)
{
    char dir[] = "/tmp/pollux-bench-XXXXXX", path[64];
    json_t *root = json_object();

    if (no_python()) {
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/index.html", dir);
    fclose(fopen(path, "w"));
    ck_assert_int_eq(bench_report_write(dir, root, &err), -EINVAL);
    ck_assert_str_eq(err.msg, "--report: python3 failed: KeyError: 'cells'");
    ck_assert_int_eq(unlink(path), 0);
    json_decref(root);
    rmdir(dir);
}
END_TEST

START_TEST(a_python_that_is_missing_is_named_before_anything_runs)
{
    ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0);
    ck_assert_int_eq(bench_report_prepare("/tmp", &err), -ENOENT);
    ck_assert_str_eq(err.msg, "--report needs python3, which is not installed: apt-get install "
                              "python3");
    ck_assert_int_lt(bench_report_prepare("/nonexistent/dir", &err), 0);
    ck_assert_str_eq(err.msg,
                     "cannot make directory '/nonexistent/dir': No such file or directory");
    ck_assert_int_eq(bench_report_prepare("/bin/sh", &err), -ENOTDIR);
    ck_assert_str_eq(err.msg, "--report: '/bin/sh' is no directory");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bench");
    TCase *options = tcase_create("options"), *results = tcase_create("results"),
          *page = tcase_create("page"), *running = tcase_create("running");

    tcase_add_checked_fixture(options, NULL, release);
    tcase_add_test(options, groups_are_all_combinations_of_the_options);
    tcase_add_test(options, options_reach_the_guest);
    tcase_add_test(options, a_disk_is_measured_around_or_through_the_page_cache);
    tcase_add_loop_test(options, a_pause_is_brought_into_one_form, 0,
                        sizeof(pauses) / sizeof(pauses[0]));
    tcase_add_loop_test(options, wrong_options_are_one_clear_line_before_the_first_run, 0,
                        sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(options, a_fifo_is_refused);
    tcase_add_test(options, a_scratch_file_that_has_no_room_is_refused_at_once);
    tcase_add_test(options, an_image_that_is_smaller_than_a_request_is_refused);
    suite_add_tcase(s, options);

    tcase_add_checked_fixture(running, NULL, release);
    tcase_add_test(running, a_quiet_run_is_not_repeated);
    tcase_add_test(running, a_noisy_run_is_repeated_and_the_quietest_counts);
    tcase_add_test(running, a_turn_can_run_every_group);
    tcase_add_test(running, repeats_have_a_bound);
    tcase_add_test(running, complete_runs_stay_after_an_interruption);
    tcase_add_test(running, waking_up_is_no_noise_but_waiting_for_a_cpu_is);
    tcase_add_test(running, noise_of_this_process_can_be_read);
    suite_add_tcase(s, running);

    tcase_add_checked_fixture(results, NULL, release);
    tcase_add_test(results, a_figure_that_is_not_known_is_left_out_of_the_median);
    tcase_add_test(results, a_ratio_of_medians_differs_only_beyond_noise);
    tcase_add_test(results, two_files_are_compared_cell_by_cell);
    tcase_add_test(results, a_file_does_not_differ_from_itself);
    tcase_add_test(results, a_file_that_is_something_else_is_refused);
    suite_add_tcase(s, results);

    tcase_add_test(page, a_page_stands_on_its_own);
    tcase_add_test(page, one_depth_has_no_plot_against_depth);
    tcase_add_test(page, a_page_does_not_replace_a_file_in_use);
    tcase_add_test(page, a_failure_of_python_keeps_the_earlier_page);
    tcase_add_test(page, a_python_that_is_missing_is_named_before_anything_runs);
    suite_add_tcase(s, page);

    return suite_run(s);
}
