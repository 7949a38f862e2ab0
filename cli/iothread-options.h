// SPDX-License-Identifier: MIT
/* --iothread, of every command that has I/O threads. */
#ifndef POLLUX_CLI_IOTHREAD_OPTIONS_H
#define POLLUX_CLI_IOTHREAD_OPTIONS_H

#include "cli/options.h"
#include "iothread/iothread.h"

#define IOTHREADS_MAX    32
#define IOTHREAD_DEFAULT "io0"

/* Most is stored where the thread looks for it; the rest becomes part of @io in
 * iothread_list_plan(). */
struct iothread_args {
    struct iothread_config io;
    unsigned policy;  /* poll_policy_at() */
    unsigned fdmon;   /* aio_fdmon_name() */
    const char *cpus; /* cpus_parse(); NULL: any */
};

struct iothread_list {
    unsigned nr;
    struct iothread_args args[IOTHREADS_MAX];
};

/* With struct iothread_args as target, see iothread_list_add(). */
extern const struct option_key iothread_keys[];
#define IOTHREAD_OPTION_HELP "an I/O thread; may be repeated; default id=" IOTHREAD_DEFAULT

/**
 * iothread_list_add - the next --iothread, with its defaults
 * Return: NULL and @err if there are too many.
 */
struct iothread_args *iothread_list_add(struct iothread_list *list, struct error *err);

/**
 * iothread_list_plan - check ids, and put in defaults
 * @out: filled; with one thread of the id IOTHREAD_DEFAULT if the list has none
 * Return: how many threads, or -EINVAL and @err.
 */
int iothread_list_plan(const struct iothread_list *list, struct iothread_config out[IOTHREADS_MAX],
                       struct error *err);

#endif
