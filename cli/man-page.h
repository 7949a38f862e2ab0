// SPDX-License-Identifier: MIT
/*
 * The manual page: text by hand, and the option tables. docs/pollux.1 has a line
 *     .\" options of COMMAND
 * where the options of a command belong.
 */
#ifndef POLLUX_CLI_MAN_PAGE_H
#define POLLUX_CLI_MAN_PAGE_H

#include "cli/command.h"

/**
 * man_page - copy @in to @out, with the options of each command in their places
 * @commands: in the order of their places, those without options last; NULL ends them
 * Return: 0, or -EINVAL and @err if a place is missing, out of order or of no command.
 */
int man_page(const struct command *const *commands, FILE *in, FILE *out, struct error *err);

/* The part of it that comes from one table, for man(7). */
void man_page_options(const struct option *options, FILE *out);

#endif
