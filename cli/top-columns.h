// SPDX-License-Identifier: MIT
/* The columns of `pollux top`: title, key in JSON, unit and meaning of each figure. */
#ifndef POLLUX_CLI_TOP_COLUMNS_H
#define POLLUX_CLI_TOP_COLUMNS_H

#include "cli/top-rates.h"

struct top_column {
    enum top_figure figure;
    const char *title;
    const char *key;   /* in JSON, where figures have the unit of enum top_figure */
    unsigned width;    /* with a space to the left */
    unsigned decimals; /* at most */
    double unit;       /* what 1 in the column is */
    const char *about; /* one line */
};

/* In the order of the screen; a narrow terminal has the first ones only. */
extern const struct top_column top_columns[TOP_FIGURES];

#define TOP_POLICY_WIDTH 13 /* the policy follows the columns if all have room */

/**
 * top_name_width - width of the name in a line of @width characters, with a space to the right
 * top_columns_in - how many columns fit beside the name
 * top_policy_in - does the policy fit, too?
 */
unsigned top_name_width(unsigned width);
unsigned top_columns_in(unsigned width);
bool top_policy_in(unsigned width);

/**
 * top_number - @value in units of the column, at most column->width - 1 characters
 * Large numbers get k, M or G; NAN is "-".
 */
void top_number(char *out, size_t size, const struct top_column *column, double value);

#endif
