// SPDX-License-Identifier: MIT
/* The option parser, and the plan that `pollux run` makes from options. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/man-page.h"
#include "cli/run-options.h"
#include "cli/suggest.h"
#include "engine/engine.h"
#include "tests/unit/suite.h"

/* --- the parser, on a table of its own --- */

struct sample {
    const char *text;
    uint64_t number, size, time;
    bool on, flag;
    unsigned color;
    struct option_list list;
};

static const char *color(unsigned i)
{
    static const char *const names[] = {"red", "green", NULL};

    return names[i];
}

static const struct option_key all_keys[] = {
    {.name = "text",
     .metavar = "TEXT",
     .min = 1,
     .max = 8,
     .offset = offsetof(struct sample, text)},
    {.name = "number",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .min = 2,
     .max = 64,
     .offset = offsetof(struct sample, number)},
    {.name = "size",
     .kind = OPTION_SIZE,
     .metavar = "SIZE",
     .min = 512,
     .offset = offsetof(struct sample, size)},
    {.name = "time",
     .kind = OPTION_TIME,
     .metavar = "TIME",
     .offset = offsetof(struct sample, time)},
    {.name = "on",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .offset = offsetof(struct sample, on)},
    {.name = "color",
     .kind = OPTION_CHOICE,
     .metavar = "COLOR",
     .choice = color,
     .offset = offsetof(struct sample, color)},
    {.name = NULL},
};

static const struct option_key list_keys[] = {
    {.name = "wait",
     .kind = OPTION_TIME,
     .list = true,
     .unit = 1000000000,
     .metavar = "TIME",
     .offset = offsetof(struct sample, list)},
    {.name = NULL},
};

static const struct option_key plain_keys[] = {
    {.name = "plain", .metavar = "TEXT", .offset = offsetof(struct sample, text)},
    {.name = NULL},
};

static const struct option sample_options[] = {
    {.name = "all", .keys = all_keys},
    {.name = "wait", .keys = list_keys, .plain = true},
    {.name = "plain", .keys = plain_keys, .plain = true},
    {.name = "flag", .offset = offsetof(struct sample, flag)},
    {.name = NULL},
};

static struct sample sample;
static struct error err;
static char *storage;

static int parse(int argc, char **argv)
{
    memset(&sample, 0, sizeof(sample));
    free(storage);
    return options_parse(sample_options, &sample, argc, argv, &storage, &err);
}

static int parse_all(const char *text)
{
    return parse(2, (char *[]){(char *)"--all", (char *)text});
}

#define PARSE(...)                                                                                 \
    parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

START_TEST(every_kind_of_value_is_understood)
{
    ck_assert_int_eq(parse_all("text=ab,number=7,size=1.5M,time=50us,on=on,color=green"), 0);
    ck_assert_str_eq(sample.text, "ab");
    ck_assert_uint_eq(sample.number, 7);
    ck_assert_uint_eq(sample.size, 3 << 19);
    ck_assert_uint_eq(sample.time, 50000);
    ck_assert(sample.on);
    ck_assert_uint_eq(sample.color, 1);
}
END_TEST

START_TEST(options_take_their_value_in_either_way)
{
    ck_assert_int_eq(PARSE("--all=number=3", "-flag", "--plain", "a=b,,c"), 0);
    ck_assert_uint_eq(sample.number, 3);
    ck_assert(sample.flag);
    ck_assert_str_eq(sample.text, "a=b,,c");
}
END_TEST

START_TEST(first_value_needs_no_key_and_commas_are_doubled)
{
    ck_assert_int_eq(parse_all("a,,b,on=on"), 0);
    ck_assert_str_eq(sample.text, "a,b");
    ck_assert(sample.on);
}
END_TEST

START_TEST(lists_keep_their_order_and_use_their_unit)
{
    ck_assert_int_eq(PARSE("--wait", "2,0,50us"), 0);
    ck_assert_uint_eq(sample.list.n, 3);
    ck_assert_uint_eq(sample.list.v[0], 2000000000);
    ck_assert_uint_eq(sample.list.v[1], 0);
    ck_assert_uint_eq(sample.list.v[2], 50000);
}
END_TEST

