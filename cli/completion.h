// SPDX-License-Identifier: MIT
/* Completion of commands, options, keys and choices in a shell, from the option tables. */
#ifndef POLLUX_CLI_COMPLETION_H
#define POLLUX_CLI_COMPLETION_H

#include "cli/command.h"

/**
 * completion_write - write a script for @shell: bash, zsh or fish
 * @commands: NULL ends them
 * Return: 0, or -EINVAL and @err if @shell is none of these.
 */
int completion_write(const struct command *const *commands, const char *shell, FILE *out,
                     struct error *err);

#endif
