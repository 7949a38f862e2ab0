// SPDX-License-Identifier: MIT
/* --trace FILE: a trace and the file it goes to. */
#ifndef POLLUX_CLI_TRACE_FILE_H
#define POLLUX_CLI_TRACE_FILE_H

#include "base/error.h"
#include "trace/trace.h"

#define TRACE_FILE_HELP                                                                            \
    "record what vCPUs and I/O threads did last, for https://ui.perfetto.dev, into FILE"

struct trace_file {
    const char *path;
    FILE *out;
    struct trace *trace; /* NULL: none */
};

/**
 * trace_file_open - create the file now, so that a bad path is known before anything runs
 * @path:   NULL: no trace; then trace_file_close() does nothing
 * @events: room of each track
 * Return: 0 or -errno and @err.
 */
int trace_file_open(struct trace_file *f, const char *path, unsigned events, struct error *err);

/**
 * trace_file_write - write what was recorded, close the file
 * Context: threads that record may still be there; the trace stays.
 * Return: 0 or -errno and @err.
 */
int trace_file_write(struct trace_file *f, struct error *err);

/**
 * trace_file_close - write what was recorded, close and free
 * Context: everything that records has been freed. Safe on a zeroed trace_file.
 * Return: 0 or -errno and @err.
 */
int trace_file_close(struct trace_file *f, struct error *err);

#endif
