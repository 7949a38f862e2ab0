// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_JSON_OUT_H
#define POLLUX_CLI_JSON_OUT_H

#include <jansson.h>
#include <stdio.h>

/**
 * json_text - a string of bytes from outside, as names of files are
 * JSON has no others than UTF-8: where @text is something else, '?' stands for all but ASCII.
 * Return: a new reference; NULL if there is no memory.
 */
json_t *json_text(const char *text);

/**
 * json_print - @root and the end of a line; NULL: there was no memory to make it
 * Return: 0 or -ENOMEM. That @out took it is for ferror() to tell.
 */
int json_print(const json_t *root, FILE *out);

#endif