START_TEST(lists_have_a_limit)
{
    ck_assert_int_eq(PARSE("--wait", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"), -EINVAL);
    ck_assert_str_eq(err.msg, "--wait: takes at most 16 values");
}
END_TEST

START_TEST(help_wins)
{
    ck_assert_int_eq(PARSE("--flag", "--help", "--nonsense"), 1);
    ck_assert_int_eq(PARSE("-h"), 1);
}
END_TEST

START_TEST(sizes_and_times_take_their_suffixes_only)
{
    static const struct {
        const char *text;
        uint64_t size, time;
    } good[] = {
        {"size=512", 512, 0},        {"size=1k", 1024, 0},        {"size=1KiB", 1024, 0},
        {"size=2G", 2ull << 30, 0},  {"size=1T", 1ull << 40, 0},  {"size=0.5K", 512, 0},
        {"time=32768", 0, 32768},    {"time=7ns", 0, 7},          {"time=1.5ms", 0, 1500000},
        {"time=3s", 0, 3000000000u}, {"time=0.000001s", 0, 1000},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(parse_all(good[i].text) == 0, "%s: %s", good[i].text, err.msg);
        ck_assert_uint_eq(sample.size, good[i].size);
        ck_assert_uint_eq(sample.time, good[i].time);
    }
}
END_TEST

static const struct {
    const char *text, *message;
} wrong_values[] = {
    {"nix=1", "--all: unknown key 'nix'; it takes text, number, size, time, on, color"},
    {"on=on,nix", "--all: unknown key 'nix'; it takes text, number, size, time, on, color"},
    {"on=on,", "--all: unknown key ''; it takes text, number, size, time, on, color"},
    {"number", "--all: number needs a value: number=N"},
    {"number=", "--all: number: needs a value"},
    {"", "--all: text: needs a value"},
    {"text=", "--all: text: needs a value"},
    {"text=123456789", "--all: text: '123456789' is too long; it takes at most 8 characters"},
    {"number=x", "--all: number: 'x' is no number"},
    {"number=3x", "--all: number: '3x' is no number"},
    {"number=-3", "--all: number: '-3' is no number"},
    {"number=2.5", "--all: number: '2.5' is no number"},
    {"number=99999999999999999999", "--all: number: '99999999999999999999' is no number"},
    {"number=1", "--all: number: 1 is out of range; it takes 2 to 64"},
    {"number=65", "--all: number: 65 is out of range; it takes 2 to 64"},
    {"size=1", "--all: size: 1 is too small; it takes 512 or more; did you mean 1M?"},
    {"size=1Q", "--all: size: '1Q' is no size; it takes a number with K, M, G or T"},
    {"size=99999999T", "--all: size: '99999999T' is no size; it takes a number with K, M, G or T"},
    {"size=1.", "--all: size: '1.' is no size; it takes a number with K, M, G or T"},
    {"time=1h", "--all: time: '1h' is no time; it takes a number with ns, us, ms or s"},
    {"time=1.5", "--all: time: '1.5' is no time; it takes a number with ns, us, ms or s"},
    {"on=yes", "--all: on: 'yes' is not known; it takes on or off"},
    {"color=blue", "--all: color: 'blue' is not known; it takes one of red, green"},
    {"on=on,on=off", "--all: on is given twice"},
};

START_TEST(wrong_value_is_named_with_what_is_allowed)
{
    ck_assert_int_eq(parse_all(wrong_values[_i].text), -EINVAL);
    ck_assert_str_eq(err.msg, wrong_values[_i].message);
}
END_TEST

START_TEST(wrong_option_is_named)
{
    ck_assert_int_eq(PARSE("--nix"), -EINVAL);
    ck_assert_str_eq(err.msg, "unknown option '--nix'");
    ck_assert_int_eq(PARSE("nix"), -EINVAL);
    ck_assert_str_eq(err.msg, "'nix' is not an option");
    ck_assert_int_eq(PARSE("--all"), -EINVAL);
    ck_assert_str_eq(err.msg, "--all needs a value: text=TEXT");
    ck_assert_int_eq(PARSE("--plain", "--flag"), -EINVAL);
    ck_assert_str_eq(err.msg, "--plain needs a value: TEXT");
    ck_assert_int_eq(PARSE("--flag=1"), -EINVAL);
    ck_assert_str_eq(err.msg, "--flag takes no value");
}
END_TEST

static const struct {
    const char *word, *meant; /* NULL: nothing */
} typos[] = {
    {"bnech", "bench"},
    {"rnu", "run"},
    {"doctr", "doctor"},
    {"Bench", "bench"},
    {"replayy", "replay"},
    {"do", "doctor"},
    {"b", NULL},
    {"", NULL},
    {"--kernel", NULL},
    {"rm", NULL},
    {"beach", "bench"},
    {"benchmarking", NULL},
    {"rennnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", NULL},
};

START_TEST(a_mistyped_word_is_compared_with_each_known_one)
{
    static const char *const known[] = {"run", "bench", "doctor", "replay"};
    struct suggestion s = suggest(typos[_i].word, strlen(typos[_i].word));

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        suggest_offer(&s, known[i]);
    }
    ck_assert_pstr_eq(s.best, typos[_i].meant);
}
END_TEST

START_TEST(mistyped_options_keys_and_choices_get_a_suggestion)
{
    ck_assert_int_eq(PARSE("--flga"), -EINVAL);
    ck_assert_str_eq(err.msg, "unknown option '--flga'; did you mean --flag?");
    ck_assert_int_eq(PARSE("---flag"), -EINVAL);
    ck_assert_str_eq(err.msg, "unknown option '---flag'; did you mean --flag?");
    ck_assert_int_eq(PARSE("plain=x"), -EINVAL);
    ck_assert_str_eq(err.msg, "'plain=x' is not an option; did you mean --plain?");
    ck_assert_int_eq(PARSE("--number=3"), -EINVAL);
    ck_assert_str_eq(err.msg, "unknown option '--number=3'; did you mean --all number=N?");
    ck_assert_int_eq(parse_all("numbr=3"), -EINVAL);
    ck_assert_str_eq(err.msg, "--all: unknown key 'numbr'; did you mean number?");
    ck_assert_int_eq(parse_all("color=grene"), -EINVAL);
    ck_assert_str_eq(err.msg, "--all: color: 'grene' is not known; did you mean green?");
}
END_TEST

/* --- pollux run --- */

static struct run_config config;
static struct run_plan plan;

static int run_parse(int argc, char **argv)
{
    int ret;

    free(storage);
    run_config_init(&config);
    ret = options_parse(run_options, &config, argc, argv, &storage, &err);
    return ret ? ret : run_plan_init(&plan, &config, &err);
}

#define RUN(...)                                                                                   \
    run_parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

START_TEST(a_kernel_and_a_disk_are_enough)
{
    ck_assert_int_eq(RUN("--kernel", "vmlinuz", "--disk", "file=a.img"), 0);
    ck_assert_str_eq(plan.machine.kernel, "vmlinuz");
    ck_assert_uint_eq(plan.machine.cpus, 1);
    ck_assert_uint_eq(plan.machine.memory, 512 << 20);
    ck_assert(!plan.machine.memory_shared);
    ck_assert_uint_eq(plan.machine.nr_iothreads, 1);
    ck_assert_str_eq(plan.iothreads[0].id, "io0");
    ck_assert_ptr_nonnull(plan.iothreads[0].poll.policy);
    ck_assert_uint_eq(plan.machine.nr_disks, 1);
    ck_assert_str_eq(plan.disks[0].name, "disk0");
    ck_assert_str_eq(plan.disks[0].image.path, "a.img");
    ck_assert_str_eq(plan.disks[0].iothreads[0], "io0");
    ck_assert_ptr_eq(plan.disks[0].engine, &engine_linux_aio);
    ck_assert(plan.disks[0].image.direct);
    ck_assert(!plan.disks[0].image.readonly);
    ck_assert_int_eq(plan.disks[0].transport, DISK_TRANSPORT_MMIO);
}
END_TEST

START_TEST(a_disk_has_the_transport_that_is_named)
{
    ck_assert_int_eq(RUN("--kernel", "k", "--disk", "file=a.img,transport=mmio", "--disk",
                         "file=b.img,transport=pci"),
                     0);
    ck_assert_int_eq(plan.disks[0].transport, DISK_TRANSPORT_MMIO);
    ck_assert_int_eq(plan.disks[1].transport, DISK_TRANSPORT_PCI);
}
END_TEST

START_TEST(faults_delay_and_the_loop_s_settings_reach_the_plan)
{
    const struct engine_faults *f;

    ck_assert_int_eq(
        RUN("--kernel", "k", "--iothread", "id=a,fdmon=epoll,aio-max-batch=7", "--disk",
            "file=a.img,fault-errors=1000,fault-errno=ENOSPC,fault-short=5,"
            "fault-delay=2ms,fault-file=/tmp/on",
            "--disk", "engine=null,size=1M,delay=50us", "--disk", "file=b.img,fault-errno=EAGAIN"),
        0);
    ck_assert_str_eq(plan.iothreads[0].fdmon, "epoll");
    ck_assert_uint_eq(plan.iothreads[0].max_batch, 7);
    f = &plan.machine.disks[0].faults;
    ck_assert_uint_eq(f->error_ppm, 1000);
    ck_assert_int_eq(f->error, ENOSPC);
    ck_assert_uint_eq(f->short_ppm, 5);
    ck_assert_uint_eq(f->delay_ns, 2000000);
    ck_assert_str_eq(f->trigger, "/tmp/on");
    ck_assert_uint_eq(plan.machine.disks[1].device.delay_ns, 50000);
    ck_assert_uint_eq(plan.machine.disks[1].faults.error_ppm, 0);
    ck_assert_uint_eq(plan.machine.disks[2].faults.error_ppm, 0); /* an error number alone */
    ck_assert_uint_eq(plan.machine.disks[2].faults.delay_ns, 0);
}
END_TEST

START_TEST(disks_may_come_before_their_threads)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "engine=null,size=1G,iothread=b,readonly=on",
                         "--disk", "file=x,cache=writeback", "--iothread",
                         "a,poll-policy=fixed,poll-max-ns=10us", "--iothread",
                         "id=b,poll-grow=3,poll-shrink=4", "--memory", "2G,shared=on"),
                     0);
    ck_assert_str_eq(plan.disks[0].iothreads[0], "b");
    ck_assert_ptr_eq(plan.disks[0].engine, &engine_null);
    ck_assert_uint_eq(plan.disks[0].image.size, 1 << 30);
    ck_assert_ptr_null(plan.disks[0].image.path);
    ck_assert(plan.disks[0].image.readonly);
    ck_assert_str_eq(plan.disks[1].iothreads[0], "a");
    ck_assert(!plan.disks[1].image.direct);
    ck_assert_ptr_eq(plan.iothreads[0].poll.policy, &poll_policy_fixed);
    ck_assert_uint_eq(plan.iothreads[0].poll.max_ns, 10000);
    ck_assert_uint_eq(plan.iothreads[1].poll.grow, 3);
    ck_assert_uint_eq(plan.iothreads[1].poll.shrink, 4);
    ck_assert_uint_eq(plan.machine.memory, 2ull << 30);
    ck_assert(plan.machine.memory_shared);
}
END_TEST

