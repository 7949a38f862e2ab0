// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_OUTPUTS_H
#define POLLUX_CLI_OUTPUTS_H

#include "cli/iothread-options.h"

/**
 * outputs_check - --trace and record= do not name a file that the process reads or is to serve
 * They are opened, and truncated, before those.
 * @trace: NULL: none
 * @files: paths; NULL for those that were not given
 * Return: 0, or -EINVAL and @err.
 */
int outputs_check(const char *trace, const struct iothread_list *iothreads,
                  const char *const files[], unsigned nr, struct error *err);

#endif
