// SPDX-License-Identifier: MIT
/* Options of a kernel command line. As in Linux, options end at a lone "--". */
#ifndef POLLUX_KVM_CMDLINE_H
#define POLLUX_KVM_CMDLINE_H

#include <stdbool.h>

/**
 * cmdline_has - does @line have the option @word, alone or followed by a comma and values?
 * @line: may be NULL
 * "console=ttyS0" is found in "console=ttyS0,115200", too.
 */
bool cmdline_has(const char *line, const char *word);

/**
 * cmdline_warning - find an option that disables hardware which a Linux guest needs
 * @line: may be NULL
 * Return: one line for the user, or NULL.
 */
const char *cmdline_warning(const char *line);

#endif
