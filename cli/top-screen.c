// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/top-columns.h"
#include "cli/top-screen.h"

#define LINES_AROUND 4 /* title, sum, titles of the columns; keys at the bottom */

/* --- text --- */

/* A line of @width characters that is written from left to right and cut at its end. */
struct line {
    char *text;
    unsigned width;
};

static void line_begin(struct line *l, char *out, unsigned width)
{
    *l = (struct line){.text = out, .width = width};
    memset(out, ' ', width);
    out[width] = '\0';
}

static void line_put(struct line *l, unsigned at, const char *text)
{
    for (; *text && at < l->width; at++, text++) {
        l->text[at] = *text;
    }
}

static void line_end(struct line *l)
{
    unsigned n = l->width;

    while (n && l->text[n - 1] == ' ') {
        n--;
    }
    l->text[n] = '\0';
}

/* --- the list --- */

unsigned top_table_lines(const struct top_rows *rows)
{
    return rows->nr_threads + (rows->nr_threads && rows->nr_disks) + rows->nr_disks;
}

/* Return: row of line @i of the list, or NULL between threads and disks. */
static const struct top_row *row_at(const struct top_rows *rows, unsigned i)
{
    unsigned gap = rows->nr_threads && rows->nr_disks;

    if (i < rows->nr_threads) {
        return &rows->row[i];
    }
    return gap && i == rows->nr_threads ? NULL : &rows->row[i - gap];
}

void top_table_line(const struct top_rows *rows, unsigned i, unsigned width, char *out)
{
    const struct top_row *row = row_at(rows, i);
    unsigned at = top_name_width(width);
    char text[32];
    struct line l;

    line_begin(&l, out, width);
    if (row) {
        snprintf(text, sizeof(text), "%.*s", (int)at - 1, row->name);
        line_put(&l, 0, text);
    }
    if (row && !row->answers) {
        line_put(&l, at, "does not answer");
    } else if (row) {
        for (unsigned c = 0; c < top_columns_in(width); c++) {
            top_number(text, sizeof(text), &top_columns[c], row->figure[top_columns[c].figure]);
            at += top_columns[c].width;
            line_put(&l, at - (unsigned)strlen(text), text);
        }
        if (top_policy_in(width)) {
            line_put(&l, at + 2, row->policy);
        }
    }
    line_end(&l);
}

void top_table_header(enum top_figure sort, unsigned width, char *out)
{
    unsigned at = top_name_width(width);
    struct line l;

    line_begin(&l, out, width);
    line_put(&l, 0, "NAME");
    for (unsigned c = 0; c < top_columns_in(width); c++) {
        unsigned len = (unsigned)strlen(top_columns[c].title);

        at += top_columns[c].width;
        line_put(&l, at - len, top_columns[c].title);
        if (top_columns[c].figure == sort) {
            line_put(&l, at - len - 1, "*");
        }
    }
    if (top_policy_in(width)) {
        line_put(&l, at + 2, "POLICY");
    }
    line_end(&l);
}

/* --- help --- */

static const char *const help_keys[] = {
    "  q            quit",
    "  p, space     pause, go on",
    "  s, S         order by the next or previous column; it is marked with *",
    "  n            order of the server",
    "  r            reverse the order",
    "  up, down, page up, page down, home, end   scroll",
    "  h, ?         this help; again, or any other key, ends it",
    "",
};
#define NR_HELP_KEYS (sizeof(help_keys) / sizeof(help_keys[0]))

static unsigned help_lines(unsigned width)
{
    return NR_HELP_KEYS + top_columns_in(width);
}

static void help_line(unsigned i, unsigned width, char *out)
{
    char text[128];
    struct line l;

    line_begin(&l, out, width);
    if (i < NR_HELP_KEYS) {
        line_put(&l, 0, help_keys[i]);
    } else {
        const struct top_column *c = &top_columns[i - NR_HELP_KEYS];

        snprintf(text, sizeof(text), "  %-12s %s", c->title, c->about);
        line_put(&l, 0, text);
    }
    line_end(&l);
}

/* --- the screen --- */

static void put_right(struct line *l, const char *text)
{
    unsigned len = (unsigned)strlen(text);

    if (len < l->width) {
        line_put(l, l->width - len - 1, " ");
        line_put(l, l->width - len, text);
    }
}

static double sum(const struct top_rows *rows, enum top_figure figure)
{
    double total = NAN;

    for (unsigned i = 0; i < rows->nr_disks; i++) {
        double more = rows->row[rows->nr_threads + i].figure[figure];

        if (!isnan(more)) {
            total = isnan(total) ? more : total + more;
        }
    }
    return total;
}