START_TEST(queues_are_dealt_over_the_threads_that_are_named)
{
    ck_assert_int_eq(RUN("--kernel=k", "--iothread", "a", "--iothread", "ab", "--disk",
                         "file=x,iothread=ab:a,queues=5", "--disk", "file=x,iothread=a:ab:a"),
                     0);
    ck_assert_uint_eq(plan.disks[0].device.nr_queues, 5);
    ck_assert_str_eq(plan.disks[0].iothreads[0], "ab");
    ck_assert_str_eq(plan.disks[0].iothreads[1], "a");
    ck_assert_ptr_null(plan.disks[0].iothreads[2]);
    ck_assert_uint_eq(plan.disks[1].device.nr_queues, 0);
    ck_assert_str_eq(plan.disks[1].iothreads[2], "a");
}
END_TEST

START_TEST(errors_of_a_disk_are_handled_as_qemu_does_unless_told_otherwise)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x", "--disk",
                         "file=x,rerror=stop,werror=ignore,merge=off"),
                     0);
    ck_assert_uint_eq(plan.disks[0].device.rerror, VIRTIO_BLK_REPORT);
    ck_assert_uint_eq(plan.disks[0].device.werror, VIRTIO_BLK_ENOSPC);
    ck_assert(plan.disks[0].device.merge);
    ck_assert_uint_eq(plan.disks[1].device.rerror, VIRTIO_BLK_STOP);
    ck_assert_uint_eq(plan.disks[1].device.werror, VIRTIO_BLK_IGNORE);
    ck_assert(!plan.disks[1].device.merge);
}
END_TEST

