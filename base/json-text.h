// SPDX-License-Identifier: MIT
#ifndef POLLUX_BASE_JSON_TEXT_H
#define POLLUX_BASE_JSON_TEXT_H

#include <jansson.h>

/**
 * json_text - a JSON string from bytes that may not be UTF-8, such as a file name
 * If @text is no valid UTF-8, every byte beyond ASCII becomes '?'.
 * Return: a new reference; NULL if there is no memory.
 */
json_t *json_text(const char *text);

#endif
