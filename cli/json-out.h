// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_JSON_OUT_H
#define POLLUX_CLI_JSON_OUT_H

#include <jansson.h>
#include <stdio.h>

/* Output of JSON documents. */

/**
 * json_text - a JSON string from bytes that may not be UTF-8, such as a file name
 * If @text is no valid UTF-8, every byte beyond ASCII becomes '?'.
 * Return: a new reference; NULL if there is no memory.
 */
json_t *json_text(const char *text);

/**
 * json_print - write @root and a line feed
 * @root: NULL if memory ran out while it was built
 * Return: 0 or -ENOMEM. The caller checks ferror(@out) for failed writes.
 */
int json_print(const json_t *root, FILE *out);

#endif
