// SPDX-License-Identifier: MIT
/* What `pollux advise` makes of figures, and that its reads count and write nothing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/advise/advise.h"
#include "cli/choices.h"
#include "cli/run-options.h"

#define US 1000ull

/* --- the rule --- */

static struct advise_data data;

/* As if @turns turns had found @iops at depth 1 and 32, and reads of @read_ns. */
static struct advise_engine *add_engine(const struct engine_ops *ops, double iops, double read_ns)
{
    struct advise_engine *e = &data.engines[data.nr_engines++];

    e->ops = ops;
    e->reads[hist_bucket((uint64_t)read_ns)] = 1000000;
    for (unsigned w = 0; w < ADVISE_WAITS; w++) {
        for (unsigned load = 0; load < ADVISE_LOADS; load++) {
            for (unsigned i = 0; i < ADVISE_TURNS_MAX; i++) {
                e->turn[w][load][i] = (struct advise_figures){
                    .iops = iops, .mean_ns = read_ns, .p50_ns = read_ns, .p99_ns = read_ns};
            }
        }
    }
    return e;
}

static void new_data(double wake_ns)
{
    data = (struct advise_data){.file = "disk.img",
                                .direct = true,
                                .writable = true,
                                .written = 1,
                                .cpus = 2,
                                .nr_turns = 4};
    for (unsigned i = 0; i < data.nr_turns; i++) {
        data.wake_ns[i] = wake_ns;
    }
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
    {140, 30, 2, "cost", true, 163840, "takes in 99 %"},
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
    struct advise_engine *e;
    struct advice a;

    new_data(30 * US);
    e = add_engine(&engine_linux_aio, 1000, 2000 * US);
    e->reads[hist_bucket(3 * US)] = 1000000 / 4; /* a fifth */
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
    ck_assert_str_eq(a.engine->ops->name, races[_i].chosen);
    ck_assert_ptr_nonnull(strstr(reasons(&a), races[_i].chosen));
}
END_TEST

/* Twice as fast in half of the turns, and a little slower in the others: that is the host. */
START_TEST(an_engine_that_is_faster_only_at_times_is_not_chosen)
{
    struct advise_engine *e;
    struct advice a;

    new_data(30 * US);
    add_engine(&engine_linux_aio, 100, 50 * US);
    e = add_engine(&engine_io_uring, 200, 50 * US);
    for (unsigned w = 0; w < ADVISE_WAITS; w++) {
        for (unsigned load = 0; load < ADVISE_LOADS; load++) {
            e->turn[w][load][0].iops = e->turn[w][load][1].iops = 95;
        }
    }
    advise_decide(&data, &a);
    ck_assert_str_eq(a.engine->ops->name, "linux-aio");
}
END_TEST

START_TEST(one_turn_says_nothing_about_which_engine_is_faster)
{
    struct advice a;

    new_data(30 * US);
    data.nr_turns = 1;
    add_engine(&engine_linux_aio, 100, 50 * US);
    add_engine(&engine_io_uring, 200, 50 * US);
    advise_decide(&data, &a);
    ck_assert_str_eq(a.engine->ops->name, "linux-aio");
}
END_TEST

/* As on a host whose CPUs have other things to do. */
START_TEST(where_polling_made_reads_slower_it_is_not_recommended)
{
    struct advise_engine *e;
    struct advice a;

    new_data(30 * US);
    e = add_engine(&engine_linux_aio, 100, 50 * US);
    for (unsigned i = 0; i < data.nr_turns; i++) {
        e->turn[ADVISE_COST][ADVISE_RANDOM_1][i].iops = 80;
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
    struct run_config config;
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
    run_config_init(&config);
    ck_assert_msg(options_parse(run_options, &config, split(line, argv), argv, &storage, &err) == 0,
                  "%s", err.msg);
    ck_assert_uint_eq(config.iothreads.nr, 1);
    ck_assert_str_eq(poll_policy_at(config.iothreads.args[0].policy)->name, "cost");
    ck_assert_uint_eq(config.iothreads.args[0].io.poll.max_ns, a.max_ns);
    ck_assert_uint_eq(config.nr_disks, 1);
    ck_assert_str_eq(config.disks[0].disk.image.path, names[_i]);
    ck_assert_str_eq(engine_at(config.disks[0].engine)->name, "io_uring");
    ck_assert_uint_eq(config.disks[0].cache, DISK_CACHE_NONE);
    ck_assert_int_eq(config.disks[0].disk.image.readonly, !(_i % 2));
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
    const struct engine_ops *ops = all[_i / ADVISE_LOADS];
    struct image_config config = {.path = path, .readonly = true};
    enum advise_load load = _i % ADVISE_LOADS;
    struct stat before, after;
    struct image image;
    struct advise_reader *r;
    struct error err;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, FILE_BYTES), 0);
    ck_assert_int_eq(fchmod(fd, 0400), 0);
    ck_assert_int_eq(fstat(fd, &before), 0);
    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    r = advise_reader_new(&image);
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(advise_reader_probe(r, ops, &err) == 0, "%s", err.msg);
    for (unsigned wait = 0; wait < advise_waits(ops); wait++) {
        struct advise_figures f;
        uint64_t reads[HIST_BUCKETS] = {0}, sum = 0;

        ck_assert_msg(advise_read(r, ops, wait, load, 5000 * US, -1, &f, reads, &err) == 0, "%s",
                      err.msg);
        for (unsigned i = 0; i < HIST_BUCKETS; i++) {
            sum += reads[i];
        }
        ck_assert_uint_gt(sum, 0);
        ck_assert(f.iops > 0 && f.mean_ns > 0 && f.cpu_ns > 0);
        ck_assert(f.p50_ns > 0 && f.p50_ns <= f.p99_ns);
    }
    advise_reader_free(r);
    image_close(&image);
    ck_assert_int_eq(fstat(fd, &after), 0);
    ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    ck_assert_int_eq(before.st_blocks, after.st_blocks);
    unlink(path);
    close(fd);
}
END_TEST

START_TEST(a_slice_ends_when_it_is_told_to_or_when_a_read_fails)
{
    struct image_config config = {.readonly = true, .size = FILE_BYTES};
    const uint64_t hour = 3600000000 * US;
    struct advise_figures f;
    struct advise_reader *r;
    struct image image;
    struct error err;
    int fds[2];

    /* No engine would need longer for a disk that is not there, and none of them works. */
    ck_assert_int_eq(image_open(&image, &config, &err), 0);
    r = advise_reader_new(&image);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_lt(
        advise_read(r, &engine_threads, ADVISE_BLOCK, ADVISE_RANDOM_1, hour, -1, &f, NULL, &err),
        0);
    ck_assert_int_eq(write(fds[1], "", 1), 1);
    ck_assert_int_eq(
        advise_read(r, &engine_null, ADVISE_COST, ADVISE_RANDOM_32, hour, fds[0], &f, NULL, &err),
        -EINTR);
    advise_reader_free(r);
    image_close(&image);
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
    SRunner *runner;
    int failed;

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
    tcase_add_loop_test(measure, reads_by_every_engine_are_counted_and_change_nothing, 0,
                        4 * ADVISE_LOADS);
    tcase_add_test(measure, a_slice_ends_when_it_is_told_to_or_when_a_read_fails);
    tcase_add_test(measure, a_wake_up_is_measured);
    suite_add_tcase(s, measure);

    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
