// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_JSON_TEXT_H
#define POLLUX_CLI_JSON_TEXT_H

#include <jansson.h>

/**
 * json_text - a string of bytes from outside, as names of files are
 * JSON has no others than UTF-8: where @text is something else, '?' stands for all but ASCII.
 * Return: a new reference; NULL if there is no memory.
 */
json_t *json_text(const char *text);

#endif
