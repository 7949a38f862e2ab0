// SPDX-License-Identifier: MIT
/* Text of a program that is not trusted, for a terminal. */
#ifndef POLLUX_BASE_PLAIN_TEXT_H
#define POLLUX_BASE_PLAIN_TEXT_H

#include <stddef.h>

/**
 * plain_text - copy @text, each byte that is not printable ASCII as '?'
 * @text: NULL counts as an empty one; what exceeds @size is dropped
 */
void plain_text(char *out, size_t size, const char *text);

#endif
