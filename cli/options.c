// SPDX-License-Identifier: MIT
/* Arguments to options, options to keys; values are cli/option-value.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/suggest.h"

/*
 * Cuts the first value off a comma-separated text, in place; two commas stand for one inside it.
 * Return: the value, and *@rest what follows, NULL at the end.
 */
static char *cut_value(char *text, char **rest)
{
    char *from = text, *to = text;

    *rest = NULL;
    while (*from) {
        if (*from == ',') {
            if (from[1] != ',') {
                *rest = from + 1;
                break;
            }
            from++;
        }
        *to++ = *from++;
    }
    *to = '\0';
    return text;
}

const struct option_key *option_key_at(const struct option *o, unsigned i)
{
    const struct option_key *tables[] = {o->keys, o->more_keys};

    for (unsigned t = 0; t < 2; t++) {
        for (const struct option_key *k = tables[t]; k && k->name; k++, i--) {
            if (i == 0) {
                return k;
            }
        }
    }
    return NULL;
}

static int unknown_key(const struct option *o, const char *name, struct error *err)
{
    struct suggestion s = suggest(name, strlen(name));
    char all[256] = "";
    const struct option_key *k;
    size_t used = 0;

    for (unsigned i = 0; (k = option_key_at(o, i)); i++) {
        suggest_offer(&s, k->name);
    }
    if (s.best) {
        return error_set(err, -EINVAL, "--%s: unknown key '%s'; did you mean %s?", o->name, name,
                         s.best);
    }
    for (unsigned i = 0; (k = option_key_at(o, i)) && used < sizeof(all); i++) {
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", k->name);
    }
    return error_set(err, -EINVAL, "--%s: unknown key '%s'; it takes %s", o->name, name, all);
}

/* Return: the key, and its number in *@at; NULL: there is none. */
static const struct option_key *find_key(const struct option *o, const char *name, size_t len,
                                         unsigned *at)
{
    const struct option_key *k;

    for (unsigned i = 0; (k = option_key_at(o, i)); i++) {
        if (strlen(k->name) == len && !memcmp(k->name, name, len)) {
            *at = i;
            return k;
        }
    }
    return NULL;
}

static int set_key(const struct option *o, const struct option_key *key, const char *text,
                   void *target, struct error *err)
{
    char where[64];

    if (o->plain) {
        snprintf(where, sizeof(where), "--%s", o->name);
    } else {
        snprintf(where, sizeof(where), "--%s: %s", o->name, key->name);
    }
    return option_value(key, where, text, (char *)target + key->offset, err);
}

