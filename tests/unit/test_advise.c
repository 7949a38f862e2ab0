// SPDX-License-Identifier: MIT
/* The recommendation of `pollux advise` for given figures, and its reads, which write nothing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/advise/advice-print.h"
#include "bench/advise/advice-text.h"
#include "bench/advise/wake-cost.h"
#include "bench/run-engine.h"
#include "cli/choices.h"
#include "cli/run-options.h"
#include "tests/unit/suite.h"

#define US 1000ull

/* --- the rule --- */

#define TURNS 4

static struct advise_data data;
static struct bench_plan plan;
static struct bench_config config;
static struct bench_result results[ADVISE_ENGINES_MAX * ADVISE_DEPTHS * ADVISE_WAITS * TURNS];
static unsigned done[ADVISE_ENGINES_MAX * ADVISE_DEPTHS];

/* As if all turns had found @iops at depth 1 and 32, and reads of @read_ns. Return: its index. */
static unsigned add_engine(const struct engine_ops *ops, double iops, double read_ns)
{
    unsigned e = plan.nr_disks++;

    plan.disks[e] = (struct bench_disk){.name = "disk", .engine = ops, .fd = -1};
    plan.nr_groups += ADVISE_DEPTHS;
    data.reads[e][hist_bucket((uint64_t)read_ns)] = 1000000;
    for (unsigned depth = 0; depth < ADVISE_DEPTHS; depth++) {
        plan.groups[e * ADVISE_DEPTHS + depth] = (struct bench_group){
            .disk = &plan.disks[e], .bs = 4096, .depth = depth ? 32 : 1, .pause = "0"};
        done[e * ADVISE_DEPTHS + depth] = data.nr_turns;
        for (unsigned w = 0; w < ADVISE_WAITS; w++) {
            for (unsigned i = 0; i < TURNS; i++) {
                *advise_run(&data, e, w, depth, i) = (struct bench_result){.iops = iops,
                                                                           .lat_mean_ns = read_ns,
                                                                           .lat_p50_ns = read_ns,
                                                                           .lat_p99_ns = read_ns};
            }
        }
    }
    return e;
}

static void new_data_of(unsigned turns, double wake_ns)
{
    bench_config_init(&config);
    plan = (struct bench_plan){
        .config = &config,
        .nr_variants = ADVISE_WAITS,
        .nr_runs = TURNS,
        .variants = {[ADVISE_BLOCK] = {.runner = &bench_runner_engine,
                                       .policy = &poll_policy_block},
                     [ADVISE_COST] = {.runner = &bench_runner_engine, .policy = &poll_policy_cost},
                     [ADVISE_POLL] = {.runner = &bench_runner_engine,
                                      .policy = &poll_policy_fixed}},
        .results = results,
        .done = done};
    data = (struct advise_data){.plan = &plan,
                                .file = "disk.img",
                                .direct = true,
                                .writable = true,
                                .written = 1,
                                .cpus = 2,
                                .nr_turns = turns};
    for (unsigned i = 0; i < ADVISE_WAKES; i++) {
        data.wake_ns[i] = wake_ns;
    }
}

static void new_data(double wake_ns)
{
    new_data_of(TURNS, wake_ns);
}

/* What advise_explain() says, on one line. */
static const char *reasons(const struct advice *a)
{
    static char all[ADVISE_REASONS * (ADVISE_TEXT_MAX + 1)];
    char out[ADVISE_REASONS][ADVISE_TEXT_MAX];
    unsigned n = advise_explain(&data, a, out);

    ck_assert_uint_ge(n, 2);
    ck_assert_uint_le(n, ADVISE_REASONS);
    all[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        strcat(strcat(all, out[i]), " ");
    }
    return all;
}

static const struct {
    double read_us, wake_us;
    unsigned cpus;
    const char *policy;
    bool pays;       /* reads come within the window */
    uint64_t max_ns; /* at weight 7 */
    const char *says;
} disks[] = {
    {2, 30, 2, "cost", true, 32768, "polling pays"},  /* memory: the floor */
    {47, 28, 2, "cost", true, 49152, "polling pays"}, /* an NVMe disk: past p99 */
    {150, 20, 2, "cost", false, 140 * US, "not pay"}, /* what a wake-up is worth */
    {300, 30, 2, "cost", false, 210 * US, "not pay"}, /* and so */
    {140, 30, 2, "cost", true, 163840, "covers 99 %"},
    {8000, 30, 2, "cost", false, 210 * US, "not pay"},     /* a disk that turns */
    {2, 3, 2, "cost", true, 21 * US, "is what a wake-up"}, /* below the floor: a wake-up is cheap */
    {2, 0.1, 2, "block", false, 0, "nothing that polling could save"},
    {2, -5, 2, "block", false, 0, "nothing that polling could save"},
    {2, 30, 1, "block", false, 0, "one CPU"},
};

