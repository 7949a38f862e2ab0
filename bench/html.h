// SPDX-License-Identifier: MIT
/* Parts of a page in HTML. Errors stay in the stream, for who closes it. */
#ifndef POLLUX_BENCH_HTML_H
#define POLLUX_BENCH_HTML_H

#include <stdint.h>
#include <stdio.h>

/**
 * html_begin - all that comes before the first heading
 * html_end - what comes last
 */
void html_begin(FILE *out, const char *title);
void html_end(FILE *out);

/* A text that may have characters in it that mean something in HTML. */
void html_text(FILE *out, const char *text);

/* A colour and its name, in a list of class "legend". */
void html_legend_entry(FILE *out, uint32_t rgb, const char *name);

/**
 * html_svg - the next <svg> of *@svgs, without its title, which would pop up under the mouse
 * @svgs: set to what follows it; if there is no more, nothing is written
 */
void html_svg(FILE *out, char **svgs);

#endif