static int parse_keys(const struct option *o, char *text, void *target, struct error *err)
{
    uint64_t seen = 0;
    bool first = true;

    for (char *rest; text; text = rest, first = false) {
        char *value = cut_value(text, &rest);
        size_t len = strcspn(value, "=");
        unsigned at = 0;
        const struct option_key *key = find_key(o, value, len, &at);

        if (key && !value[len]) {
            return error_set(err, -EINVAL, "--%s: %s needs a value: %s=%s", o->name, key->name,
                             key->name, key->metavar);
        }
        if (key) {
            value += len + 1;
        } else if (first && !value[len]) {
            key = o->keys;
        } else {
            value[len] = '\0';
            return unknown_key(o, value, err);
        }
        if (seen & 1ull << at) {
            return error_set(err, -EINVAL, "--%s: %s is given twice", o->name, key->name);
        }
        seen |= 1ull << at;

        int ret = set_key(o, key, value, target, err);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int parse_list(const struct option *o, char *text, void *target, struct error *err)
{
    struct option_list *list = (struct option_list *)((char *)target + o->keys->offset);
    char where[64];

    snprintf(where, sizeof(where), "--%s", o->name);
    list->n = 0;
    for (char *rest; text; text = rest) {
        union {
            uint64_t number;
            unsigned choice;
            const char *text;
        } v;
        int ret = option_value(o->keys, where, cut_value(text, &rest), &v, err);

        if (ret < 0) {
            return ret;
        }
        if (list->n == OPTION_LIST_MAX) {
            return error_set(err, -EINVAL, "%s: takes at most %d values", where, OPTION_LIST_MAX);
        }
        list->v[list->n++] = o->keys->kind == OPTION_CHOICE   ? v.choice
                             : o->keys->kind == OPTION_STRING ? (uintptr_t)v.text
                                                              : v.number;
    }
    return 0;
}

static const struct option *find_option(const struct option *o, const char *name, size_t len)
{
    for (; o->name; o++) {
        if (strlen(o->name) == len && !memcmp(o->name, name, len)) {
            return o;
        }
    }
    return NULL;
}

/* What may be meant: an option that has a key of this name, or an option of a similar name. */
static int unknown_option(const struct option *options, const char *arg, const char *name,
                          size_t len, struct error *err)
{
    struct suggestion s = suggest(name, len);
    char meant[96] = "";

    for (const struct option *o = options; o->name; o++) {
        suggest_offer(&s, o->name);
    }
    if (s.best) {
        snprintf(meant, sizeof(meant), "; did you mean --%s?", s.best);
    }
    for (const struct option *o = options; o->name; o++) {
        unsigned at;
        const struct option_key *key = o->keys && !o->plain ? find_key(o, name, len, &at) : NULL;

        if (key) {
            snprintf(meant, sizeof(meant), "; did you mean --%s %s=%s?", o->name, key->name,
                     key->metavar);
        }
    }
    if (name == arg) {
        return error_set(err, -EINVAL, "'%s' is not an option%s", arg, meant);
    }
    return error_set(err, -EINVAL, "unknown option '%s'%s", arg, meant);
}

static int parse_value(const struct option *o, char *value, void *config, struct error *err)
{
    void *target = o->target ? o->target(config, err) : config;

    if (!target) {
        return -EINVAL;
    }
    if (o->keys->list) {
        return parse_list(o, value, target, err);
    }
    if (o->plain) {
        return set_key(o, o->keys, value, target, err);
    }
    return parse_keys(o, value, target, err);
}

/* One block for copies of all arguments: the parser cuts them up, and ps still shows the originals.
 */
static char *copy_arguments(int argc, char **argv)
{
    size_t size = 1;
    char *block;

    for (int i = 0; i < argc; i++) {
        size += strlen(argv[i]) + 1;
    }
    block = malloc(size);
    if (block) {
        char *p = block;

        for (int i = 0; i < argc; i++) {
            p = stpcpy(p, argv[i]) + 1;
        }
    }
    return block;
}

int options_parse(const struct option *options, void *config, int argc, char **argv, char **storage,
                  struct error *err)
{
    char *arg = *storage = copy_arguments(argc, argv), *next;

    if (!arg) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (int i = 0; i < argc; i++, arg = next) {
        const char *name = arg + strspn(arg, "-");
        size_t dashes = (size_t)(name - arg), len = strcspn(name, "=");
        const struct option *o = find_option(options, name, len);
        char *value = name[len] ? arg + dashes + len + 1 : NULL;

        next = arg + strlen(argv[i]) + 1;
        if (!strcmp(arg, "--help") || !strcmp(arg, "-help") || !strcmp(arg, "-h")) {
            return 1;
        }
        if (dashes < 1 || dashes > 2 || !o) {
            return unknown_option(options, arg, name, len, err);
        }
        if (!o->keys) {
            if (value) {
                return error_set(err, -EINVAL, "--%s takes no value", o->name);
            }
            *((bool *)((char *)config + o->offset)) = true;
            continue;
        }
        if (!value) {
            /* A value that looks like an option is more likely a value that was forgotten. */
            if (i + 1 == argc || !strncmp(argv[i + 1], "--", 2)) {
                return error_set(err, -EINVAL, "--%s needs a value: %s%s%s", o->name,
                                 o->plain ? "" : o->keys->name, o->plain ? "" : "=",
                                 o->keys->metavar);
            }
            value = next;
            next += strlen(argv[++i]) + 1;
        }

        int ret = parse_value(o, value, config, err);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

#define HELP_COLUMN 30

/* @left in the first column, @text in the second, on a line of its own if @left is long. */
static void help_line(FILE *out, int indent, const char *left, const char *text)
{
    int used = fprintf(out, "%*s%s", indent, "", left);

    if (used > HELP_COLUMN - 2) {
        fprintf(out, "\n");
        used = 0;
    }
    fprintf(out, "%*s%s\n", HELP_COLUMN - used, "", text);
}

static void help_choices(FILE *out, const struct option_key *key)
{
    for (unsigned i = 0; key->about && key->choice(i); i++) {
        char text[256];

        snprintf(text, sizeof(text), "- %s: %s", key->choice(i), key->about(i));
        help_line(out, 0, "", text);
    }
}

static const char *key_values(const struct option_key *key, char *buf, size_t size)
{
    size_t used = 0;
    const char *name;

    if (key->kind == OPTION_SWITCH) {
        return "on|off";
    }
    if (key->kind != OPTION_CHOICE || key->about) {
        return key->metavar;
    }
    buf[0] = '\0';
    for (unsigned i = 0; (name = key->choice(i)) && used < size; i++) {
        used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "|" : "", name);
    }
    return buf;
}

void options_help(const struct option *options, FILE *out)
{
    for (const struct option *o = options; o->name; o++) {
        char left[128], values[96];

        if (!o->keys) {
            snprintf(left, sizeof(left), "--%s", o->name);
        } else if (o->plain) {
            snprintf(left, sizeof(left), "--%s %s%s", o->name,
                     key_values(o->keys, values, sizeof(values)), o->keys->list ? ",..." : "");
        } else {
            snprintf(left, sizeof(left), "--%s [%s=]%s,...", o->name, o->keys->name,
                     o->keys->metavar);
        }
        help_line(out, 2, left, o->help);
        if (o->keys && o->plain) {
            help_choices(out, o->keys);
        }
        const struct option_key *k;

        for (unsigned i = 0; !o->plain && (k = option_key_at(o, i)); i++) {
            snprintf(left, sizeof(left), "%s=%s", k->name, key_values(k, values, sizeof(values)));
            help_line(out, 6, left, k->help);
            help_choices(out, k);
        }
    }
}
