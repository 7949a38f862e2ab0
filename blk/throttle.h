// SPDX-License-Identifier: MIT
/*
 * Limits of request rates, as leaky buckets. Arithmetic only: every time is an argument.
 *
 * A limit has a bucket. Each request adds its units (one operation, or its bytes) to the level, and
 * the level falls by @avg units a second. A request may begin while no level is above the size of its
 * bucket; then the level may rise above it, so a request larger than the bucket passes, too, and the
 * requests after it wait for longer.
 *
 * Without a burst rate a bucket holds 5 ms of its limit: no period of 100 ms exceeds the limit by
 * more than 5 % and one request. With a burst rate it holds what exceeds @avg in @max_length seconds
 * at @max, and a second bucket limits the rate to @max meanwhile.
 */
#ifndef POLLUX_BLK_THROTTLE_H
#define POLLUX_BLK_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum throttle_kind {
    THROTTLE_IOPS,
    THROTTLE_IOPS_RD,
    THROTTLE_IOPS_WR,
    THROTTLE_BPS,
    THROTTLE_BPS_RD,
    THROTTLE_BPS_WR,
    THROTTLE_KINDS
};

enum throttle_dir { THROTTLE_READ, THROTTLE_WRITE };

#define THROTTLE_RATE_MAX   1000000000000000ull /* units a second */
#define THROTTLE_LENGTH_MAX 3600                /* seconds */

/* In units (requests or bytes) a second. */
struct throttle_rate {
    uint64_t avg;        /* 0: no limit */
    uint64_t max;        /* of a burst; 0: no bursts */
    uint64_t max_length; /* of a burst, seconds; 0: 1 */
};

/* All zeroes: no limits. */
struct throttle_limits {
    struct throttle_rate rate[THROTTLE_KINDS];
    uint64_t iops_size; /* a request of more bytes counts as several; 0: as one */
};

struct throttle_bucket {
    double level;       /* below 0: a waiting request was woken too late */
    double burst_level; /* the same of the bucket of the burst rate */
};

struct throttle {
    struct throttle_limits limits;
    struct throttle_bucket buckets[THROTTLE_KINDS];
    uint64_t at_ns; /* the levels are those of this time */
};

/* throttle_kind_name - "iops", "iops-rd", ...; NULL past the last */
const char *throttle_kind_name(unsigned kind);

/* throttle_limited - is there a limit? */
bool throttle_limited(const struct throttle_limits *limits);

/**
 * throttle_check - are limits consistent, as QEMU asks it?
 * Return: 0, or -EINVAL and @err, which names the limits as throttle_kind_name() does.
 */
int throttle_check(const struct throttle_limits *limits, struct error *err);

/**
 * throttle_set - use @limits from @now on
 * A limit that was there before keeps its level, as a time: no change of limits begins a new burst,
 * and the wait for a large request does not grow when the limit falls.
 */
void throttle_set(struct throttle *t, const struct throttle_limits *limits, uint64_t now);

/**
 * throttle_advance - let the levels fall until @now
 * @waiting: a request was waiting all the time. What it could not use because it was woken late is
 *           made up for, up to 100 ms. Else what was not used is lost.
 */
void throttle_advance(struct throttle *t, uint64_t now, bool waiting);

/**
 * throttle_wait_ns - the time until a request may begin; after throttle_advance()
 * Return: ns; 0: a request may begin now. The time that is returned suffices for 1 ms of requests, so
 * that one timer serves several.
 */
uint64_t throttle_wait_ns(const struct throttle *t);

/**
 * throttle_charge - a request begins
 * @ops: 1, or 0 for further @bytes of a request that was charged
 */
void throttle_charge(struct throttle *t, enum throttle_dir dir, unsigned ops, uint64_t bytes);

#endif
