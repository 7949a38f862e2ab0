// SPDX-License-Identifier: MIT
/* The keys of --disk that limit a disk, and throttle groups. */
#ifndef POLLUX_CLI_LIMIT_OPTIONS_H
#define POLLUX_CLI_LIMIT_OPTIONS_H

#include "blk/disk.h"
#include "cli/options.h"

#define LIMIT_KEY_(type, limits, key, kind_, metavar_, at, top, ...)                               \
    {                                                                                              \
        .name = key, .kind = kind_, .metavar = metavar_, .max = top, .help = __VA_ARGS__,          \
        OPTION_AT(type, limits.at)                                                                 \
    }

/* Three rows: the rate, the rate of a burst, its length. */
#define LIMIT_RATE_KEYS_(type, limits, key, kind, metavar, which, ...)                             \
    LIMIT_KEY_(type, limits, key, kind, metavar, rate[which].avg, THROTTLE_RATE_MAX, __VA_ARGS__), \
        LIMIT_KEY_(type, limits, key "-max", kind, metavar, rate[which].max, THROTTLE_RATE_MAX,    \
                   "the same in a burst"),                                                         \
        LIMIT_KEY_(type, limits, key "-max-length", OPTION_NUMBER, "SECONDS",                      \
                   rate[which].max_length, THROTTLE_LENGTH_MAX, "length of a burst; default 1")

/* Rows of a key table. @limits: the struct throttle_limits in @type; @group: a const char * there */
#define LIMIT_KEYS(type, limits, group)                                                            \
    LIMIT_RATE_KEYS_(type, limits, "iops", OPTION_NUMBER, "N", THROTTLE_IOPS,                      \
                     "requests a second; default 0: no limit",                                     \
                     .more = "All keys from here to throttle-group are limits; docs/limits.md "    \
                             "explains them."),                                                    \
        LIMIT_RATE_KEYS_(type, limits, "iops-rd", OPTION_NUMBER, "N", THROTTLE_IOPS_RD,            \
                         "reads a second"),                                                        \
        LIMIT_RATE_KEYS_(type, limits, "iops-wr", OPTION_NUMBER, "N", THROTTLE_IOPS_WR,            \
                         "writes, discards and write zeroes a second"),                            \
        LIMIT_RATE_KEYS_(type, limits, "bps", OPTION_SIZE, "SIZE", THROTTLE_BPS,                   \
                         "bytes a second; K, M and G are powers of 1024"),                         \
        LIMIT_RATE_KEYS_(type, limits, "bps-rd", OPTION_SIZE, "SIZE", THROTTLE_BPS_RD,             \
                         "bytes read a second"),                                                   \
        LIMIT_RATE_KEYS_(type, limits, "bps-wr", OPTION_SIZE, "SIZE", THROTTLE_BPS_WR,             \
                         "bytes written a second"),                                                \
        LIMIT_KEY_(type, limits, "iops-size", OPTION_SIZE, "SIZE", iops_size, 1ull << 40,          \
                   "a request of N times SIZE counts as N; default: as one"),                      \
    {                                                                                              \
        .name = "throttle-group", .metavar = "NAME",                                               \
        .help = "disks with the same NAME share one set of limits, given with one of them",        \
        .min = 1, OPTION_AT(type, group)                                                           \
    }

/**
 * limits_plan - check limits, and put disks of the same throttle_group into one group
 * @disks:  device.group of each is set
 * @groups: @nr of them, used by the disks; some are filled. They outlive the disks' devices.
 * Return: 0, or -EINVAL and @err: one line.
 */
int limits_plan(struct disk_config *disks, unsigned nr, struct throttle_group *groups,
                struct error *err);

#endif
