// SPDX-License-Identifier: MIT
/* Values of options: text in, a checked number, size, time, switch or choice out. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/options.h"
#include "cli/suggest.h"

struct suffix {
    const char *text;
    uint64_t factor;
};

static const struct suffix size_suffixes[] = {
    {"", 1},
    {"K", 1ull << 10},
    {"M", 1ull << 20},
    {"G", 1ull << 30},
    {"T", 1ull << 40},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
    {NULL, 0},
};

static const struct suffix time_suffixes[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {NULL, 0},
};

static const struct suffix no_suffixes[] = {{"", 1}, {NULL, 0}};

static uint64_t suffix_factor(const struct suffix *s, const char *text)
{
    for (; s->text; s++) {
        if (!strcasecmp(s->text, text)) {
            return s->factor;
        }
    }
    return 0;
}

/*
 * Digits, perhaps a fraction, a suffix. Whatever is left of the fraction below one unit is dropped.
 * Return: 0 or -EINVAL, also when it does not fit 64 bits.
 */
static int parse_scaled(const char *text, const struct suffix *suffixes, uint64_t bare,
                        uint64_t *out)
{
    const char *p = text, *fraction = NULL;
    uint64_t whole = 0, part = 0, scale = 1, factor;

    if (!isdigit((unsigned char)*p)) {
        return -EINVAL;
    }
    for (; isdigit((unsigned char)*p); p++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole)) {
            return -EINVAL;
        }
    }
    if (*p == '.') {
        fraction = ++p;
        for (; isdigit((unsigned char)*p); p++) {
            if (scale < 1000000) {
                part = part * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
        }
        if (p == fraction) {
            return -EINVAL;
        }
    }
    factor = *p || !bare ? suffix_factor(suffixes, p) : bare;
    if (!factor || (fraction && factor == 1) || __builtin_mul_overflow(whole, factor, &whole) ||
        __builtin_add_overflow(whole, part * (factor / scale) + part * (factor % scale) / scale,
                               out)) {
        return -EINVAL;
    }
    return 0;
}

/* The shortest exact form, for messages: 16M, 32768, 200us. */
static const char *format_scaled(enum option_kind kind, uint64_t value, char *buf, size_t size)
{
    static const struct suffix forms[] = {
        {"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20}, {"K", 1ull << 10}, {NULL, 0},
    };
    static const struct suffix times[] = {
        {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {NULL, 0},
    };
    const struct suffix *s = kind == OPTION_TIME ? times : forms;

    for (; kind != OPTION_NUMBER && value && s->text; s++) {
        if (value % s->factor == 0) {
            snprintf(buf, size, "%" PRIu64 "%s", value / s->factor, s->text);
            return buf;
        }
    }
    snprintf(buf, size, "%" PRIu64, value);
    return buf;
}

/* A size that is in range with a suffix lacks it more likely than it is one of a few bytes. */
static const char *missing_suffix(const struct option_key *key, const char *text)
{
    static const char *const suffixes[] = {"M", "G", "K"};

    for (unsigned i = 0; key->kind == OPTION_SIZE && i < 3; i++) {
        uint64_t value;

        if (parse_scaled(text, no_suffixes, 1, &value) == 0 &&
            !__builtin_mul_overflow(value, suffix_factor(size_suffixes, suffixes[i]), &value) &&
            value >= key->min && (!key->max || value <= key->max)) {
            return suffixes[i];
        }
    }
    return NULL;
}

static int out_of_range(const struct option_key *key, const char *where, const char *text,
                        uint64_t value, struct error *err)
{
    const char *suffix = value < key->min ? missing_suffix(key, text) : NULL;
    char min[32], max[32], meant[64] = "";

    format_scaled(key->kind, key->min, min, sizeof(min));
    format_scaled(key->kind, key->max, max, sizeof(max));
    if (suffix) {
        snprintf(meant, sizeof(meant), "; did you mean %s%s?", text, suffix);
    }
    if (!key->max) {
        return error_set(err, -EINVAL, "%s: %s is too small; it takes %s or more%s", where, text,
                         min, meant);
    }
    return error_set(err, -EINVAL, "%s: %s is out of range; it takes %s to %s%s", where, text, min,
                     max, meant);
}

static int parse_number(const struct option_key *key, const char *where, const char *text,
                        void *place, struct error *err)
{
    uint64_t value;
    int ret;

    switch (key->kind) {
    case OPTION_SIZE:
        ret = parse_scaled(text, size_suffixes, 1, &value);
        if (ret < 0) {
            return error_set(err, ret, "%s: '%s' is no size; it takes a number with K, M, G or T",
                             where, text);
        }
        break;
    case OPTION_TIME:
        ret = parse_scaled(text, time_suffixes, key->unit ? key->unit : 1, &value);
        if (ret < 0) {
            return error_set(err, ret,
                             "%s: '%s' is no time; it takes a number with ns, us, ms or s", where,
                             text);
        }
        break;
    default:
        ret = parse_scaled(text, no_suffixes, 1, &value);
        if (ret < 0 || strchr(text, '.')) {
            return error_set(err, -EINVAL, "%s: '%s' is no number", where, text);
        }
        break;
    }
    if (value < key->min || (key->max && value > key->max)) {
        return out_of_range(key, where, text, value, err);
    }
    if (key->width == sizeof(uint32_t)) {
        assert(key->max && key->max <= UINT32_MAX);
        *(uint32_t *)place = (uint32_t)value;
    } else {
        *(uint64_t *)place = value;
    }
    return 0;
}

static int parse_choice(const struct option_key *key, const char *where, const char *text,
                        unsigned *out, struct error *err)
{
    struct suggestion s = suggest(text, strlen(text));
    char all[256] = "";
    size_t used = 0;
    const char *name;

    for (unsigned i = 0; (name = key->choice(i)); i++) {
        if (!strcmp(name, text)) {
            *out = i;
            return 0;
        }
        suggest_offer(&s, name);
        if (used < sizeof(all)) {
            used +=
                (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", name);
        }
    }
    if (s.best) {
        return error_set(err, -EINVAL, "%s: '%s' is not known; did you mean %s?", where, text,
                         s.best);
    }
    return error_set(err, -EINVAL, "%s: '%s' is not known; it takes one of %s", where, text, all);
}

static int parse_string(const struct option_key *key, const char *where, const char *text,
                        const char **out, struct error *err)
{
    if (key->max && strlen(text) > key->max) {
        return error_set(err, -EINVAL,
                         "%s: '%s' is too long; it takes at most %" PRIu64 " characters", where,
                         text, key->max);
    }
    *out = text;
    return 0;
}

int option_value(const struct option_key *key, const char *where, const char *text, void *place,
                 struct error *err)
{
    if (!*text && (key->kind != OPTION_STRING || key->min > 0)) {
        return error_set(err, -EINVAL, "%s: needs a value", where);
    }
    switch (key->kind) {
    case OPTION_STRING:
        return parse_string(key, where, text, place, err);
    case OPTION_SWITCH:
        if (strcmp(text, "on") && strcmp(text, "off")) {
            return error_set(err, -EINVAL, "%s: '%s' is not known; it takes on or off", where,
                             text);
        }
        *(bool *)place = !strcmp(text, "on");
        return 0;
    case OPTION_CHOICE:
        return parse_choice(key, where, text, place, err);
    default:
        return parse_number(key, where, text, place, err);
    }
}