START_TEST(policy_and_cap_follow_from_the_reads_and_the_wake_up)
{
    struct advice a;

    new_data(disks[_i].wake_us * US);
    data.cpus = disks[_i].cpus;
    add_engine(&engine_linux_aio, 1000, disks[_i].read_us * US);
    advise_decide(&data, &a);
    ck_assert_str_eq(a.policy->name, disks[_i].policy);
    ck_assert_uint_eq(a.max_ns, disks[_i].max_ns);
    ck_assert_uint_le(a.window_ns, a.max_ns);
    ck_assert_msg((a.within > 0.5) == disks[_i].pays, "%g of the reads in %lu ns", a.within,
                  a.window_ns);
    ck_assert_msg(strstr(reasons(&a), disks[_i].says) != NULL, "%s", reasons(&a));
}
END_TEST

START_TEST(where_only_some_reads_are_quick_it_says_how_many)
{
    struct advice a;
    unsigned e;

    new_data(30 * US);
    e = add_engine(&engine_linux_aio, 1000, 2000 * US);
    data.reads[e][hist_bucket(3 * US)] = 1000000 / 4; /* a fifth */
    advise_decide(&data, &a);
    ck_assert_uint_gt(a.window_ns, 3 * US);
    ck_assert_uint_lt(a.window_ns, 10 * US);
    ck_assert_msg(strstr(reasons(&a), "20 % of the reads") != NULL, "%s", reasons(&a));
}
END_TEST

static const struct {
    bool direct;
    double aio, uring, threads, sync, mmap; /* IOPS; 0: not there */
    const char *chosen;
} races[] = {
    {true, 100, 100, 100, 100, 0, "linux-aio"},
    {true, 100, 104, 104, 104, 0, "linux-aio"}, /* within what is chance */
    {true, 100, 120, 110, 100, 0, "io_uring"},
    {true, 100, 110, 120, 100, 0, "threads"},
    {true, 100, 100, 100, 900, 0, "linux-aio"}, /* sync stops the loop */
    {true, 0, 100, 100, 100, 0, "io_uring"},
    {false, 0, 100, 100, 100, 0, "threads"}, /* as pollux run without O_DIRECT */
    {false, 0, 120, 100, 100, 0, "io_uring"},
    {true, 300, 100, 100, 100, 330, "mmap"},
    {true, 300, 100, 100, 100, 200, "linux-aio"},
};

START_TEST(the_usual_engine_stays_unless_another_is_faster)
{
    const struct {
        const struct engine_ops *ops;
        double iops;
    } all[] = {{&engine_linux_aio, races[_i].aio},
               {&engine_io_uring, races[_i].uring},
               {&engine_threads, races[_i].threads},
               {&engine_mmap, races[_i].mmap},
               {&engine_sync, races[_i].sync}};
    struct advice a;

    new_data(30 * US);
    data.direct = races[_i].direct;
    for (unsigned i = 0; i < 5; i++) {
        if (all[i].iops > 0) {
            add_engine(all[i].ops, all[i].iops, 50 * US);
        }
    }
    advise_decide(&data, &a);
    ck_assert_str_eq(advise_engine(&data, a.engine)->name, races[_i].chosen);
    ck_assert_ptr_nonnull(strstr(reasons(&a), races[_i].chosen));
}
END_TEST

/* Twice as fast in half of the turns, and a little slower in the others: that is the host. */
START_TEST(an_engine_that_is_faster_only_at_times_is_not_chosen)
{
    struct advice a;
    unsigned e;

    new_data(30 * US);
    add_engine(&engine_linux_aio, 100, 50 * US);
    e = add_engine(&engine_io_uring, 200, 50 * US);
    for (unsigned w = 0; w < ADVISE_WAITS; w++) {
        for (unsigned depth = 0; depth < ADVISE_DEPTHS; depth++) {
            advise_run(&data, e, w, depth, 0)->iops = advise_run(&data, e, w, depth, 1)->iops = 95;
        }
    }
    advise_decide(&data, &a);
    ck_assert_str_eq(advise_engine(&data, a.engine)->name, "linux-aio");
}
END_TEST

START_TEST(one_turn_says_nothing_about_which_engine_is_faster)
{
    struct advice a;

    new_data_of(1, 30 * US);
    add_engine(&engine_linux_aio, 100, 50 * US);
    add_engine(&engine_io_uring, 200, 50 * US);
    advise_decide(&data, &a);
    ck_assert_str_eq(advise_engine(&data, a.engine)->name, "linux-aio");
}
END_TEST