static const struct {
    char *mode;
    const struct engine_ops *engine; /* that is chosen if none is named */
    bool direct, writethrough;
} cache_modes[] = {
    {"none", &engine_linux_aio, true, false},
    {"writeback", &engine_threads, false, false},
    {"writethrough", &engine_threads, false, true},
    {"directsync", &engine_linux_aio, true, true},
};

START_TEST(a_cache_mode_says_how_to_open_and_when_writes_are_durable)
{
    char disk[64];

    snprintf(disk, sizeof(disk), "file=x,cache=%s", cache_modes[_i].mode);
    ck_assert_int_eq(RUN("--kernel=k", "--disk", disk), 0);
    ck_assert_int_eq(plan.disks[0].image.direct, cache_modes[_i].direct);
    ck_assert_int_eq(plan.disks[0].image.writethrough, cache_modes[_i].writethrough);
    ck_assert_ptr_eq(plan.disks[0].engine, cache_modes[_i].engine);
    strcat(disk, ",engine=io_uring");
    ck_assert_int_eq(RUN("--kernel=k", "--disk", disk), 0);
    ck_assert_ptr_eq(plan.disks[0].engine, &engine_io_uring);
    ck_assert_int_eq(plan.disks[0].image.direct, cache_modes[_i].direct);
}
END_TEST

START_TEST(the_guest_s_block_is_512_bytes_unless_named)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x,block-size=4K", "--disk", "file=y"), 0);
    ck_assert_uint_eq(plan.disks[0].image.block_size, 4096);
    ck_assert_uint_eq(plan.disks[1].image.block_size, 512);
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x,block-size=1536"), -EINVAL);
    ck_assert_msg(strstr(err.msg, "block-size must be 512, 1K, 2K or 4K"), "%s", err.msg);
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x,block-size=16K"), -EINVAL);
}
END_TEST

START_TEST(a_format_other_than_raw_has_a_helper)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x,format=raw", "--disk", "file=x", "--disk",
                         "file=x,format=qcow2,discard=unmap"),
                     0);
    ck_assert(plan.disks[0].image.raw && !plan.disks[0].image.format);
    ck_assert(!plan.disks[1].image.raw && !plan.disks[1].image.format);
    ck_assert_str_eq(plan.disks[2].image.format, "qcow2");
    ck_assert_ptr_eq(plan.disks[2].engine, &engine_nbd);
    ck_assert(plan.disks[2].image.discard && !plan.disks[2].image.raw);
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "file=x,format=ext4"), -EINVAL);
    ck_assert_msg(strstr(err.msg, "--disk: format: 'ext4' is not known; it takes one of raw"), "%s",
                  err.msg);
}
END_TEST

