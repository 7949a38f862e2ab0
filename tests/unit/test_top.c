// SPDX-License-Identifier: MIT
/* pollux top: from answers of a control socket to rates, to text. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top-columns.h"
#include "cli/top-screen.h"
#include "tests/unit/suite.h"

static struct top_sample before, after;
static struct top_rows rows;

static void teardown(void)
{
    top_sample_free(&before);
    top_sample_free(&after);
    top_rows_free(&rows);
}

static json_t *load(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &why);

    ck_assert_msg(json != NULL, "%s: %s", text, why.text);
    return json;
}

static int parse(struct top_sample *s, const char *iothreads, const char *polling,
                 const char *blockstats)
{
    json_t *answers[] = {load(iothreads), load(polling), load(blockstats)};
    struct error err = {""};
    int ret = top_sample_parse(s, answers[0], answers[1], answers[2], &err);

    ck_assert_int_eq(ret < 0, *err.msg != '\0');
    for (unsigned i = 0; i < 3; i++) {
        json_decref(answers[i]);
    }
    return ret;
}

static void compare(void)
{
    ck_assert_int_eq(top_rates(&before, &after, &rows), 0);
}

static void assert_figure(unsigned row, enum top_figure figure, double want)
{
    double got = rows.row[row].figure[figure];

    if (isnan(want)) {
        ck_assert_msg(isnan(got), "row %u, figure %u is %g", row, figure, got);
    } else {
        ck_assert_msg(fabs(got - want) <= fabs(want) * 1e-9, "row %u, figure %u is %g, not %g", row,
                      figure, got, want);
    }
}

#define IO0_PARAMETERS "[{\"id\":\"io0\",\"poll-policy\":\"cost\",\"poll-max-ns\":200000}]"

/* A thread with 2 s of the clock for each 1 of @n, and a quarter of that of CPU time. */
static const char *thread_at(unsigned n)
{
    static char text[2][600];
    char *out = text[n % 2];

    snprintf(out, sizeof(text[0]),
             "[{\"id\":\"io0\",\"time-ns\":%u000000000,\"cpu-ns\":%u00000000,\"missed-ns\":"
             "%u00000000,\"run-delay-ns\":%u0000000,\"window-ns\":32000,\"wake-ns\":5000,\"hits\":"
             "%u,\"misses\":%u,\"blocks\":%u,\"system-calls\":%u,\"polled-ns\":1}]",
             7 + 2 * n, 1 + 5 * n, 1 + n, 3 + 20 * n, 100 * n, 10 * n, 20 * n, 1000 * n);
    return out;
}

#define DISK_FORMAT                                                                                \
    "{\"device\":\"disk0\",\"stats\":{\"x-pollux-time-ns\":%u000000000,\"rd_operations\":%u,"      \
    "\"wr_operations\":%u,\"flush_operations\":%u,\"rd_bytes\":%u,\"wr_bytes\":%u,"                \
    "\"x-pollux-kicks\":%u,\"x-pollux-interrupts\":%u,\"x-pollux-errors\":0,"                      \
    "\"x-pollux-in-flight\":3,\"x-pollux-iothreads\":[{\"id\":\"io0\",\"operations\":%u,"          \
    "\"bytes\":%u,\"kicks\":%u,\"interrupts\":%u}]}}"

static const char *disk_at(unsigned n)
{
    static char text[2][700];
    char *out = text[n % 2];

    snprintf(out, sizeof(text[0]), "[" DISK_FORMAT "]", 7 + 2 * n, 4000 * n, 2000 * n, 20 * n,
             16384000 * n, 8192000 * n, 600 * n, 400 * n, 6020 * n, 24576000 * n, 600 * n, 400 * n);
    return out;
}

/* --- rates --- */

