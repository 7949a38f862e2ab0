// SPDX-License-Identifier: MIT
/* The man page's part of the option tables, in the macros of man(7). */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cli/man-page.h"

/* For roff a hyphen to type is \-, and a dot at the start of a line begins a macro. */
static void escaped(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '\\':
            fputs("\\e", out);
            break;
        case '-':
            fputs("\\-", out);
            break;
        case '\n': /* the rest of an indented --help */
            fputs("\n.br\n", out);
            p += strspn(p + 1, " ");
            break;
        case '.':
        case '\'':
            if (p == text) {
                fputs("\\&", out);
            }
            /* fall through */
        default:
            fputc(*p, out);
        }
    }
}

static void font(FILE *out, char f, const char *text)
{
    fprintf(out, "\\f%c", f);
    escaped(out, text);
    fputs("\\fR", out);
}

/* @help, which begins without a capital and ends without a full stop, and @more. What is typed, as
 * in "engine=null: ...", keeps its form. */
static void sentences(FILE *out, const char *help, const char *more)
{
    fputc('\n', out);
    if (help) {
        bool typed = help[strcspn(help, " =")] == '=';

        fputc(typed ? *help : toupper((unsigned char)*help), out);
        escaped(out, help + 1);
        fputs(".\n", out);
    }
    if (more) {
        escaped(out, more);
        fputc('\n', out);
    }
}

static void choices(FILE *out, const struct option_key *key)
{
    for (unsigned i = 0; key->about && key->choice(i); i++) {
        fputs(".br\n", out);
        font(out, 'B', key->choice(i));
        fputs(": ", out);
        escaped(out, key->about(i));
        fputc('\n', out);
    }
}

static void value(FILE *out, const struct option_key *key)
{
    if (key->kind == OPTION_SWITCH || (key->kind == OPTION_CHOICE && !key->about)) {
        for (unsigned i = 0; key->choice && key->choice(i); i++) {
            fputs(i ? "|" : "", out);
            font(out, 'B', key->choice(i));
        }
        if (!key->choice) {
            font(out, 'B', "on|off");
        }
    } else {
        font(out, 'I', key->metavar);
    }
    fputs(key->list ? ",..." : "", out);
}

static void keys(FILE *out, const struct option *o)
{
    fputs(".RS\n", out);
    const struct option_key *k;

    for (unsigned i = 0; (k = option_key_at(o, i)); i++) {
        fputs(".TP\n", out);
        font(out, 'B', k->name);
        fputc('=', out);
        value(out, k);
        sentences(out, k->help, k->more);
        choices(out, k);
    }
    fputs(".RE\n", out);
}

void man_page_options(const struct option *options, FILE *out)
{
    for (const struct option *o = options; o->name; o++) {
        fputs(".TP\n\\fB\\-\\-", out);
        escaped(out, o->name);
        fputs("\\fR", out);
        if (o->keys) {
            fputc(' ', out);
            if (!o->plain) {
                fputc('[', out);
                font(out, 'B', o->keys->name);
                fputs("=]", out);
            }
            value(out, o->keys);
            fputs(o->plain ? "" : "[,\\fIkey\\fR=\\fIvalue\\fR...]", out);
        }
        sentences(out, o->help, o->more);
        if (o->keys && o->plain) {
            choices(out, o->keys);
        } else if (o->keys) {
            keys(out, o);
        }
    }
}

static const char marker[] = ".\\\" options of ";

int man_page(const struct command *const *commands, FILE *in, FILE *out, struct error *err)
{
    char line[1024];

    while (fgets(line, sizeof(line), in)) {
        const char *name = line + sizeof(marker) - 1;

        fputs(line, out);
        if (strncmp(line, marker, sizeof(marker) - 1) != 0) {
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        if (!*commands || strcmp((*commands)->name, name) != 0) {
            return error_set(err, -EINVAL, "%s%s is not in its place", marker, name);
        }
        man_page_options((*commands)->options, out);
        commands++;
    }
    return *commands && (*commands)->options->name
               ? error_set(err, -EINVAL, "%s%s is missing", marker, (*commands)->name)
               : 0;
}
