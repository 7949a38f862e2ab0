// SPDX-License-Identifier: MIT
/* Subcommands: what main() dispatches to. */
#ifndef POLLUX_CLI_COMMAND_H
#define POLLUX_CLI_COMMAND_H

#include "cli/options.h"

/* Exit statuses of every subcommand; 128 + N after signal N, as the shell has it. */
enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_FAILURE = 1, /* wrong usage, or something could not be set up */
    EXIT_STATUS_TRIPLE_FAULT = 2,
    EXIT_STATUS_INTERNAL_ERROR = 3,
    EXIT_STATUS_ENTRY_FAILURE = 4,
    EXIT_STATUS_HOST_ERROR = 5,
    EXIT_STATUS_SIGNAL = 128,
};

struct command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* what follows "pollux NAME" */
    const struct option *options;
    const char *notes; /* printed below the options by --help; may be NULL */
    int (*main)(const struct command *cmd, int argc, char **argv);
};

extern const struct command command_run;
extern const struct command command_vhost_user;
extern const struct command command_top;
extern const struct command command_bench;
extern const struct command command_doctor;
extern const struct command command_advise;
extern const struct command command_replay;

/**
 * command_parse - options of @cmd into @config
 * Prints the help, or one line on what is wrong.
 * Return: -1 to go on, else the exit status. @storage as in options_parse().
 */
int command_parse(const struct command *cmd, int argc, char **argv, void *config, char **storage);

/**
 * command_fail - "pollux NAME: MESSAGE" on stderr
 * Return: EXIT_STATUS_FAILURE.
 */
int command_fail(const struct command *cmd, const char *message);

#endif