START_TEST(rates_are_per_second_of_the_servers_clock)
{
    ck_assert_int_eq(parse(&before, IO0_PARAMETERS, thread_at(0), disk_at(0)), 0);
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(1), disk_at(1)), 0);
    compare();
    ck_assert_uint_eq(rows.nr_threads, 1);
    ck_assert_uint_eq(rows.nr_disks, 1);
    ck_assert_str_eq(rows.row[0].name, "io0");
    ck_assert_str_eq(rows.row[0].policy, "cost");
    ck_assert_str_eq(rows.row[1].name, "disk0");
    for (unsigned row = 0; row < 2; row++) {
        assert_figure(row, TOP_IOPS, 3010);
        assert_figure(row, TOP_MB, 12.288);
        assert_figure(row, TOP_KICKS, 300);
        assert_figure(row, TOP_INTERRUPTS, 200);
    }
    assert_figure(0, TOP_CPU, 25);
    assert_figure(0, TOP_MISSED, 20);
    assert_figure(0, TOP_RUN_DELAY, 10);
    assert_figure(0, TOP_WINDOW, 32000);
    assert_figure(0, TOP_WAKE, 5000);
    assert_figure(0, TOP_POLL_MAX, 200000);
    assert_figure(0, TOP_HITS, 50);
    assert_figure(0, TOP_MISSES, 5);
    assert_figure(0, TOP_BLOCKS, 10);
    assert_figure(0, TOP_SYSCALLS, 500);
    assert_figure(0, TOP_IN_FLIGHT, NAN);
    assert_figure(1, TOP_READS, 2000);
    assert_figure(1, TOP_WRITES, 1000);
    assert_figure(1, TOP_READ_MB, 8.192);
    assert_figure(1, TOP_WRITE_MB, 4.096);
    assert_figure(1, TOP_IN_FLIGHT, 3);
    assert_figure(1, TOP_ERRORS, 0);
    assert_figure(1, TOP_CPU, NAN);
    assert_figure(1, TOP_P50, NAN);
}
END_TEST

START_TEST(without_an_earlier_sample_there_are_no_rates)
{
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(1), disk_at(1)), 0);
    compare();
    assert_figure(0, TOP_CPU, NAN);
    assert_figure(0, TOP_IOPS, NAN);
    assert_figure(0, TOP_WINDOW, 32000);
    assert_figure(1, TOP_IOPS, NAN);
    assert_figure(1, TOP_IN_FLIGHT, 3);
}
END_TEST

START_TEST(counters_or_a_clock_that_went_back_give_no_rates)
{
    ck_assert_int_eq(parse(&before, IO0_PARAMETERS, thread_at(2), disk_at(2)), 0);
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(1), disk_at(1)), 0);
    compare();
    assert_figure(0, TOP_CPU, NAN);
    assert_figure(0, TOP_MISSED, NAN);
    assert_figure(0, TOP_IOPS, NAN);
    assert_figure(1, TOP_IOPS, NAN);
    assert_figure(1, TOP_MB, NAN);
    top_rows_free(&rows);
    before.disk[0].time_ns = 1; /* only the counters went back */
    before.disk[0].kicks = 0;
    compare();
    assert_figure(1, TOP_IOPS, NAN);
    ck_assert(rows.row[1].figure[TOP_KICKS] > 0);
}
END_TEST

START_TEST(the_same_time_twice_gives_no_rates)
{
    ck_assert_int_eq(parse(&before, IO0_PARAMETERS, thread_at(1), disk_at(1)), 0);
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(1), disk_at(1)), 0);
    compare();
    assert_figure(0, TOP_CPU, NAN);
    assert_figure(1, TOP_IOPS, NAN);
}
END_TEST

START_TEST(polls_that_waited_for_a_cpu_are_at_most_all_cpu_time)
{
    ck_assert_int_eq(parse(&before, IO0_PARAMETERS, thread_at(0), "[]"), 0);
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(1), "[]"), 0);
    after.thread[0].missed_ns = 1900000000;
    compare();
    assert_figure(0, TOP_MISSED, 100);
    top_rows_free(&rows);
    after.thread[0].missed_ns = before.thread[0].missed_ns;
    after.thread[0].cpu_ns = before.thread[0].cpu_ns;
    compare();
    assert_figure(0, TOP_MISSED, 0);
}
END_TEST

