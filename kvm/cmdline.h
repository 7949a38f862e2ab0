// SPDX-License-Identifier: MIT
/* What a guest's command line says, as Linux reads it: words, up to a lone "--". */
#ifndef POLLUX_KVM_CMDLINE_H
#define POLLUX_KVM_CMDLINE_H

#include <stdbool.h>

/**
 * cmdline_has - is @word one of the words of @line, alone or with more behind a comma?
 * @line: may be NULL
 * "console=ttyS0" is found in "console=ttyS0,115200", too.
 */
bool cmdline_has(const char *line, const char *word);

/**
 * cmdline_warning - what a Linux guest lacks because of an option of its command line
 * @line: may be NULL
 * Return: one line for people, or NULL if it lacks nothing.
 */
const char *cmdline_warning(const char *line);

#endif