/* As on a host whose CPUs have other things to do. */
START_TEST(where_polling_made_reads_slower_it_is_not_recommended)
{
    struct advice a;
    unsigned e;

    new_data(30 * US);
    e = add_engine(&engine_linux_aio, 100, 50 * US);
    for (unsigned i = 0; i < data.nr_turns; i++) {
        advise_run(&data, e, ADVISE_COST, ADVISE_DEPTH_1, i)->iops = 80;
    }
    advise_decide(&data, &a);
    ck_assert_str_eq(a.policy->name, "block");
    ck_assert_uint_eq(a.max_ns, 0);
    ck_assert_msg(strstr(reasons(&a), "slower") != NULL, "%s", reasons(&a));
}
END_TEST

/* --- the options --- */

/* @line after a shell has split it: by spaces, but not within '...'. */
static int split(char *line, char *argv[8])
{
    bool quoted = false, inside = false;
    char *to = line;
    int n = 0;

    for (const char *from = line; *from; from++) {
        if (*from == '\'') {
            quoted = !quoted;
        } else if (*from == '\\' && !quoted) {
            *to++ = *++from;
        } else if (*from == ' ' && !quoted) {
            *to++ = '\0';
            inside = false;
            continue;
        } else {
            if (!inside) {
                argv[n++] = to;
            }
            *to++ = *from;
        }
        if (!inside && *from == '\'' && quoted) {
            argv[n++] = to;
        }
        inside = true;
    }
    *to = '\0';
    return n;
}

static const char *const names[] = {"disk.img", "/a/b,c.img", "a b", "it's, \"so\"", "$(x)\\;'"};

START_TEST(pollux_run_takes_what_is_recommended)
{
    struct run_config run;
    char *argv[8], *storage = NULL, *line;
    struct error err;
    struct advice a;

    new_data(30 * US);
    data.file = names[_i];
    data.writable = _i % 2;
    add_engine(&engine_io_uring, 100, 50 * US);
    advise_decide(&data, &a);
    line = advise_options(&data, &a);
    ck_assert_ptr_nonnull(line);
    run_config_init(&run);
    ck_assert_msg(options_parse(run_options, &run, split(line, argv), argv, &storage, &err) == 0,
                  "%s", err.msg);
    ck_assert_uint_eq(run.iothreads.nr, 1);
    ck_assert_str_eq(poll_policy_at(run.iothreads.args[0].policy)->name, "cost");
    ck_assert_uint_eq(run.iothreads.args[0].io.poll.max_ns, a.max_ns);
    ck_assert_uint_eq(run.nr_disks, 1);
    ck_assert_str_eq(run.disks[0].disk.image.path, names[_i]);
    ck_assert_str_eq(engine_at(run.disks[0].engine)->name, "io_uring");
    ck_assert_uint_eq(run.disks[0].cache, DISK_CACHE_NONE);
    ck_assert_int_eq(run.disks[0].disk.image.readonly, !(_i % 2));
    free(storage);
    free(line);
}
END_TEST

/* JSON has only UTF-8. */
START_TEST(json_names_a_file_whatever_its_name_is)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    json_t *root;

    new_data(30 * US);
    add_engine(&engine_linux_aio, 10000, 47 * US);
    data.file = "disk \xff.img";
    ck_assert_int_eq(advise_print_json(&data, out), 0);
    fclose(out);
    root = json_loads(text, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(root, "disk")), "disk ?.img");
    json_decref(root);
    free(text);
}
END_TEST

START_TEST(why_the_page_cache_is_used_is_said_as_it_is)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    new_data(5 * US);
    add_engine(&engine_threads, 20000, 50 * US);
    data.direct = false;
    strcpy(data.why_cached, "the disk has blocks of 16384 bytes");
    advise_print(&data, out);
    fclose(out);
    ck_assert_msg(strstr(text, "from memory: the disk has blocks of 16384 bytes.\n"), "%s", text);
    ck_assert_ptr_null(strstr(text, "The file system has no O_DIRECT"));
    free(text);
}
END_TEST

START_TEST(a_full_disk_is_no_lack_of_memory)
{
    FILE *out = fopen("/dev/full", "w");

    ck_assert_ptr_nonnull(out);
    setvbuf(out, NULL, _IONBF, 0);
    new_data(30 * US);
    add_engine(&engine_linux_aio, 10000, 47 * US);
    ck_assert_int_eq(advise_print_json(&data, out), 0);
    ck_assert(ferror(out));
    fclose(out);
}
END_TEST

/* --- the measurement --- */

#define FILE_BYTES (4 << 20)