START_TEST(a_thread_that_does_not_answer_has_no_figures)
{
    const char *silent = "[{\"id\":\"io0\",\"error\":\"io0 does not answer\"}]";

    ck_assert_int_eq(parse(&before, IO0_PARAMETERS, thread_at(0), disk_at(0)), 0);
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, silent, disk_at(1)), 0);
    compare();
    ck_assert(!rows.row[0].answers);
    assert_figure(0, TOP_CPU, NAN);
    assert_figure(0, TOP_WINDOW, NAN);
    assert_figure(0, TOP_IOPS, 3010); /* counted by the disk */
    top_rows_free(&rows);
    top_sample_free(&before);
    before = after; /* the first answer after the silence has no rates either */
    ck_assert_int_eq(parse(&after, IO0_PARAMETERS, thread_at(2), disk_at(2)), 0);
    compare();
    ck_assert(rows.row[0].answers);
    assert_figure(0, TOP_CPU, NAN);
    assert_figure(0, TOP_WINDOW, 32000);
}
END_TEST

/* --- latency --- */

/* Reads in @histogram, served by the threads @ids. */
static void parse_disks(struct top_sample *s, unsigned n, const char *ids, const char *histograms)
{
    char text[1500];

    snprintf(text, sizeof(text),
             "[{\"device\":\"disk0\",\"stats\":{\"x-pollux-time-ns\":%u000000000,"
             "\"x-pollux-iothreads\":[%s]%s%s}}]",
             1 + n, ids, *histograms ? "," : "", histograms);
    ck_assert_int_eq(parse(s, IO0_PARAMETERS, "[{\"id\":\"io0\"},{\"id\":\"io1\"}]", text), 0);
}

#define IO0 "{\"id\":\"io0\",\"operations\":0}"

START_TEST(percentiles_are_those_of_the_interval)
{
    /* 1000 slow reads are old. New are 98 of 100 to 110 ns, one of 200 to 210, one of 5000 to 5100. */
    parse_disks(&before, 0, IO0,
                "\"rd_latency_histogram\":{\"boundaries\":[5000,5100],\"bins\":[0,1000,0]}");
    parse_disks(&after, 1, IO0,
                "\"rd_latency_histogram\":{\"boundaries\":[100,110,5000,5100],"
                "\"bins\":[0,98,0,1001,0]},"
                "\"wr_latency_histogram\":{\"boundaries\":[200,210],\"bins\":[0,1,0]}");
    compare();
    for (unsigned row = 0; row < 3; row += 2) { /* io0 and disk0 */
        assert_figure(row, TOP_P50, 100 + 10 * 50 / 98.0);
        assert_figure(row, TOP_P99, 210);
        assert_figure(row, TOP_P999, 5000 + 100 * 0.9);
    }
    assert_figure(1, TOP_P50, NAN);
}
END_TEST

START_TEST(a_histogram_that_went_back_has_no_percentiles)
{
    static const char *const now[] = {
        "",
        "\"rd_latency_histogram\":{\"boundaries\":[100,110],\"bins\":[0,4,0]}",
        "\"rd_latency_histogram\":{\"boundaries\":[100,120],\"bins\":[0,9,0]}",
    };

    parse_disks(&before, 0, IO0,
                "\"rd_latency_histogram\":{\"boundaries\":[100,110],\"bins\":[0,5,0]}");
    parse_disks(&after, 1, IO0, now[_i]);
    compare();
    assert_figure(2, TOP_P50, NAN);
    assert_figure(0, TOP_P50, NAN);
}
END_TEST

START_TEST(a_disk_of_two_threads_has_the_latency_of_neither)
{
    parse_disks(&before, 0, "{\"id\":\"io0\",\"operations\":10},{\"id\":\"io1\",\"operations\":20}",
                "");
    parse_disks(&after, 1, "{\"id\":\"io0\",\"operations\":15},{\"id\":\"io1\",\"operations\":27}",
                "\"rd_latency_histogram\":{\"boundaries\":[100,110],\"bins\":[0,12,0]}");
    compare();
    assert_figure(0, TOP_IOPS, 5);
    assert_figure(1, TOP_IOPS, 7);
    assert_figure(0, TOP_P50, NAN);
    assert_figure(1, TOP_P50, NAN);
    assert_figure(2, TOP_P50, 105);
}
END_TEST

START_TEST(a_thread_that_alone_has_served_a_disk_has_its_latency)
{
    parse_disks(&before, 0, "{\"id\":\"io0\",\"operations\":10},{\"id\":\"io1\",\"operations\":20}",
                "");
    parse_disks(&after, 1, "{\"id\":\"io0\",\"operations\":22},{\"id\":\"io1\",\"operations\":20}",
                "\"rd_latency_histogram\":{\"boundaries\":[100,110],\"bins\":[0,12,0]}");
    compare();
    assert_figure(0, TOP_P50, 105);
    assert_figure(1, TOP_P50, NAN);
}
END_TEST

