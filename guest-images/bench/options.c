// SPDX-License-Identifier: MIT
/*
 * options.c - words of the command line, `key=value`
 *
 * An unknown word is an error: a misspelt option must not become a wrong figure.
 */
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/options.h"
#include "guest-images/bench/platform.h"

#define DEVICE_KEY "virtio_mmio.device"
#define WORD_MAX   128

/* Errors can be printed only after serial= and ctl= were read, so these two are read first. */
enum pass { PASS_OUTPUT, PASS_REST };

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* A number in decimal or hexadecimal; *@end is the first character after it. */
static bool number(const char *text, uint64_t *value, const char **end)
{
    unsigned base = 10, digit;
    const char *p = text;

    if (p[0] == '0' && p[1] == 'x') {
        base = 16;
        p += 2;
        text = p;
    }
    for (*value = 0;; p++) {
        if (*p >= '0' && *p <= '9') {
            digit = (unsigned)(*p - '0');
        } else if (base == 16 && (*p | 32) >= 'a' && (*p | 32) <= 'f') {
            digit = (unsigned)((*p | 32) - 'a' + 10);
        } else {
            break;
        }
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value)) {
            return false;
        }
    }
    *end = p;
    return p != text;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {0, 0}};
static const struct unit bytes[] = {
    {"", 1},        {"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20},
    {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30}, {0, 0},
};
static const struct unit times[] = {
    {"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {0, 0},
};

static uint64_t quantity(const char *key, const char *text, const struct unit *units, uint64_t min,
                         uint64_t max)
{
    const char *suffix;
    uint64_t value;

    if (number(text, &value, &suffix)) {
        for (; units->suffix; units++) {
            if (same(suffix, units->suffix) &&
                !__builtin_mul_overflow(value, units->factor, &value) && value >= min &&
                value <= max) {
                return value;
            }
        }
    }
    fail(BENCH_EXIT_USAGE, "%s=%s: expected a number from %lu to %lu", key, text, min, max);
}

/* The index of @text among @choices. */
static unsigned choice(const char *key, const char *text, const char *const *choices)
{
    for (unsigned i = 0; choices[i]; i++) {
        if (same(text, choices[i])) {
            return i;
        }
    }
    fail(BENCH_EXIT_USAGE, "%s=%s: not a value of this option", key, text);
}

static bool boolean(const char *key, const char *text)
{
    return choice(key, text, (const char *const[]){"0", "1", 0});
}

static unsigned parse_mix(const char *text)
{
    const char *prefix = "mixed:";

    if (same(text, "read")) {
        return 100;
    }
    if (same(text, "write")) {
        return 0;
    }
    while (*prefix && *text == *prefix) {
        prefix++;
        text++;
    }
    if (*prefix) {
        fail(BENCH_EXIT_USAGE, "rw: expected read, write or mixed:PERCENT");
    }
    return (unsigned)quantity("rw=mixed", text, no_units, 0, 100);
}

static const char *const pause_names[] = {
    [PAUSE_FIXED] = "fixed",   [PAUSE_EXPONENTIAL] = "exp", [PAUSE_BIMODAL] = "bimodal",
    [PAUSE_ON_OFF] = "on-off", [PAUSE_ON_OFF + 1] = 0,
};

/* Copies the text up to the next ':' to @part. Returns the text behind it, or NULL at the end. */
static const char *cut_part(const char *text, char part[WORD_MAX])
{
    while (*text && *text != ':') {
        *part++ = *text++;
    }
    *part = 0;
    return *text ? text + 1 : 0;
}

static const char *pause_time(const char *text, uint64_t *value)
{
    char part[WORD_MAX];

    if (!text) {
        fail(BENCH_EXIT_USAGE, "pause: a value is missing");
    }
    text = cut_part(text, part);
    *value = quantity("pause", part, times, 0, 10000000000);
    return text;
}

/* TIME, exp:MEAN, bimodal:SHORT:LONG:PERCENT or on-off:ON:OFF */
static void parse_pause(struct pause *p, const char *text)
{
    char part[WORD_MAX];
    const char *rest = cut_part(text, part);
    uint64_t percent = 0;

    if (rest) {
        p->kind = (enum pause_kind)choice("pause", part, pause_names);
    }
    rest = pause_time(rest ? rest : text, &p->a);
    if (p->kind >= PAUSE_BIMODAL) {
        rest = pause_time(rest, &p->b);
    }
    if (p->kind == PAUSE_BIMODAL) {
        if (!rest) {
            fail(BENCH_EXIT_USAGE, "pause=%s: a percentage is missing", text);
        }
        rest = cut_part(rest, part);
        percent = quantity("pause", part, no_units, 0, 100);
    }
    p->percent = (unsigned)percent;
    if (rest) {
        fail(BENCH_EXIT_USAGE, "pause=%s: too many values", text);
    }
}

/* SIZE@ADDRESS:IRQ, as Linux has it. */
static void parse_device(struct options *o, const char *text)
{
    struct disk_place *place = &o->place[o->found];
    const char *p = text;
    uint64_t size, irq;

    if (o->found == BENCH_MAX_DISKS) {
        return;
    }
    if (!number(p, &size, &p)) {
        goto bad;
    }
    while (*p && *p != '@') {
        p++;
    }
    if (*p != '@' || !number(p + 1, &place->mmio, &p) || *p != ':' || !number(p + 1, &irq, &p)) {
        goto bad;
    }
    if (place->mmio >> 32 || irq >= 48) {
        goto bad;
    }
    place->irq = (unsigned)irq;
    o->found++;
    return;
bad:
    fail(BENCH_EXIT_USAGE, DEVICE_KEY "=%s: expected SIZE@ADDRESS:IRQ below 4 GiB", text);
}

static void parse_output(struct options *o, const char *key, const char *value)
{
    if (same(key, "console")) {
        o->serial = choice(key, value, (const char *const[]){"debug", "serial", 0});
    } else if (same(key, "ctl")) {
        o->ctl = boolean(key, value);
    }
}

static void parse_rest(struct options *o, const char *key, const char *value)
{
    const uint64_t any = UINT64_MAX;

    if (same(key, "depth")) {
        o->depth = (unsigned)quantity(key, value, no_units, 1, BENCH_MAX_DEPTH);
    } else if (same(key, "bs")) {
        o->bs = (unsigned)quantity(key, value, bytes, BENCH_MIN_BS, BENCH_MAX_BS);
    } else if (same(key, "rw")) {
        o->read_percent = parse_mix(value);
    } else if (same(key, "order")) {
        o->random = choice(key, value, (const char *const[]){"seq", "random", 0});
    } else if (same(key, "wait")) {
        o->wait_irq = choice(key, value, (const char *const[]){"poll", "irq", 0});
    } else if (same(key, "event_idx")) {
        o->event_idx = boolean(key, value);
    } else if (same(key, "indirect")) {
        o->indirect = boolean(key, value);
    } else if (same(key, "ring")) {
        o->packed = choice(key, value, (const char *const[]){"split", "packed", 0});
    } else if (same(key, "verify")) {
        o->verify = boolean(key, value);
    } else if (same(key, "hist")) {
        o->hist = boolean(key, value);
    } else if (same(key, "pause")) {
        parse_pause(&o->pause, value);
    } else if (same(key, "time")) {
        o->time_ns = quantity(key, value, times, 0, any);
    } else if (same(key, "requests")) {
        o->requests = quantity(key, value, no_units, 0, any);
    } else if (same(key, "warmup")) {
        o->warmup = quantity(key, value, no_units, 0, any);
    } else if (same(key, "region")) {
        o->region = quantity(key, value, bytes, 0, any);
    } else if (same(key, "seed")) {
        o->seed = quantity(key, value, no_units, 0, any);
    } else if (same(key, "flush_every")) {
        o->flush_every = (unsigned)quantity(key, value, no_units, 0, UINT32_MAX);
    } else if (same(key, "qsize")) {
        o->queue_size = (unsigned)quantity(key, value, no_units, 0, 1024);
    } else if (same(key, "disks")) {
        o->disks = (unsigned)quantity(key, value, no_units, 1, BENCH_MAX_DISKS);
    } else if (same(key, "queues")) {
        o->queues = (unsigned)quantity(key, value, no_units, 1, BENCH_MAX_QUEUES);
    } else if (same(key, DEVICE_KEY)) {
        parse_device(o, value);
    } else if (!same(key, "console") && !same(key, "ctl")) {
        fail(BENCH_EXIT_USAGE, "unknown option %s", key);
    }
}

static void parse_words(struct options *o, const char *cmdline, enum pass pass)
{
    char word[WORD_MAX];
    char *value;
    unsigned n;

    for (;;) {
        while (*cmdline == ' ' || *cmdline == '\n') {
            cmdline++;
        }
        if (!*cmdline) {
            return;
        }
        value = 0;
        for (n = 0; *cmdline && *cmdline != ' ' && *cmdline != '\n'; cmdline++) {
            if (n == WORD_MAX - 1) {
                fail(BENCH_EXIT_USAGE, "a word of the command line is too long");
            }
            word[n++] = *cmdline;
            if (*cmdline == '=' && !value) {
                word[n - 1] = 0;
                value = &word[n];
            }
        }
        word[n] = 0;
        if (pass == PASS_OUTPUT) {
            parse_output(o, word, value ? value : "");
        } else {
            parse_rest(o, word, value ? value : "");
        }
    }
}

void options_parse(struct options *o, const char *cmdline)
{
    o->depth = 1;
    o->queues = 1;
    o->event_idx = true;
    o->bs = 4096;
    o->read_percent = 100;
    o->random = true;
    o->ctl = true;
    o->warmup = 1000;
    o->seed = 1;

    parse_words(o, cmdline, PASS_OUTPUT);
    control_enable(o->ctl);
    if (o->serial) {
        console_use_serial();
    }
    parse_words(o, cmdline, PASS_REST);

    if (o->bs % 512) {
        fail(BENCH_EXIT_USAGE, "bs=%u: not a multiple of 512", o->bs);
    }
    if (o->packed && o->indirect) {
        fail(BENCH_EXIT_USAGE, "ring=packed has no indirect=1");
    }
    if (!o->packed && (o->queue_size & (o->queue_size - 1))) {
        fail(BENCH_EXIT_USAGE, "qsize=%u: not a power of two", o->queue_size);
    }
    if (!o->time_ns && !o->requests) {
        o->time_ns = 1000000000;
    }
    if (!o->found) {
        fail(BENCH_EXIT_USAGE, "no disk: the command line has no " DEVICE_KEY "=");
    }
    if (o->disks > o->found) {
        fail(BENCH_EXIT_USAGE, "disks=%u: only %u found", o->disks, o->found);
    }
    if (o->disks) {
        o->found = o->disks;
    }
    o->disks = o->found;
}

void options_report(const struct options *o)
{
    say("depth=%u\nbs=%u\nread_percent=%u\norder=%s\nwait=%s\nring=%s\n", o->depth, o->bs,
        o->read_percent, o->random ? "random" : "seq", o->wait_irq ? "irq" : "poll",
        o->packed ? "packed" : "split");
    say("pause=%s\npause_ns=%lu\npause_b_ns=%lu\npause_percent=%u\n", pause_names[o->pause.kind],
        o->pause.a, o->pause.b, o->pause.percent);
    say("disks=%u\nqueues=%u\nflush_every=%u\n", o->disks, o->queues, o->flush_every);
}
