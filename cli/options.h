// SPDX-License-Identifier: MIT
/*
 * Command line options in the style of QEMU: `--disk file=disk.img,engine=null`.
 *
 * Options are tables. An option has keys; a key has a kind, a place in a struct and, where it
 * applies, a range or a list of choices. Parsing, error messages, --help and the manual page
 * (cli/man-page.h) all come from the same table, so none of them can be forgotten.
 *
 * A comma inside a value is written twice. The first value may come without its key's name, which
 * then is the first key: `--memory 2G,shared=on`.
 */
#ifndef POLLUX_CLI_OPTIONS_H
#define POLLUX_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define OPTION_LIST_MAX 16

enum option_kind {
    OPTION_STRING, /* const char * */
    OPTION_NUMBER, /* uint64_t or uint32_t, as @width says */
    OPTION_SIZE,   /* the same, bytes; K, M, G, T are powers of 1024 */
    OPTION_TIME,   /* the same, ns; ns, us, ms, s */
    OPTION_SWITCH, /* bool; on or off */
    OPTION_CHOICE, /* unsigned, index into the choices */
};

/* What a key with @list takes: values separated by commas; a string's is its address. */
struct option_list {
    unsigned n;
    uint64_t v[OPTION_LIST_MAX];
};

struct option_key {
    const char *name;
    enum option_kind kind;
    bool list; /* stored in a struct option_list; only in an option of one key */
    const char *metavar;
    const char *help;
    const char *more;  /* whole sentences that follow in the manual page; may be NULL */
    size_t offset;     /* in the option's target */
    size_t width;      /* sizeof a number, size or time there; 0: of a uint64_t */
    uint64_t min, max; /* of a number, size or time, or of a string's length; max 0: no limit */
    uint64_t unit;     /* times: ns in a number without a unit; 0: 1 */
    const char *(*choice)(unsigned i); /* NULL past the last */
    const char *(*about)(unsigned i);  /* one line on a choice, for --help; may be NULL */
};

/* Where a key's value goes: @member of the option's target, a @type. */
#define OPTION_AT(type, member)                                                                    \
    .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)

struct option {
    const char *name; /* without dashes; NULL ends a table */
    const char *help;
    const char *more; /* as in struct option_key */
    const struct option_key
        *keys; /* ends with a NULL name; NULL: no value, sets a bool at @offset */
    const struct option_key *more_keys; /* the same, after @keys; NULL: none */
    bool plain;                         /* the whole argument is the value of the only key */
    size_t offset;                      /* only without keys */
    /* What the keys' offsets are in; NULL: the configuration itself. Called once for each time the
     * option is given, and sets defaults. Returns NULL with @err filled if there are too many. */
    void *(*target)(void *config, struct error *err);
};

/**
 * options_parse - fill @config from arguments
 * @argv:    argc arguments, all of them options
 * @config:  set to its defaults by the caller
 * @storage: strings in @config point into it; free() it after them, also after an error
 * Return: 0; 1 if help was asked for; -EINVAL or -ENOMEM with @err: one line that names the option,
 *         the key and what is allowed.
 */
int options_parse(const struct option *options, void *config, int argc, char **argv, char **storage,
                  struct error *err);

/**
 * option_key_at - key @i of an option, or NULL past the last
 */
const struct option_key *option_key_at(const struct option *o, unsigned i);

/**
 * options_help - list options, keys and choices
 */
void options_help(const struct option *options, FILE *out);

/**
 * option_value - one value into its place
 * @where: prefix of the message, as "--disk: engine"
 * @place: of the type of the kind
 * Return: 0 or -EINVAL and @err.
 */
int option_value(const struct option_key *key, const char *where, const char *text, void *place,
                 struct error *err);

#endif