/* --- answers that are wrong --- */

START_TEST(a_wrong_answer_is_refused_or_counts_as_0)
{
    static const struct {
        const char *iothreads, *polling, *blockstats;
        bool refused;
    } answers[] = {
        {"{}", "[]", "[]", true},
        {"[]", "7", "[]", true},
        {"[]", "[]", "\"x\"", true},
        {"[]", "[]", "[]", false},
        {"[1]", "[null]", "[[]]", false},
        {"[{\"id\":5}]", "[{\"id\":[],\"cpu-ns\":\"x\"}]", "[{\"device\":{},\"stats\":3}]", false},
        {"[]", "[]", "[{\"stats\":{\"rd_latency_histogram\":3}}]", true},
        {"[]", "[]", "[{\"stats\":{\"rd_latency_histogram\":{\"boundaries\":[1],\"bins\":[1]}}}]",
         true},
        {"[]", "[]",
         "[{\"stats\":{\"rd_latency_histogram\":{\"boundaries\":[2,1],\"bins\":[1,1,1]}}}]", true},
        {"[]", "[]",
         "[{\"stats\":{\"rd_latency_histogram\":{\"boundaries\":[-1,-5],\"bins\":[1,1,1]}}}]",
         true},
        {"[]", "[]", "[{\"stats\":{\"x-pollux-iothreads\":{\"id\":1}}}]", false},
        {"[]", "[]", "[{\"stats\":{\"x-pollux-iothreads\":[1,[]]}}]", false},
    };

    ck_assert_int_eq(parse(&before, answers[_i].iothreads, answers[_i].polling,
                           answers[_i].blockstats) == -EPROTO,
                     answers[_i].refused);
    if (!answers[_i].refused) {
        ck_assert_int_eq(
            parse(&after, answers[_i].iothreads, answers[_i].polling, answers[_i].blockstats), 0);
        compare();
    }
}
END_TEST

START_TEST(names_of_the_server_are_printable_and_short)
{
    char line[81];

    ck_assert_int_eq(parse(&after, "[]",
                           "[{\"id\":\"a\\u001b[31m\\u00e4=0123456789012345678901234567890\"}]",
                           "[]"),
                     0);
    ck_assert_str_eq(after.thread[0].id, "a?[31m?\?=0123456789012345678901");
    compare();
    top_table_line(&rows, 0, 80, line);
    ck_assert_msg(!strncmp(line, "a?[31m?\?=", 9), "%s", line);
}
END_TEST

/* --- columns --- */

START_TEST(every_number_fits_its_column)
{
    static const double values[] = {0,   0.04,      0.5,  9.996,  99.95, 999.96, 12345.6, 999999.5,
                                    1e7, 123456789, 1e12, 1.8e19, -5,    NAN,    INFINITY};

    for (unsigned c = 0; c < TOP_FIGURES; c++) {
        ck_assert_uint_lt(strlen(top_columns[c].title), top_columns[c].width);
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            char text[32];

            top_number(text, sizeof(text), &top_columns[c], values[i]);
            ck_assert_msg(strlen(text) < top_columns[c].width, "%s: %s", top_columns[c].title,
                          text);
        }
    }
}
END_TEST

START_TEST(numbers_keep_the_digits_that_fit)
{
    static const struct {
        enum top_figure figure;
        double value;
        const char *text;
    } numbers[] = {
        {TOP_IOPS, 0, "0"},
        {TOP_IOPS, 1234567, "1234567"},
        {TOP_IOPS, 23908000, "23908k"},
        {TOP_MB, 95535.25, "95535.2"},
        {TOP_P50, 240, "0.24"},
        {TOP_P50, 4089500, "4089.5"},
        {TOP_P99, 12345678900, "12346k"},
        {TOP_CPU, 99.96, "100.0"},
        {TOP_KICKS, 1234567, "1235k"},
        {TOP_KICKS, NAN, "-"},
    };
    char text[32];

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (unsigned c = 0; c < TOP_FIGURES; c++) {
            if (top_columns[c].figure == numbers[i].figure) {
                top_number(text, sizeof(text), &top_columns[c], numbers[i].value);
                ck_assert_str_eq(text, numbers[i].text);
            }
        }
    }
}
END_TEST

