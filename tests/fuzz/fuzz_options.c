// SPDX-License-Identifier: MIT
/*
 * The option parser, on the tables of `pollux run` and on one of its own; arguments are the lines
 * of the input. What is taken is within what the table allows; what is refused is refused with one
 * line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run-options.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 2048
#define ARGS_MAX 80

static const char *const texts[] = {
    "--kernel\nvmlinuz\n--disk\nfile=a.img",
    "--kernel=k\n--disk\nengine=null,size=1G,iothread=b,readonly=on\n--disk\nfile=x,cache="
    "writeback\n"
    "--iothread\na,poll-policy=fixed,poll-max-ns=10us\n--iothread\nid=b,poll-grow=3,poll-shrink=4\n"
    "--memory\n2G,shared=on\n--stats\n--cpus\n4",
    "--all\ntext=ab,number=7,size=1.5M,time=50us,on=on,color=green\n--wait\n2,0,50us\n--flag",
    "--all=a,,b\n--plain\na=b,,c\n--wait\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "--flag\n--help",
};

static const char *const values[] = {
    "\n",    "\n--", "=",   ",",      ",,",  "0",        "1",     "on",  "off",
    "null",  "32",   "16M", "1G",     "512", "1T",       "0.5K",  "7ns", "1.5ms",
    "0.1us", "64",   "65",  "2",      "4",   "x",        "fixed", "red", "writeback",
    "io0",   "sync", "-1",  "99999T", "--",  "1,2,3,4,5"};

/* --- a table with every kind of value --- */

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

#define AT(member) .offset = offsetof(struct sample, member)

static const struct option_key all_keys[] = {
    {.name = "text", .metavar = "TEXT", .min = 1, .max = 8, AT(text)},
    {.name = "number", .kind = OPTION_NUMBER, .metavar = "N", .min = 2, .max = 64, AT(number)},
    {.name = "size", .kind = OPTION_SIZE, .metavar = "SIZE", .min = 512, AT(size)},
    {.name = "time", .kind = OPTION_TIME, .metavar = "TIME", AT(time)},
    {.name = "on", .kind = OPTION_SWITCH, .metavar = "on|off", AT(on)},
    {.name = "color", .kind = OPTION_CHOICE, .metavar = "COLOR", .choice = color, AT(color)},
    {.name = NULL},
};

static const struct option_key list_keys[] = {
    {.name = "wait",
     .kind = OPTION_TIME,
     .list = true,
     .unit = 1000000000,
     .metavar = "TIME",
     AT(list)},
    {.name = NULL},
};

static const struct option_key plain_keys[] = {
    {.name = "plain", .metavar = "TEXT", AT(text)},
    {.name = NULL},
};

static const struct option sample_options[] = {
    {.name = "all", .keys = all_keys},
    {.name = "wait", .keys = list_keys, .plain = true},
    {.name = "plain", .keys = plain_keys, .plain = true},
    {.name = "flag", AT(flag)},
    {.name = NULL},
};

/* --- inputs --- */

static size_t seed(unsigned i, uint8_t *out, size_t max)
{
    size_t len;

    if (i >= sizeof(texts) / sizeof(texts[0])) {
        return 0;
    }
    len = strlen(texts[i]);
    memcpy(out, texts[i], len);
    return len;
}

/* A key's name with =, or an option's on a line of its own, from the product's table. */
static const char *word_of_table(const struct option *options, uint32_t *random)
{
    static char word[64];
    unsigned n = 0;

    while (options[n].name) {
        n++;
    }
    options += fuzz_random(random, n);
    if (!options->keys || options->plain || fuzz_random(random, 3) == 0) {
        snprintf(word, sizeof(word), "\n--%s\n", options->name);
        return word;
    }
    for (n = 0; options->keys[n].name; n++) {
    }
    snprintf(word, sizeof(word), ",%s=", options->keys[fuzz_random(random, n)].name);
    return word;
}

static size_t mutate(uint8_t *data, size_t size, size_t max, uint32_t *random)
{
    const char *word;

    switch (fuzz_random(random, 5)) {
    case 0:
        word = word_of_table(run_options, random);
        break;
    case 1:
        word = word_of_table(sample_options, random);
        break;
    case 2:
    case 3:
        word = values[fuzz_random(random, sizeof(values) / sizeof(values[0]))];
        break;
    default:
        return fuzz_mutate_bytes(data, size, max);
    }
    return fuzz_mutate_words(data, size, max, &word, 1, random);
}