START_TEST(reads_by_every_engine_are_counted_and_change_nothing)
{
    static const struct engine_ops *const all[] = {&engine_io_uring, &engine_threads, &engine_sync,
                                                   &engine_linux_aio};
    char path[] = "/tmp/pollux-advise-XXXXXX";
    struct image_config image_config = {.path = path, .readonly = true};
    struct bench_disk disk = {.engine = all[_i / 2], .file = path, .fd = -1};
    uint64_t reads[HIST_BUCKETS] = {0}, sum = 0;
    struct bench_group group = {
        .disk = &disk, .bs = 4096, .depth = _i % 2 ? 32 : 1, .pause = "0", .reads = reads};
    struct stat before, after;
    struct image image;
    struct error err;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, FILE_BYTES), 0);
    ck_assert_int_eq(fchmod(fd, 0400), 0);
    ck_assert_int_eq(fstat(fd, &before), 0);
    ck_assert_msg(image_open(&image, &image_config, &err) == 0, "%s", err.msg);
    ck_assert_msg(bench_engine_probe(disk.engine, &image, &err) == 0, "%s", err.msg);
    image_close(&image);
    new_data(30 * US);
    config.time_ns = 5000 * US;
    for (unsigned wait = 0; wait < ADVISE_WAITS; wait++) {
        const struct bench_variant *v = &plan.variants[wait];
        struct bench_result r;

        if (!v->runner->takes(&config, &group, v)) {
            ck_assert_ptr_eq(disk.engine, &engine_sync);
            continue;
        }
        ck_assert_msg(v->runner->run(&config, &group, v, 0, -1, NULL, &r, &err) == 0, "%s",
                      err.msg);
        ck_assert(r.iops > 0 && r.lat_mean_ns > 0 && r.cpu_ns > 0);
        ck_assert(r.lat_p50_ns > 0 && r.lat_p50_ns <= r.lat_p99_ns);
    }
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        sum += reads[i];
    }
    ck_assert((sum > 0) == (disk.engine != &engine_sync)); /* only polled ones */
    ck_assert_int_eq(fstat(fd, &after), 0);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    ck_assert_int_eq(before.st_blocks, after.st_blocks);
    unlink(path);
    close(fd);
}
END_TEST

START_TEST(a_run_ends_when_it_is_stopped_or_when_a_read_fails)
{
    struct bench_disk disk = {.engine = &engine_threads, .size = FILE_BYTES, .fd = -1};
    struct bench_group group = {.disk = &disk, .bs = 4096, .depth = 32, .pause = "0"};
    struct bench_result r;
    struct error err;
    int fds[2];

    /* No engine would need longer for a disk that is not there, and none of them works. */
    new_data(30 * US);
    config.time_ns = 3600000000 * US;
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_lt(bench_runner_engine.run(&config, &group, &plan.variants[ADVISE_BLOCK], 0, -1,
                                             NULL, &r, &err),
                     0);
    ck_assert_int_eq(write(fds[1], "", 1), 1);
    disk.engine = &engine_null;
    ck_assert_int_eq(bench_runner_engine.run(&config, &group, &plan.variants[ADVISE_COST], 0,
                                             fds[0], NULL, &r, &err),
                     -EINTR);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_wake_up_is_measured)
{
    struct error err;
    double ns = 0;

    ck_assert_msg(advise_wake(&ns, &err) == 0, "%s", err.msg);
    ck_assert(ns != 0);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
    Suite *s = suite_create("advise");
    TCase *rule = tcase_create("rule"), *measure = tcase_create("measure");

    tcase_add_loop_test(rule, policy_and_cap_follow_from_the_reads_and_the_wake_up, 0,
                        COUNT(disks));
    tcase_add_test(rule, where_only_some_reads_are_quick_it_says_how_many);
    tcase_add_loop_test(rule, the_usual_engine_stays_unless_another_is_faster, 0, COUNT(races));
    tcase_add_test(rule, an_engine_that_is_faster_only_at_times_is_not_chosen);
    tcase_add_test(rule, one_turn_says_nothing_about_which_engine_is_faster);
    tcase_add_test(rule, where_polling_made_reads_slower_it_is_not_recommended);
    tcase_add_loop_test(rule, pollux_run_takes_what_is_recommended, 0, COUNT(names));
    tcase_add_test(rule, json_names_a_file_whatever_its_name_is);
    tcase_add_test(rule, why_the_page_cache_is_used_is_said_as_it_is);
    tcase_add_test(rule, a_full_disk_is_no_lack_of_memory);
    suite_add_tcase(s, rule);
    tcase_add_loop_test(measure, reads_by_every_engine_are_counted_and_change_nothing, 0, 4 * 2);
    tcase_add_test(measure, a_run_ends_when_it_is_stopped_or_when_a_read_fails);
    tcase_add_test(measure, a_wake_up_is_measured);
    suite_add_tcase(s, measure);

    return suite_run(s);
}