START_TEST(each_figure_has_one_column_and_one_key)
{
    for (unsigned f = 0; f < TOP_FIGURES; f++) {
        unsigned n = 0;

        for (unsigned c = 0; c < TOP_FIGURES; c++) {
            n += top_columns[c].figure == f;
            ck_assert(c == f || strcmp(top_columns[c].key, top_columns[f].key) != 0);
        }
        ck_assert_uint_eq(n, 1);
    }
    ck_assert_uint_eq(top_columns_in(80), 10);
    ck_assert_uint_eq(top_columns_in(79), 9);
    ck_assert_uint_eq(top_columns_in(3), 0);
    ck_assert(top_policy_in(200));
    ck_assert(!top_policy_in(180));
}
END_TEST

/* --- the screen --- */

static char grid[TOP_WIDTH_MAX * TOP_HEIGHT_MAX + 1];
static struct top_view view;

/* One thread and one disk, and a thread that does not answer. */
static void fill_rows(void)
{
    const char *parameters = "[{\"id\":\"io0\",\"poll-policy\":\"cost\",\"poll-max-ns\":200000},"
                             "{\"id\":\"io1\",\"poll-policy\":\"block\"}]";
    char threads[2][700];

    for (unsigned n = 0; n < 2; n++) {
        snprintf(threads[n], sizeof(threads[n]), "[%.*s,{\"id\":\"io1\",\"error\":\"silent\"}]",
                 (int)strlen(thread_at(n)) - 2, thread_at(n) + 1);
    }
    ck_assert_int_eq(parse(&before, parameters, threads[0], disk_at(0)), 0);
    ck_assert_int_eq(parse(&after, parameters, threads[1], disk_at(1)), 0);
    compare();
    view =
        (struct top_view){.title = "/run/vm.qmp", .interval_ns = 1000000000, .sort = TOP_FIGURES};
}

/* A thread and @nr disks without rates. */
static void fill_disks(unsigned nr)
{
    json_t *list = json_array(), *none = json_array(), *thread = load("[{\"id\":\"io0\"}]");
    struct error err = {""};

    for (unsigned i = 0; i < nr; i++) {
        char name[16];

        snprintf(name, sizeof(name), "disk%u", i);
        json_array_append_new(list, json_pack("{s:s}", "device", name));
    }
    ck_assert_int_eq(top_sample_parse(&after, none, thread, list, &err), 0);
    json_decref(list);
    json_decref(none);
    json_decref(thread);
    compare();
    view = (struct top_view){.title = "x", .interval_ns = 1000000000, .sort = TOP_FIGURES};
}

static void draw(unsigned width, unsigned height)
{
    memset(grid, '#', sizeof(grid));
    top_draw(&view, &rows, width, height, grid);
    ck_assert_int_eq(grid[width * height], '#');
    ck_assert_ptr_null(memchr(grid, '#', width * height));
    ck_assert_ptr_null(memchr(grid, '\0', width * height));
}

/* Line @y without spaces at its end. */
static const char *line_at(unsigned width, unsigned y)
{
    static char line[TOP_WIDTH_MAX + 1];
    unsigned len = width;

    while (len && grid[width * y + len - 1] == ' ') {
        len--;
    }
    memcpy(line, &grid[width * y], len);
    line[len] = '\0';
    return line;
}

START_TEST(the_screen_at_80x24)
{
    static const char *const lines[24] = {
        "pollux top  /run/vm.qmp                                                every 1 s",
        "2 I/O threads, 1 disk: 3010 IOPS, 12.3 MB/s",
        "NAME          IOPS    MB/s  p50us  p99us  CPU% MISS% DELAY% WIN-us KICK/s INTR/s",
        "io0           3010    12.3      -      -  25.0  20.0   10.0   32.0    300    200",
        "io1       does not answer",
        "",
        "disk0         3010    12.3      -      -     -     -      -      -    300    200",
        [23] = "q quit  p pause  s S order  r reverse  h help",
    };

    fill_rows();
    draw(80, 24);
    for (unsigned y = 0; y < 24; y++) {
        ck_assert_str_eq(line_at(80, y), lines[y] ? lines[y] : "");
    }
}
END_TEST