START_TEST(discard_zeroes_and_sharing_reach_the_plan)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk",
                         "file=x,discard=unmap,detect-zeroes=unmap,share-rw=on", "--disk",
                         "file=y,detect-zeroes=on", "--disk", "file=z"),
                     0);
    ck_assert(plan.disks[0].device.discard && plan.disks[0].image.share_rw);
    ck_assert_int_eq(plan.disks[0].device.detect_zeroes, VIRTIO_BLK_DETECT_UNMAP);
    ck_assert(!plan.disks[1].device.discard && !plan.disks[1].image.share_rw);
    ck_assert_int_eq(plan.disks[1].device.detect_zeroes, VIRTIO_BLK_DETECT_ON);
    ck_assert_int_eq(plan.disks[2].device.detect_zeroes, VIRTIO_BLK_DETECT_OFF);
}
END_TEST

START_TEST(limits_reach_the_plan_and_groups_share_theirs)
{
    const struct throttle_limits *l;

    ck_assert_int_eq(
        RUN("--kernel", "k", "--disk",
            "file=a,iops=1000,iops-max=5000,iops-max-length=10,bps-wr=50M,iops-size=4K", "--disk",
            "file=b,throttle-group=slow", "--disk", "file=c,throttle-group=slow,bps=1M", "--disk",
            "file=d,throttle-group=slow,bps=1M", "--disk", "file=e,throttle-group=x"),
        0);
    l = &plan.disks[0].device.limits;
    ck_assert_uint_eq(l->rate[THROTTLE_IOPS].avg, 1000);
    ck_assert_uint_eq(l->rate[THROTTLE_IOPS].max, 5000);
    ck_assert_uint_eq(l->rate[THROTTLE_IOPS].max_length, 10);
    ck_assert_uint_eq(l->rate[THROTTLE_BPS_WR].avg, 50 << 20);
    ck_assert_uint_eq(l->iops_size, 4096);
    ck_assert_ptr_null(plan.disks[0].device.group);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert_ptr_eq(plan.disks[i].device.group, &plan.throttle_groups[1]);
    }
    ck_assert_uint_eq(throttle_group_get(&plan.throttle_groups[1]).rate[THROTTLE_BPS].avg, 1 << 20);
    ck_assert_ptr_eq(plan.disks[4].device.group, &plan.throttle_groups[4]);
    ck_assert(!throttle_group_limited(&plan.throttle_groups[4]));
}
END_TEST

START_TEST(an_nbd_export_takes_the_place_of_a_file)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "nbd=nbd+unix:///a?socket=/b,cache=directsync",
                         "--disk", "reconnect-timeout=1500ms,nbd=nbd://h"),
                     0);
    ck_assert_str_eq(plan.disks[0].image.uri, "nbd+unix:///a?socket=/b");
    ck_assert_ptr_null(plan.disks[0].image.path);
    ck_assert_ptr_eq(plan.disks[0].engine, &engine_nbd);
    ck_assert_uint_eq(plan.disks[0].image.reconnect_ns, 30000000000);
    ck_assert(plan.disks[0].image.writethrough && !plan.disks[0].image.direct);
    ck_assert_uint_eq(plan.disks[1].image.reconnect_ns, 1500000000);
    ck_assert(!plan.disks[1].image.writethrough);
}
END_TEST

START_TEST(an_rbd_image_takes_the_place_of_a_file)
{
    ck_assert_int_eq(RUN("--kernel=k", "--disk", "rbd=p/i@s,conf=/c,id=bob,readonly=on", "--disk",
                         "rbd=p/i,cache=writethrough,share-rw=on"),
                     0);
    ck_assert_str_eq(plan.disks[0].image.rbd, "p/i@s");
    ck_assert_str_eq(plan.disks[0].image.rbd_conf, "/c");
    ck_assert_str_eq(plan.disks[0].image.rbd_id, "bob");
    ck_assert_ptr_eq(plan.disks[0].engine, &engine_rbd);
    ck_assert(plan.disks[0].image.direct && !plan.disks[0].image.writethrough);
    ck_assert_ptr_null(plan.disks[1].image.rbd_conf);
    ck_assert(!plan.disks[1].image.direct && plan.disks[1].image.writethrough);
}
END_TEST

