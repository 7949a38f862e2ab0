// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/man-page.h"
#include "cli/suggest.h"
#include "cli/version.h"

static int help_main(const struct command *cmd, int argc, char **argv);
static int version_main(const struct command *cmd, int argc, char **argv);

static const struct option no_options[] = {{.name = NULL}};

static const struct command command_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "",
    .options = no_options,
    .main = version_main,
};

static const struct command command_help = {
    .name = "help",
    .summary = "print this, or the help of a command",
    .usage = "[COMMAND]",
    .options = no_options,
    .main = help_main,
};

static const struct command *const commands[] = {
    &command_run,    &command_vhost_user, &command_top,     &command_bench, &command_doctor,
    &command_advise, &command_replay,     &command_version, &command_help,  NULL,
};

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; commands[i]; i++) {
        if (!strcmp(commands[i]->name, name)) {
            return commands[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *out)
{
    fprintf(out, "Pollux is a KVM hypervisor whose disks run on I/O threads that poll.\n\n"
                 "usage: pollux COMMAND [options]\n\n");
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n`pollux COMMAND --help` lists the options of a command.\n");
}

static void print_help(const struct command *cmd)
{
    printf("usage: pollux %s%s%s\n\n%s\n", cmd->name, *cmd->usage ? " " : "", cmd->usage,
           cmd->summary);
    if (cmd->options->name) {
        printf("\noptions:\n");
        options_help(cmd->options, stdout);
    }
    if (cmd->notes) {
        printf("\n%s", cmd->notes);
    }
}

int command_fail(const struct command *cmd, const char *message)
{
    fprintf(stderr, "pollux %s: %s\n", cmd->name, message);
    return EXIT_STATUS_FAILURE;
}

int command_parse(const struct command *cmd, int argc, char **argv, void *config, char **storage)
{
    struct error err = {""};
    int ret = options_parse(cmd->options, config, argc, argv, storage, &err);

    if (ret > 0) {
        print_help(cmd);
        return EXIT_STATUS_OK;
    }
    return ret < 0 ? command_fail(cmd, err.msg) : -1;
}

static int version_main(const struct command *cmd, int argc, char **argv)
{
    printf("pollux %s\n", POLLUX_VERSION);
    return EXIT_STATUS_OK;
}

static int unknown_command(const char *name)
{
    struct suggestion s = suggest(name, strlen(name));

    for (unsigned i = 0; commands[i]; i++) {
        suggest_offer(&s, commands[i]->name);
    }
    if (s.best) {
        fprintf(stderr, "pollux: unknown command '%s'; did you mean %s?\n", name, s.best);
        return EXIT_STATUS_FAILURE;
    }
    fprintf(stderr, "pollux: unknown command '%s'; it takes", name);
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(stderr, "%s %s", i ? "," : "", commands[i]->name);
    }
    fprintf(stderr, "\n");
    return EXIT_STATUS_FAILURE;
}

static int help_main(const struct command *cmd, int argc, char **argv)
{
    struct error err = {""};

    /* For the Makefile: from docs/pollux.1 to the page that is installed, and shell completions. */
    if (argc > 0 && !strcmp(argv[0], "--man")) {
        return man_page(commands, stdin, stdout, &err) < 0 ? command_fail(cmd, err.msg)
                                                           : EXIT_STATUS_OK;
    }
    if (argc > 1 && !strcmp(argv[0], "--completion")) {
        return completion_write(commands, argv[1], stdout, &err) < 0 ? command_fail(cmd, err.msg)
                                                                     : EXIT_STATUS_OK;
    }
    if (argc > 0) {
        const struct command *about = find_command(argv[0]);

        if (!about) {
            return unknown_command(argv[0]);
        }
        print_help(about);
    } else {
        print_usage(stdout);
    }
    return EXIT_STATUS_OK;
}

/*
 * With 0, 1 or 2 closed, the next file opened would take its place: a disk must not be stdout.
 * Without /dev/null the root directory stands in, which can be neither read nor written.
 */
static void fill_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0 &&
            open("/", O_RDONLY | O_DIRECTORY) < 0) {
            _exit(EXIT_STATUS_FAILURE);
        }
    }
}

/* Many queues want many eventfds; the soft limit is low only for the sake of select(2). */
static void raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    const struct command *cmd;
    const char *name;
    int status;

    signal(SIGXFSZ, SIG_IGN); /* at the file size limit a write fails, with a message */
    fill_standard_fds();
    raise_open_files();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_STATUS_FAILURE;
    }
    name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        name = "help";
    } else if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        name = "version";
    }
    cmd = find_command(name);
    if (!cmd) {
        return unknown_command(name);
    }
    status = cmd->main(cmd, argc - 2, argv + 2);
    /* A table or a trace that did not reach its file must not look like one that did. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_STATUS_OK) {
        status = command_fail(cmd, "cannot write to standard output");
    }
    return status;
}