START_TEST(the_screen_at_200x50)
{
    fill_rows();
    draw(200, 50);
    ck_assert_str_eq(
        line_at(200, 2),
        "NAME                IOPS    MB/s  p50us  p99us  CPU% MISS% DELAY% WIN-us KICK/s INTR/s "
        "p99.9us  READ/s WRITE/s  RDMB/s  WRMB/s  INFL   HIT/s  MISS/s BLOCK/s  SYSC/s   W-us "
        "MAX-us ERR/s  POLICY");
    ck_assert_str_eq(
        line_at(200, 3),
        "io0                 3010    12.3      -      -  25.0  20.0   10.0   32.0    300    200 "
        "      -       -       -       -       -     -      50       5      10     500    5.0 "
        " 200.0     -  cost");
    ck_assert_str_eq(
        line_at(200, 6),
        "disk0               3010    12.3      -      -     -     -      -      -    300    200 "
        "      -    2000    1000     8.2     4.1     3       -       -       -       -      - "
        "     -     0");
    ck_assert_str_eq(line_at(200, 49), "q quit  p pause  s S order  r reverse  h help");
}
END_TEST

START_TEST(no_size_of_the_terminal_is_exceeded)
{
    char title[2 * TOP_WIDTH_MAX] = "";

    fill_rows();
    for (unsigned help = 0; help < 2; help++) {
        view.help = help;
        for (unsigned width = 1; width <= 210; width++) {
            for (unsigned height = 1; height <= 12; height++) {
                draw(width, height);
            }
        }
    }
    memset(title, 'x', sizeof(title) - 1);
    view.title = title;
    draw(TOP_WIDTH_MAX, TOP_HEIGHT_MAX);
}
END_TEST

START_TEST(help_has_all_keys_and_columns_at_80x24)
{
    fill_rows();
    top_press(&view, '?', 80, 24);
    draw(80, 24);
    ck_assert_str_eq(line_at(80, 3), "  q            quit");
    for (unsigned c = 0; c < top_columns_in(80); c++) {
        const char *line = line_at(80, 11 + c);

        ck_assert_msg(strstr(line, top_columns[c].title) && strstr(line, top_columns[c].about),
                      "%s", line);
    }
    ck_assert(strstr(line_at(80, 23), "lines") == NULL); /* nothing is left to scroll to */
    for (unsigned c = 0; c < TOP_FIGURES; c++) {
        ck_assert_uint_le(strlen(top_columns[c].about), 80 - 15);
    }
    top_press(&view, 'x', 80, 24);
    ck_assert(!view.help);
}
END_TEST

START_TEST(keys_change_the_view)
{
    fill_rows();
    top_press(&view, 'p', 80, 24);
    ck_assert(view.paused);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 0), "PAUSED  every 1 s"));
    top_press(&view, ' ', 80, 24);
    ck_assert(!view.paused);

    top_press(&view, 's', 80, 24);
    ck_assert_int_eq(view.sort, TOP_IOPS);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 2), "*IOPS "));
    top_press(&view, 'S', 80, 24);
    ck_assert_int_eq(view.sort, TOP_FIGURES);
    top_press(&view, 'S', 80, 24); /* the last column that 80 characters show */
    ck_assert_int_eq(view.sort, TOP_INTERRUPTS);
    top_press(&view, 's', 200, 50); /* more columns are shown now */
    ck_assert_int_eq(view.sort, TOP_P999);
    top_press(&view, 's', 80, 24); /* not shown any more */
    ck_assert_int_eq(view.sort, TOP_IOPS);
    top_press(&view, 'n', 80, 24);
    ck_assert_int_eq(view.sort, TOP_FIGURES);
    top_press(&view, 'r', 80, 24);
    ck_assert(view.reverse);
    top_press(&view, 'z', 80, 24);
    top_press(&view, 0, 80, 24);
    ck_assert(!view.quit);
    top_press(&view, 'q', 80, 24);
    ck_assert(view.quit);
}
END_TEST

