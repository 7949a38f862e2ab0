// SPDX-License-Identifier: MIT
/* Completion scripts: bash runs its own; of the others the parts are looked for. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/completion.h"
#include "cli/run-options.h"
#include "cli/vhost-options.h"
#include "tests/unit/suite.h"

static const struct option none[] = {{.name = NULL}};
static const struct command run = {.name = "run", .summary = "boot", .options = run_options},
                            vhost_user = {.name = "vhost-user",
                                          .summary = "serve disks",
                                          .options = vhost_options},
                            doctor = {.name = "doctor", .summary = "look", .options = none};
static const struct command *const commands[] = {&run, &vhost_user, &doctor, NULL};

static char dir[64], script[96];

static void write_script(void)
{
    struct error err = {""};
    FILE *f;

    strcpy(dir, "/tmp/pollux-completion-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(script, sizeof(script), "%s/pollux", dir);
    f = fopen(script, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(completion_write(commands, "bash", f, &err), 0);
    fclose(f);
}

static void remove_script(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static const struct {
    const char *line, *want; /* what bash offers for the line, separated by '|' */
} lines[] = {
    {"pollux r", "run |"},
    {"pollux run --ke", "--kernel |"},
    {"pollux run --disk eng", "engine=|"},
    {"pollux run --disk file=a.img,eng", "a.img,engine=|"},
    {"pollux run --disk file=a.img,engine=nu", "null|"},
    {"pollux run --disk=file=a.img,merge=o", "on|off|"},
    {"pollux run --memory 1G,sh", "1G,shared=|"},
    {"pollux vhost-user --disk engine=null,socket-m", "null,socket-mode=|"},
    {"pollux run --disk engine=null,socket-m", ""},
    {"pollux run --kernel DIR/po", "DIR/pollux|"},
    {"pollux run --disk file=DIR/po", "DIR/pollux|"},
    {"pollux run --cpus ", ""},
    {"pollux doctor --h", "--help |"},
};

START_TEST(bash_completes_each_part_of_a_line)
{
    char line[256] = "", command[1024], got[1024] = "", want[256] = "";
    const char *at;
    size_t n;
    FILE *f;

    for (unsigned i = 0; i < 2; i++) { /* "DIR" is the directory of the script */
        const char *from = i ? lines[_i].want : lines[_i].line;
        char *to = i ? want : line;

        at = strstr(from, "DIR");
        snprintf(to, 256, "%.*s%s%s", at ? (int)(at - from) : (int)strlen(from), from,
                 at ? dir : "", at ? at + 3 : "");
    }
    snprintf(command, sizeof(command),
             "bash -c 'compopt() { :; }; . %s; COMP_LINE=\"%s\"; COMP_POINT=${#COMP_LINE}; "
             "COMP_WORDS=($COMP_LINE); _pollux; for i in \"${COMPREPLY[@]}\"; do echo -n \"$i|\"; "
             "done'",
             script, line);
    f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    n = fread(got, 1, sizeof(got) - 1, f);
    got[n] = '\0';
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_str_eq(got, want);
}
END_TEST

static char *text_of(const char *shell)
{
    struct error err = {""};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(completion_write(commands, shell, f, &err), 0);
    fclose(f);
    return text;
}

START_TEST(zsh_and_fish_name_options_with_their_help)
{
    char *zsh = text_of("zsh"), *fish = text_of("fish");

    ck_assert_ptr_nonnull(strstr(zsh, "'*--kernel[what to boot\\: a bzImage, or an ELF"));
    ck_assert_ptr_nonnull(strstr(zsh, ":FILE:_files'"));
    ck_assert_ptr_nonnull(strstr(zsh, "'merge[adjacent requests go to the host as one; default on]"
                                      ":on|off:(on off)'"));
    ck_assert_ptr_nonnull(strstr(zsh, "host'\\''s page cache"));
    ck_assert_ptr_nonnull(
        strstr(fish, "-n '__fish_seen_subcommand_from run' -l kernel -r -d 'what to boot"));
    free(zsh);
    free(fish);
}
END_TEST

START_TEST(another_shell_is_refused)
{
    struct error err = {""};

    ck_assert_int_eq(completion_write(commands, "tcsh", stdout, &err), -EINVAL);
    ck_assert_str_eq(err.msg, "'tcsh' is not known; it takes bash, zsh or fish");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("completion");
    TCase *tc = tcase_create("completion");

    if (access("/bin/bash", X_OK) < 0) {
        fprintf(stderr, "there is no bash\n");
        return 77;
    }
    tcase_add_checked_fixture(tc, write_script, remove_script);
    tcase_add_loop_test(tc, bash_completes_each_part_of_a_line, 0,
                        sizeof(lines) / sizeof(lines[0]));
    tcase_add_test(tc, zsh_and_fish_name_options_with_their_help);
    tcase_add_test(tc, another_shell_is_refused);
    suite_add_tcase(s, tc);
    return suite_run(s);
}