static const struct {
    char *argv[6];
    const char *message;
} wrong_runs[] = {
    {{"--kernel", "k", "--disk", "rbd=p/i,file=x"}, "--disk: rbd and file exclude each other"},
    {{"--kernel", "k", "--disk", "rbd=p/i,nbd=nbd://h"}, "--disk: rbd and nbd exclude each other"},
    {{"--kernel", "k", "--disk", "rbd=p/i,engine=null"},
     "--disk: engine and format are for files, not rbd"},
    {{"--kernel", "k", "--disk", "file=x,conf=y"}, "--disk: conf needs rbd=POOL/IMAGE"},
    {{"--kernel", "k", "--disk", "file=x,id=y"}, "--disk: id needs rbd=POOL/IMAGE"},
    {{"--kernel", "k", "--vcpu-cpus", "0-"},
     "--vcpu-cpus: '0-' is no list of CPUs; it takes one like 0:2-5"},
    {{"--kernel", "k", "--iothread", "id=a,cpus=x"},
     "--iothread: cpus: 'x' is no list of CPUs; it takes one like 0:2-5"},
    {{"--kernel", "k", "--disk", "file=x,iops=1,iops-rd=1"},
     "--disk: iops and iops-rd exclude each other"},
    {{"--kernel", "k", "--disk", "file=x,bps-max=1M"},
     "--disk: bps-max needs bps, the rate outside of bursts"},
    {{"--kernel", "k", "--disk", "file=x,iops=1,throttle-group=g", "--disk",
      "file=y,iops=2,throttle-group=g"},
     "--disk: disk1 has other limits than a disk before it in throttle-group=g; give them with one "
     "disk of the group"},
    {{"--kernel", "k", "--disk", "file=x,engine=linux-aio,cache=writethrough"},
     "--disk: engine=linux-aio would block on cache=writethrough: use engine=threads or "
     "engine=io_uring, or cache=none or cache=directsync"},
    {{"--kernel", "k", "--disk", "file=x,detect-zeroes=unmap"},
     "--disk: detect-zeroes=unmap needs discard=unmap"},
    {{NULL}, "--kernel FILE is missing: what is to be booted?"},
    {{"--kernel", ""}, "--kernel: needs a value"},
    {{"--kernel", "k", "--cpus", "65"}, "--cpus: 65 is out of range; it takes 1 to 64"},
    {{"--kernel", "k", "--memory", "512"},
     "--memory: size: 512 is too small; it takes 16M or more; did you mean 512M?"},
    {{"--kernel", "k", "--memory", "size=2"},
     "--memory: size: 2 is too small; it takes 16M or more; did you mean 2G?"},
    {{"--kernel", "k", "--memory", "0"}, "--memory: size: 0 is too small; it takes 16M or more"},
    {{"--kernel", "k", "--memory", "2M"}, "--memory: size: 2M is too small; it takes 16M or more"},
    {{"--kernel", "k", "--disk", "engine=null,size=64"},
     "--disk: size: 64 is out of range; it takes 512 to 1048576T; did you mean 64M?"},
    {{"--kernel", "k", "--memory", "16777217"}, "--memory: size must be a multiple of 4K"},
    {{"--kernel", "k", "--iothread", "poll-max-ns=0"},
     "--iothread: id is missing: --iothread id=NAME"},
    {{"--kernel", "k", "--iothread", "id=a:b"},
     "--iothread: id 'a:b' has a ':', which separates the threads of a disk (--disk "
     "iothread=ID:ID)"},
    {{"--kernel", "k", "--iothread", "a", "--iothread", "a"}, "--iothread: id 'a' is given twice"},
    {{"--kernel", "k", "--disk", "file=x,iothread=io7"},
     "--disk: iothread: there is no 'io7'; there is io0 (add one with --iothread id=io7)"},
    {{"--kernel", "k", "--disk", "file=x,iothread=io0:io"},
     "--disk: iothread: there is no 'io'; there is io0 (add one with --iothread id=io)"},
    {{"--kernel", "k", "--disk", "file=x,iothread=io0:io0:io0,queues=2"},
     "--disk: iothread=io0:io0:io0 names more threads than the disk has queues, 2"},
    {{"--kernel", "k", "--disk", "file=x,rerror=enospc"},
     "--disk: rerror: 'enospc' is not known; it takes one of report, ignore, stop"},
    {{"--kernel", "k", "--disk", "file=x,transport=ccw"},
     "--disk: transport: 'ccw' is not known; it takes one of mmio, pci"},
    {{"--kernel", "k", "--disk", "file=x,queues=65"},
     "--disk: queues: 65 is out of range; it takes 1 to 64"},
    {{"--kernel", "k", "--disk", "size=1G"}, "--disk: engine linux-aio needs file=FILE"},
    {{"--kernel", "k", "--disk", "engine=null"}, "--disk: engine null needs size=SIZE"},
    {{"--kernel", "k", "--disk", "engine=null,size=513"},
     "--disk: size must be a multiple of 512 bytes"},
    {{"--kernel", "k", "--disk", "file=x,size=1G"},
     "--disk: size and file exclude each other; the size of 'x' is the disk's"},
    {{"--kernel", "k", "--disk", "nbd=nbd://h,file=x"}, "--disk: nbd and file exclude each other"},
    {{"--kernel", "k", "--disk", "format=qcow2"}, "--disk: format=qcow2 needs file=FILE"},
    {{"--kernel", "k", "--disk", "file=x,format=qcow2,engine=threads"},
     "--disk: engine and share-rw are for raw images, not format=qcow2"},
    {{"--kernel", "k", "--disk", "nbd=nbd://h,size=1G"}, "--disk: nbd and size exclude each other"},
    {{"--kernel", "k", "--disk", "nbd=nbd://h,engine=threads"},
     "--disk: engine, format and share-rw are for files, not nbd"},
    {{"--kernel", "k", "--disk", "nbd=nbd://h,share-rw=on"},
     "--disk: engine, format and share-rw are for files, not nbd"},
    {{"--kernel", "k", "--disk", "file=x,queue-size=100"},
     "--disk: queue-size must be a power of 2, unless packed=on"},
    {{"--kernel", "k", "--disk", "file=x,serial=123456789012345678901"},
     "--disk: serial: '123456789012345678901' is too long; it takes at most 20 characters"},
};