START_TEST(a_long_list_scrolls)
{
    fill_disks(100); /* 102 lines with the thread and the empty line; 20 have room */
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 23), "lines 1 to 20 of 102"));
    top_press(&view, TOP_KEY_UP, 80, 24);
    top_press(&view, TOP_KEY_DOWN, 80, 24);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 23), "lines 2 to 21 of 102"));
    top_press(&view, TOP_KEY_PAGE_DOWN, 80, 24);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 23), "lines 22 to 41 of 102"));
    top_press(&view, TOP_KEY_END, 80, 24);
    top_press(&view, TOP_KEY_DOWN, 80, 24);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 23), "lines 83 to 102 of 102"));
    ck_assert(!strncmp(line_at(80, 22), "disk99 ", 7));
    top_press(&view, TOP_KEY_PAGE_UP, 80, 24);
    draw(80, 24);
    ck_assert_ptr_nonnull(strstr(line_at(80, 23), "lines 63 to 82 of 102"));
    top_press(&view, TOP_KEY_HOME, 80, 24);
    draw(80, 24);
    ck_assert(!strncmp(line_at(80, 3), "io0 ", 4));
    draw(80, 200); /* a larger terminal shows all */
    ck_assert_ptr_null(strstr(line_at(80, 199), "lines"));
}
END_TEST

static void assert_order(const char *names)
{
    char got[64] = "";

    for (unsigned i = 0; i < rows.nr_threads + rows.nr_disks; i++) {
        strcat(got, rows.row[i].name);
        strcat(got, " ");
    }
    ck_assert_str_eq(got, names);
}

START_TEST(rows_are_ordered_by_a_figure)
{
    static const double iops[] = {5, NAN, 7, 7};

    fill_disks(4);
    for (unsigned i = 0; i < 4; i++) {
        rows.row[1 + i].figure[TOP_IOPS] = iops[i];
    }
    top_rows_sort(&rows, TOP_IOPS, false);
    assert_order("io0 disk2 disk3 disk0 disk1 ");
    top_rows_sort(&rows, TOP_IOPS, true);
    assert_order("io0 disk0 disk2 disk3 disk1 ");
    top_rows_sort(&rows, TOP_FIGURES, false);
    assert_order("io0 disk0 disk1 disk2 disk3 ");
    top_rows_sort(&rows, TOP_FIGURES, true);
    assert_order("io0 disk3 disk2 disk1 disk0 ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("top");
    TCase *rates = tcase_create("rates"), *screen = tcase_create("screen");

    tcase_add_checked_fixture(rates, NULL, teardown);
    tcase_add_test(rates, rates_are_per_second_of_the_servers_clock);
    tcase_add_test(rates, without_an_earlier_sample_there_are_no_rates);
    tcase_add_test(rates, counters_or_a_clock_that_went_back_give_no_rates);
    tcase_add_test(rates, the_same_time_twice_gives_no_rates);
    tcase_add_test(rates, polls_that_waited_for_a_cpu_are_at_most_all_cpu_time);
    tcase_add_test(rates, a_thread_that_does_not_answer_has_no_figures);
    tcase_add_test(rates, percentiles_are_those_of_the_interval);
    tcase_add_loop_test(rates, a_histogram_that_went_back_has_no_percentiles, 0, 3);
    tcase_add_test(rates, a_disk_of_two_threads_has_the_latency_of_neither);
    tcase_add_test(rates, a_thread_that_alone_has_served_a_disk_has_its_latency);
    tcase_add_loop_test(rates, a_wrong_answer_is_refused_or_counts_as_0, 0, 12);
    tcase_add_test(rates, names_of_the_server_are_printable_and_short);
    suite_add_tcase(s, rates);

    tcase_add_checked_fixture(screen, NULL, teardown);
    tcase_add_test(screen, every_number_fits_its_column);
    tcase_add_test(screen, numbers_keep_the_digits_that_fit);
    tcase_add_test(screen, each_figure_has_one_column_and_one_key);
    tcase_add_test(screen, the_screen_at_80x24);
    tcase_add_test(screen, the_screen_at_200x50);
    tcase_add_test(screen, no_size_of_the_terminal_is_exceeded);
    tcase_add_test(screen, help_has_all_keys_and_columns_at_80x24);
    tcase_add_test(screen, keys_change_the_view);
    tcase_add_test(screen, a_long_list_scrolls);
    tcase_add_test(screen, rows_are_ordered_by_a_figure);
    suite_add_tcase(s, screen);
    return suite_run(s);
}
