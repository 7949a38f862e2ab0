// SPDX-License-Identifier: MIT
/*
 * Completion scripts (cli/completion.h). bash gets a table of words and a function that looks them
 * up, because a list of keys is one word to it; zsh has _values for such lists; fish completes the
 * names of options only.
 */
#include <errno.h>
#include <string.h>

#include "cli/completion.h"

/* --- what the tables say --- */

static bool is_file(const struct option_key *key)
{
    return !strcmp(key->metavar, "FILE") || !strcmp(key->metavar, "PATH");
}

/* Choices, or on and off, separated by spaces. Return: false if the key has none. */
static bool put_choices(FILE *out, const struct option_key *key)
{
    if (key->kind == OPTION_SWITCH) {
        fputs("on off", out);
        return true;
    }
    for (unsigned i = 0; key->choice && key->choice(i); i++) {
        fprintf(out, "%s%s", i ? " " : "", key->choice(i));
    }
    return key->choice;
}

/* @text inside single quotes, with a backslash in front of each character of @special. */
static void put_quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
        } else {
            fputs(strchr(special, *text) ? "\\" : "", out);
            fputc(*text, out);
        }
    }
}

/* --- bash --- */

static const char bash_function[] =
    "_pollux() {\n"
    "    local before=${COMP_LINE:0:COMP_POINT} cur word item option words i\n"
    "    cur=${before##*[[:space:]]}\n"
    "    word=${cur##*[=:]} # the part that readline replaces\n"
    "    COMPREPLY=()\n"
    "    if [ \"${before%\"$cur\"}\" = \"${before%%[[:space:]]*} \" ]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_pollux_words '')\" -S ' ' -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    if [[ $cur == -* && $cur != *=* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_pollux_words \"${COMP_WORDS[1]}\")\" -S ' ' "
    "-- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        option=${cur%%=*} cur=${cur#*=}\n"
    "    else\n"
    "        option=${before%\"$cur\"}\n"
    "        option=${option%\"${option##*[![:space:]]}\"}\n"
    "        option=${option##*[[:space:]]}\n"
    "    fi\n"
    "    item=${cur##*,}\n"
    "    i=${COMP_WORDS[1]}:${option#--}\n"
    "    words=$(_pollux_words \"$i\")\n"
    "    if [[ $item == *=* ]]; then\n"
    "        words=$(_pollux_words \"$i:${item%%=*}\")\n"
    "        item=${item#*=}\n"
    "    elif [[ $words == *= ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -P \"${word%\"$item\"}\" -W \"$words\" -- "
    "\"$item\")\n"
    "        return\n"
    "    fi\n"
    "    if [ \"$words\" = @file ]; then\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$item\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$item\")\n"
    "    fi\n"
    "}\n"
    "complete -o nospace -F _pollux pollux\n";

static void bash_key(FILE *out, const char *place, const struct option_key *key)
{
    if (is_file(key)) {
        fprintf(out, "    %s) echo @file ;;\n", place);
    } else if (key->choice || key->kind == OPTION_SWITCH) {
        fprintf(out, "    %s) echo ", place);
        put_choices(out, key);
        fputs(" ;;\n", out);
    }
}

static void bash_option(FILE *out, const struct command *cmd, const struct option *o)
{
    const struct option_key *key;
    char place[128];

    snprintf(place, sizeof(place), "%s:%s", cmd->name, o->name);
    if (o->plain) {
        bash_key(out, place, o->keys);
        return;
    }
    fprintf(out, "    %s) echo", place);
    for (unsigned i = 0; (key = option_key_at(o, i)); i++) {
        fprintf(out, " %s=", key->name);
    }
    fputs(" ;;\n", out);
    for (unsigned i = 0; (key = option_key_at(o, i)); i++) {
        snprintf(place, sizeof(place), "%s:%s:%s", cmd->name, o->name, key->name);
        bash_key(out, place, key);
    }
}

static void bash(const struct command *const *commands, FILE *out)
{
    fputs("# bash completion for pollux; made from its option tables\n\n"
          "_pollux_words() {\n    case $1 in\n    '') echo",
          out);
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(out, " %s", commands[i]->name);
    }
    fputs(" ;;\n", out);
    for (unsigned i = 0; commands[i]; i++) {
        const struct option *options = commands[i]->options;

        fprintf(out, "    %s) echo", commands[i]->name);
        for (const struct option *o = options; o->name; o++) {
            fprintf(out, " --%s", o->name);
        }
        fputs(" --help ;;\n", out);
        for (const struct option *o = options; o->name; o++) {
            if (o->keys) {
                bash_option(out, commands[i], o);
            }
        }
    }
    fprintf(out, "    esac\n}\n\n%s", bash_function);
}