START_TEST(wrong_run_is_one_clear_line)
{
    int argc = 0;

    while (argc < 6 && wrong_runs[_i].argv[argc]) {
        argc++;
    }
    ck_assert_int_eq(run_parse(argc, (char **)wrong_runs[_i].argv), -EINVAL);
    ck_assert_str_eq(err.msg, wrong_runs[_i].message);
}
END_TEST

START_TEST(too_many_disks_are_refused)
{
    char *argv[2 + 2 * (MACHINE_DISKS_MAX + 1)] = {"--kernel", "k"};

    for (int i = 0; i <= MACHINE_DISKS_MAX; i++) {
        argv[2 + 2 * i] = "--disk";
        argv[3 + 2 * i] = "x";
    }
    ck_assert_int_eq(run_parse(2 + 2 * MACHINE_DISKS_MAX, argv), 0);
    ck_assert_int_eq(run_parse(2 + 2 * (MACHINE_DISKS_MAX + 1), argv), -EINVAL);
    ck_assert_str_eq(err.msg, "--disk: a machine has room for 31 disks at most");
}
END_TEST

START_TEST(an_output_that_is_a_file_of_the_machine_is_refused)
{
    char disk[] = "/tmp/pollux-options-XXXXXX", file[64], record[64];
    int fd = mkstemp(disk);

    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(file, sizeof(file), "file=%s", disk);
    snprintf(record, sizeof(record), "id=io0,record=%s", disk);
    ck_assert_int_eq(RUN("--kernel", "k", "--disk", file, "--trace", disk), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "--trace"));
    ck_assert_int_eq(RUN("--kernel", "k", "--disk", file, "--iothread", record), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "record"));
    ck_assert_int_eq(RUN("--kernel", disk, "--trace", disk), -EINVAL);
    ck_assert_int_eq(RUN("--kernel", "k", "--disk", file, "--trace", "/tmp"), 0);
    unlink(disk);
}
END_TEST

START_TEST(help_names_every_option_key_and_choice)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    options_help(run_options, out);
    fclose(out);
    for (const struct option *o = run_options; o->name; o++) {
        ck_assert_ptr_nonnull(strstr(text, o->name));
        for (const struct option_key *k = o->keys; k && k->name; k++) {
            ck_assert_ptr_nonnull(strstr(text, k->name));
            for (unsigned i = 0; k->choice && k->choice(i); i++) {
                ck_assert_ptr_nonnull(strstr(text, k->choice(i)));
            }
        }
    }
    free(text);
}
END_TEST

/* --- the manual page --- */

static const struct option documented_options[] = {
    {.name = "two-words",
     .help = "help of the option",
     .more = "More of it.",
     .keys = (const struct option_key[]){{.name = "color",
                                          .metavar = "COLOR",
                                          .kind = OPTION_CHOICE,
                                          .choice = color,
                                          .about = color,
                                          .help = "a=b: kept",
                                          .more = ".5 \\ x"},
                                         {.name = "on", .kind = OPTION_SWITCH, .help = "or not"},
                                         {.name = NULL}}},
    {.name = "flag", .help = "a line,\n    and one below"},
    {.name = NULL},
};

static const struct command documented = {.name = "paint", .options = documented_options};
static const struct command undocumented = {.name = "wait", .options = sample_options};

static int page_of(const char *text, const struct command *const *commands, char **page)
{
    char copy[128];
    size_t size;
    FILE *in, *out;
    int ret;

    snprintf(copy, sizeof(copy), "%s", text);
    in = fmemopen(copy, strlen(copy), "r");
    out = open_memstream(page, &size);
    ret = man_page(commands, in, out, &err);
    fclose(in);
    fclose(out);
    return ret;
}

START_TEST(the_manual_page_has_the_tables_in_their_places)
{
    static const struct command *const commands[] = {&documented, NULL};
    char *page;

    ck_assert_int_eq(page_of(".SH PAINT\n.\\\" options of paint\n.SH END\n", commands, &page), 0);
    ck_assert_str_eq(page, ".SH PAINT\n.\\\" options of paint\n"
                           ".TP\n\\fB\\-\\-two\\-words\\fR [\\fBcolor\\fR=]\\fICOLOR\\fR"
                           "[,\\fIkey\\fR=\\fIvalue\\fR...]\n"
                           "Help of the option.\nMore of it.\n"
                           ".RS\n"
                           ".TP\n\\fBcolor\\fR=\\fICOLOR\\fR\na=b: kept.\n\\&.5 \\e x\n"
                           ".br\n\\fBred\\fR: red\n.br\n\\fBgreen\\fR: green\n"
                           ".TP\n\\fBon\\fR=\\fBon|off\\fR\nOr not.\n"
                           ".RE\n"
                           ".TP\n\\fB\\-\\-flag\\fR\nA line,\n.br\nand one below.\n"
                           ".SH END\n");
    free(page);
}
END_TEST

