// SPDX-License-Identifier: MIT
/*
 * The screen of `pollux top`: pure functions from rows to text of a width and height, and from keys to
 * a view. cli/top-view.c brings both to a terminal.
 */
#ifndef POLLUX_CLI_TOP_SCREEN_H
#define POLLUX_CLI_TOP_SCREEN_H

#include "cli/top-rates.h"

#define TOP_TITLE_LINE  0
#define TOP_HEADER_LINE 2 /* titles of the columns */
#define TOP_WIDTH_MAX   512
#define TOP_HEIGHT_MAX  512

/* Keys that are no character. */
enum top_key {
    TOP_KEY_UP = 256,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
};

/* What the screen shows. */
struct top_view {
    const char *title;    /* at the left of the first line */
    uint64_t interval_ns; /* at its right */
    enum top_figure sort; /* TOP_FIGURES: the order of the server */
    bool reverse, paused, help, quit;
    unsigned first; /* line of the list at the top; top_draw() limits it */
};

/**
 * top_table_lines - lines of the list: threads, an empty line, disks
 * top_table_line - one of them
 * top_table_header - the titles of the columns; that of the order has a * to its left
 * @out: @width characters and a NUL, without spaces at the end
 */
unsigned top_table_lines(const struct top_rows *rows);
void top_table_line(const struct top_rows *rows, unsigned i, unsigned width, char *out);
void top_table_header(enum top_figure sort, unsigned width, char *out);

/**
 * top_draw - the whole screen
 * @rows: sorted
 * @grid: @height lines of @width characters, without NUL; at most TOP_HEIGHT_MAX, TOP_WIDTH_MAX
 */
void top_draw(struct top_view *view, const struct top_rows *rows, unsigned width, unsigned height,
              char *grid);

/**
 * top_press - what a key does to the view
 * @key: a character or an enum top_key. Others have no effect, but any key that does not scroll ends the
 *       help
 * @width, @height: of the terminal: the order goes through the columns that it shows
 */
void top_press(struct top_view *view, int key, unsigned width, unsigned height);

#endif
