// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_ACCOUNT_H
#define POLLUX_CLI_ACCOUNT_H

#include <stdio.h>

#include "iothread/iothread.h"

/**
 * account_print - what an I/O thread did and for whom: some lines, and a table of its handlers
 */
void account_print(struct iothread *io, FILE *out);

#endif