/* Cuts @text into lines. Return: how many. */
static int split(char *text, char *argv[ARGS_MAX])
{
    int argc = 0;

    for (char *line = text; line && argc < ARGS_MAX; argc++) {
        char *end = strchr(line, '\n');

        argv[argc] = line;
        if (end) {
            *end++ = '\0';
        }
        line = end;
    }
    return argc;
}

/* --- what must hold --- */

static void check_refusal(int ret, const struct error *err)
{
    FUZZ_CHECK(ret == -EINVAL, "%d", ret);
    FUZZ_CHECK(err->msg[0] && !strchr(err->msg, '\n'), "\"%s\"", err->msg);
}

static void check_range(uint64_t value, uint64_t min, uint64_t max, const char *what)
{
    FUZZ_CHECK(value >= min && value <= max, "%s is %llu", what, (unsigned long long)value);
}

static void run_sample(int argc, char **argv)
{
    struct sample s = {.number = 2, .size = 512};
    struct error err = {""};
    char *storage;
    int ret = options_parse(sample_options, &s, argc, argv, &storage, &err);

    if (ret < 0) {
        check_refusal(ret, &err);
    } else {
        check_range(s.number, 2, 64, "number");
        check_range(s.size, 512, UINT64_MAX, "size");
        check_range(s.color, 0, 1, "color");
    }
    FUZZ_CHECK(s.list.n <= OPTION_LIST_MAX, "%u values", s.list.n);
    free(storage);
}

static void check_plan(const struct run_plan *plan)
{
    check_range(plan->machine.cpus, 1, MACHINE_CPUS_MAX, "cpus");
    check_range(plan->machine.memory, MACHINE_MEMORY_MIN, UINT64_MAX, "memory");
    check_range(plan->machine.nr_iothreads, 1, IOTHREADS_MAX, "I/O threads");
    check_range(plan->machine.nr_disks, 0, MACHINE_DISKS_MAX, "disks");
    FUZZ_CHECK(plan->machine.kernel && plan->machine.kernel[0], "no kernel");
    for (unsigned i = 0; i < plan->machine.nr_iothreads; i++) {
        const struct iothread_config *io = &plan->iothreads[i];

        check_range(strlen(io->id), 1, IOTHREAD_ID_MAX, "characters of an id");
        FUZZ_CHECK(io->poll.policy, "no policy");
        check_range(io->poll.max_ns, 0, 1000000000, "poll-max-ns");
    }
    for (unsigned i = 0; i < plan->machine.nr_disks; i++) {
        const struct disk_config *d = &plan->disks[i];

        FUZZ_CHECK(d->engine && d->iothreads[0], "no engine or I/O thread");
        FUZZ_CHECK(d->image.path || d->image.size, "neither file nor size");
        FUZZ_CHECK(d->image.size % SECTOR_SIZE == 0, "size");
        FUZZ_CHECK(d->device.packed || (d->device.queue_size & (d->device.queue_size - 1)) == 0,
                   "queue size %u", d->device.queue_size);
        check_range(d->device.queue_size, 0, VIRTQ_SIZE_MAX, "queue size");
    }
}

static void run_product(int argc, char **argv)
{
    static struct run_config config;
    static struct run_plan plan;
    struct error err = {""};
    char *storage;
    int ret;

    run_config_init(&config);
    ret = options_parse(run_options, &config, argc, argv, &storage, &err);
    if (ret == 0) {
        ret = run_plan_init(&plan, &config, &err);
        if (ret == 0) {
            check_plan(&plan);
        }
    }
    if (ret < 0) {
        check_refusal(ret, &err);
    }
    free(storage);
}

static void run(const uint8_t *data, size_t size)
{
    char *text, *argv[ARGS_MAX], *before[ARGS_MAX];
    int argc;

    if (size > TEXT_MAX) {
        return;
    }
    text = strndup((const char *)data, size);
    argc = split(text, argv);
    for (int i = 0; i < argc; i++) { /* each in memory of its own size */
        before[i] = argv[i];
        argv[i] = strdup(argv[i]);
    }
    run_product(argc, argv);
    run_sample(argc, argv);
    for (int i = 0; i < argc; i++) {
        FUZZ_CHECK(!strcmp(argv[i], before[i]), "argument %d was changed", i);
        free(argv[i]);
    }
    free(text);
}

const struct fuzz_target fuzz_target = {.seed = seed, .mutate = mutate, .run = run};
