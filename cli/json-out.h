// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_JSON_OUT_H
#define POLLUX_CLI_JSON_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "base/json-text.h"

/* Output of JSON documents. */

/**
 * json_print - write @root and a line feed
 * @root: NULL if memory ran out while it was built
 * Return: 0 or -ENOMEM. The caller checks ferror(@out) for failed writes.
 */
int json_print(const json_t *root, FILE *out);

#endif
