// SPDX-License-Identifier: MIT
/* Files that Pollux writes besides disk images: event traces, recorded waits, results. */
#ifndef POLLUX_BASE_OUTPUT_FILE_H
#define POLLUX_BASE_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/**
 * output_file_open - open @path for writing, made if it is missing
 * A regular file is locked as a disk image is (base/image-lock.h) and truncated only then, so that
 * an image that a machine uses is neither overwritten, nor opened as a disk while it is written.
 * Pipes, FIFOs with a reader and terminals are accepted, block devices are not.
 * @what: the option, for messages: "--trace"
 * Context: any thread; may wait a second for the lock of a process that has just ended.
 * Return: 0 and *@out, or -errno and @err. The caller closes *@out, which also unlocks.
 */
int output_file_open(const char *what, const char *path, FILE **out, struct error *err);

/**
 * output_file_same - do two paths name the same file, by links as well?
 * For files that are opened after the output, and so are not locked yet. False if one of them is
 * NULL or missing.
 */
bool output_file_same(const char *a, const char *b);

#endif