static void draw_title(const struct top_view *view, unsigned width, char *out)
{
    char text[64];
    struct line l;

    line_begin(&l, out, width);
    line_put(&l, 0, "pollux top  ");
    line_put(&l, 12, view->title);
    snprintf(text, sizeof(text), "%severy %g s", view->paused ? "PAUSED  " : "",
             (double)view->interval_ns / 1e9);
    put_right(&l, text);
    line_end(&l);
}

static void draw_sum(const struct top_rows *rows, unsigned width, char *out)
{
    char iops[32], mb[32], text[160];
    struct line l;

    top_number(iops, sizeof(iops), &top_columns[0], sum(rows, TOP_IOPS));
    top_number(mb, sizeof(mb), &top_columns[1], sum(rows, TOP_MB));
    snprintf(text, sizeof(text), "%u I/O thread%s, %u disk%s: %s IOPS, %s MB/s", rows->nr_threads,
             rows->nr_threads == 1 ? "" : "s", rows->nr_disks, rows->nr_disks == 1 ? "" : "s", iops,
             mb);
    line_begin(&l, out, width);
    line_put(&l, 0, text);
    line_end(&l);
}

static void draw_keys(const struct top_view *view, unsigned total, unsigned room, unsigned width,
                      char *out)
{
    char text[64];
    struct line l;

    line_begin(&l, out, width);
    line_put(&l, 0, "q quit  p pause  s S order  r reverse  h help");
    if (total > room && room) {
        snprintf(text, sizeof(text), "lines %u to %u of %u", view->first + 1, view->first + room,
                 total);
        put_right(&l, text);
    }
    line_end(&l);
}

void top_draw(struct top_view *view, const struct top_rows *rows, unsigned width, unsigned height,
              char *grid)
{
    unsigned total = view->help ? help_lines(width) : top_table_lines(rows);
    unsigned room = height > LINES_AROUND ? height - LINES_AROUND : 0;
    char line[TOP_WIDTH_MAX + 1];

    if (view->first + room > total) {
        view->first = total > room ? total - room : 0;
    }
    memset(grid, ' ', (size_t)width * height);
    for (unsigned y = 0; y < height; y++) {
        unsigned i = view->first + y - TOP_HEADER_LINE - 1;

        *line = '\0';
        if (y == TOP_TITLE_LINE) {
            draw_title(view, width, line);
        } else if (y < TOP_HEADER_LINE) {
            draw_sum(rows, width, line);
        } else if (y == TOP_HEADER_LINE && !view->help) {
            top_table_header(view->sort, width, line);
        } else if (y > TOP_HEADER_LINE && y + 1 == height) {
            draw_keys(view, total, room, width, line);
        } else if (y > TOP_HEADER_LINE && i < total && view->help) {
            help_line(i, width, line);
        } else if (y > TOP_HEADER_LINE && i < total) {
            top_table_line(rows, i, width, line);
        }
        memcpy(grid + (size_t)width * y, line, strlen(line));
    }
}

/* --- keys --- */

/* The next column of those that are shown, and after the last one the order of the server. */
static void next_order(struct top_view *view, unsigned width, bool back)
{
    unsigned shown = top_columns_in(width), at = shown;

    for (unsigned c = 0; c < shown; c++) {
        if (top_columns[c].figure == view->sort) {
            at = c;
        }
    }
    at = (at + (back ? shown : 1)) % (shown + 1);
    view->sort = at < shown ? top_columns[at].figure : TOP_FIGURES;
}

static void scroll(struct top_view *view, int key, unsigned height)
{
    unsigned page = height > LINES_AROUND ? height - LINES_AROUND : 1;
    unsigned by = key == TOP_KEY_PAGE_UP || key == TOP_KEY_PAGE_DOWN ? page : 1;

    switch (key) {
    case TOP_KEY_HOME:
        view->first = 0;
        break;
    case TOP_KEY_END:
        view->first = INT32_MAX;
        break;
    case TOP_KEY_UP:
    case TOP_KEY_PAGE_UP:
        view->first -= by < view->first ? by : view->first;
        break;
    default:
        view->first += by;
    }
}

void top_press(struct top_view *view, int key, unsigned width, unsigned height)
{
    if (key >= TOP_KEY_UP && key <= TOP_KEY_END) {
        scroll(view, key, height);
        return;
    }
    if (key == 'q' || key == 'Q') {
        view->quit = true;
        return;
    }
    if (view->help || key == 'h' || key == '?') {
        view->help = !view->help;
        view->first = 0;
        return;
    }
    switch (key) {
    case 'p':
    case ' ':
        view->paused = !view->paused;
        break;
    case 's':
    case 'S':
        next_order(view, width, key == 'S');
        break;
    case 'n':
        view->sort = TOP_FIGURES;
        break;
    case 'r':
        view->reverse = !view->reverse;
        break;
    }
}