/* --- zsh --- */

/* ":message:action" of a value */
static void zsh_value(FILE *out, const struct option_key *key)
{
    fputc(':', out);
    put_quoted(out, key->metavar, ":[]\\");
    fputc(':', out);
    if (is_file(key)) {
        fputs("_files", out);
    } else if (key->choice || key->kind == OPTION_SWITCH) {
        fputc('(', out);
        put_choices(out, key);
        fputc(')', out);
    }
}

static void zsh_option(FILE *out, const struct option *o)
{
    fprintf(out, " \\\n            '*--%s[", o->name);
    put_quoted(out, o->help, "[]:\\");
    fputc(']', out);
    if (o->keys && o->plain) {
        zsh_value(out, o->keys);
    } else if (o->keys) {
        fprintf(out, ":keys:_pollux_keys_%s", o->name);
    }
    fputc('\'', out);
}

/* A function for the keys of an option; those of several commands are the same, or one has more. */
static void zsh_keys(FILE *out, const struct option *o)
{
    const struct option_key *key;

    fprintf(out, "    _pollux_keys_%s() { _values -s , key", o->name);
    for (unsigned i = 0; (key = option_key_at(o, i)); i++) {
        fprintf(out, " \\\n        '%s[", key->name);
        put_quoted(out, key->help, "[]:\\");
        fputc(']', out);
        zsh_value(out, key);
        fputc('\'', out);
    }
    fputs("\n    }\n", out);
}

static void zsh(const struct command *const *commands, FILE *out)
{
    fputs("#compdef pollux\n# zsh completion for pollux; made from its option tables\n\n"
          "local -a commands=(",
          out);
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(out, "\n    '%s:", commands[i]->name);
        put_quoted(out, commands[i]->summary, ":\\");
        fputc('\'', out);
    }
    fputs("\n)\n\nif (( CURRENT == 2 )); then\n    _describe command commands\n    return\nfi\n"
          "local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n",
          out);
    for (unsigned i = 0; commands[i]; i++) {
        const struct option *options = commands[i]->options;

        fprintf(out, "%s)\n", commands[i]->name);
        for (const struct option *o = options; o->name; o++) {
            if (o->keys && !o->plain) {
                zsh_keys(out, o);
            }
        }
        fputs("    _arguments", out);
        for (const struct option *o = options; o->name; o++) {
            zsh_option(out, o);
        }
        fputs(" \\\n            '--help[list the options]'\n    ;;\n", out);
    }
    fputs("esac\n", out);
}

/* --- fish --- */

static void fish(const struct command *const *commands, FILE *out)
{
    fputs("# fish completion for pollux; made from its option tables\n\n", out);
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(out, "complete -c pollux -f -n __fish_use_subcommand -a %s -d '",
                commands[i]->name);
        put_quoted(out, commands[i]->summary, "");
        fputs("'\n", out);
    }
    for (unsigned i = 0; commands[i]; i++) {
        for (const struct option *o = commands[i]->options; o->name; o++) {
            fprintf(out, "complete -c pollux -n '__fish_seen_subcommand_from %s' -l %s%s",
                    commands[i]->name, o->name, o->keys ? " -r" : "");
            if (o->keys && o->plain && !o->keys->list && o->keys->choice) {
                fputs(" -f -a '", out);
                put_choices(out, o->keys);
                fputc('\'', out);
            }
            fputs(" -d '", out);
            put_quoted(out, o->help, "");
            fputs("'\n", out);
        }
    }
}

int completion_write(const struct command *const *commands, const char *shell, FILE *out,
                     struct error *err)
{
    if (!strcmp(shell, "bash")) {
        bash(commands, out);
    } else if (!strcmp(shell, "zsh")) {
        zsh(commands, out);
    } else if (!strcmp(shell, "fish")) {
        fish(commands, out);
    } else {
        return error_set(err, -EINVAL, "'%s' is not known; it takes bash, zsh or fish", shell);
    }
    return 0;
}
