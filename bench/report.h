// SPDX-License-Identifier: MIT
/* pollux bench --report DIR: DIR/index.html, a page with charts that needs no other file. */
#ifndef POLLUX_BENCH_REPORT_H
#define POLLUX_BENCH_REPORT_H

#include <jansson.h>

#include "base/error.h"

/**
 * bench_report_prepare - before anything is measured: make the directory, look for Python
 * Return: 0 or -errno and @err.
 */
int bench_report_prepare(const char *dir, struct error *err);

/**
 * bench_report_check - before anything is measured: is DIR/index.html a file that the bench uses?
 * @path: of such a file; NULL: none
 * Return: 0, or -EINVAL and @err.
 */
int bench_report_check(const char *dir, const char *path, struct error *err);

/**
 * bench_report_write - make DIR/index.html
 * @root: what bench_json() returned
 * Return: 0 or -errno and @err. The page of an earlier result stays if Python fails, or if another
 *         process uses the file.
 */
int bench_report_write(const char *dir, const json_t *root, struct error *err);

#endif
