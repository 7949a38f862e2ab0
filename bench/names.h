// SPDX-License-Identifier: MIT
/* What people call the parts of a plan. */
#ifndef POLLUX_BENCH_NAMES_H
#define POLLUX_BENCH_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "bench/bench.h"

/**
 * bench_pause_parse - TIME, exp:MEAN, bimodal:SHORT:LONG:PERCENT or on-off:ON:OFF
 * @out: the same in the shortest form, as the guest takes it too
 * Return: 0 or -EINVAL and @err.
 */
int bench_pause_parse(const char *text, char out[BENCH_PAUSE_MAX], struct error *err);

/**
 * bench_variant_name - "cost", "block+1024", "qemu grow-shrink/packed", "bare"
 * @cap: with poll-max-ns: "cost 200000"
 */
void bench_variant_name(const struct bench_variant *v, bool cap, char *buf, size_t size);

/**
 * bench_format_time - "0", "50us", "32768ns"
 * bench_format_size - "512", "4K", "1M"
 */
const char *bench_format_time(uint64_t ns, char *buf, size_t size);
const char *bench_format_size(uint64_t bytes, char *buf, size_t size);

/**
 * bench_name_group - "memory, linux-aio, 4K, depth 1, pause exp:50us"
 */
void bench_name_group(const struct bench_group *group, char *buf, size_t size);

/**
 * bench_format_variant, bench_format_group - such names from their parts, wherever they are from
 * @policy: "" if there is none
 * @cap: "" or a text
 * @depth: 0: without
 */
void bench_format_variant(const char *runner, const char *policy, unsigned idle, bool packed,
                          const char *cap, char *buf, size_t size);
void bench_format_group(const char *disk, const char *engine, uint64_t bs, unsigned depth,
                        const char *pause, char *buf, size_t size);

#endif