START_TEST(a_manual_page_without_a_place_for_a_command_is_refused)
{
    static const struct command *const commands[] = {&documented, &undocumented, NULL};
    char *page;

    ck_assert_int_eq(page_of(".\\\" options of paint\n", commands, &page), -EINVAL);
    ck_assert_str_eq(err.msg, ".\\\" options of wait is missing");
    free(page);
    ck_assert_int_eq(page_of(".\\\" options of run\n", commands, &page), -EINVAL);
    ck_assert_str_eq(err.msg, ".\\\" options of run is not in its place");
    free(page);
    ck_assert_int_eq(page_of(".\\\" options of wait\n", commands, &page), -EINVAL);
    ck_assert_str_eq(err.msg, ".\\\" options of wait is not in its place");
    free(page);
}
END_TEST

/* Every option and key that --help knows has its text: a row without one would be an empty entry.
 */
START_TEST(every_option_and_key_of_run_has_a_text)
{
    for (const struct option *o = run_options; o->name; o++) {
        ck_assert_ptr_nonnull(o->help);
        for (const struct option_key *k = o->keys; !o->plain && k && k->name; k++) {
            ck_assert_msg(k->help && *k->help, "--%s %s", o->name, k->name);
        }
    }
}
END_TEST

static void release_storage(void)
{
    free(storage);
    storage = NULL;
}

int main(void)
{
    Suite *s = suite_create("options");
    TCase *parser = tcase_create("parser"), *run = tcase_create("run"),
          *page = tcase_create("manual page");

    tcase_add_checked_fixture(parser, NULL, release_storage);
    tcase_add_test(parser, every_kind_of_value_is_understood);
    tcase_add_test(parser, options_take_their_value_in_either_way);
    tcase_add_test(parser, first_value_needs_no_key_and_commas_are_doubled);
    tcase_add_test(parser, lists_keep_their_order_and_use_their_unit);
    tcase_add_test(parser, lists_have_a_limit);
    tcase_add_test(parser, help_wins);
    tcase_add_test(parser, sizes_and_times_take_their_suffixes_only);
    tcase_add_loop_test(parser, wrong_value_is_named_with_what_is_allowed, 0,
                        sizeof(wrong_values) / sizeof(wrong_values[0]));
    tcase_add_test(parser, wrong_option_is_named);
    tcase_add_loop_test(parser, a_mistyped_word_is_compared_with_each_known_one, 0,
                        sizeof(typos) / sizeof(typos[0]));
    tcase_add_test(parser, mistyped_options_keys_and_choices_get_a_suggestion);
    suite_add_tcase(s, parser);

    tcase_add_checked_fixture(run, NULL, release_storage);
    tcase_add_test(run, a_kernel_and_a_disk_are_enough);
    tcase_add_test(run, a_disk_has_the_transport_that_is_named);
    tcase_add_test(run, faults_delay_and_the_loop_s_settings_reach_the_plan);
    tcase_add_test(run, disks_may_come_before_their_threads);
    tcase_add_loop_test(run, a_cache_mode_says_how_to_open_and_when_writes_are_durable, 0,
                        sizeof(cache_modes) / sizeof(cache_modes[0]));
    tcase_add_test(run, the_guest_s_block_is_512_bytes_unless_named);
    tcase_add_test(run, a_format_other_than_raw_has_a_helper);
    tcase_add_test(run, discard_zeroes_and_sharing_reach_the_plan);
    tcase_add_test(run, limits_reach_the_plan_and_groups_share_theirs);
    tcase_add_test(run, an_nbd_export_takes_the_place_of_a_file);
    tcase_add_test(run, an_rbd_image_takes_the_place_of_a_file);
    tcase_add_test(run, queues_are_dealt_over_the_threads_that_are_named);
    tcase_add_test(run, errors_of_a_disk_are_handled_as_qemu_does_unless_told_otherwise);
    tcase_add_loop_test(run, wrong_run_is_one_clear_line, 0,
                        sizeof(wrong_runs) / sizeof(wrong_runs[0]));
    tcase_add_test(run, too_many_disks_are_refused);
    tcase_add_test(run, an_output_that_is_a_file_of_the_machine_is_refused);
    tcase_add_test(run, help_names_every_option_key_and_choice);
    suite_add_tcase(s, run);

    tcase_add_test(page, the_manual_page_has_the_tables_in_their_places);
    tcase_add_test(page, a_manual_page_without_a_place_for_a_command_is_refused);
    tcase_add_test(page, every_option_and_key_of_run_has_a_text);
    suite_add_tcase(s, page);

    return suite_run(s);
}
