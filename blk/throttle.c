// SPDX-License-Identifier: MIT
/* Leaky buckets (blk/throttle.h). Levels are doubles: a rate of any size divides time exactly enough. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "blk/throttle.h"

#define NS         1e9
#define SLACK_S    0.005 /* what a bucket holds, in seconds of its rate */
#define QUANTUM_S  0.001 /* what a wait makes room for */
#define CATCH_UP_S 0.1   /* what a waiting request that was woken late may make up for */

static const char *const names[THROTTLE_KINDS] = {
    [THROTTLE_IOPS] = "iops", [THROTTLE_IOPS_RD] = "iops-rd", [THROTTLE_IOPS_WR] = "iops-wr",
    [THROTTLE_BPS] = "bps",   [THROTTLE_BPS_RD] = "bps-rd",   [THROTTLE_BPS_WR] = "bps-wr",
};

const char *throttle_kind_name(unsigned kind)
{
    return kind < THROTTLE_KINDS ? names[kind] : NULL;
}

bool throttle_limited(const struct throttle_limits *limits)
{
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        if (limits->rate[i].avg) {
            return true;
        }
    }
    return false;
}

/* --- consistency --- */

static int check_rate(const struct throttle_rate *r, const char *name, struct error *err)
{
    if (r->avg > THROTTLE_RATE_MAX || r->max > THROTTLE_RATE_MAX) {
        return error_set(err, -EINVAL, "%s: at most %llu is possible", name, THROTTLE_RATE_MAX);
    }
    if (r->max && !r->avg) {
        return error_set(err, -EINVAL, "%s-max needs %s, the rate outside of bursts", name, name);
    }
    if (r->max && r->max < r->avg) {
        return error_set(err, -EINVAL, "%s-max (%" PRIu64 ") is below %s (%" PRIu64 ")", name,
                         r->max, name, r->avg);
    }
    if (r->max_length && !r->max) {
        return error_set(err, -EINVAL, "%s-max-length needs %s-max", name, name);
    }
    if (r->max_length > THROTTLE_LENGTH_MAX) {
        return error_set(err, -EINVAL, "%s-max-length: at most %d seconds are possible", name,
                         THROTTLE_LENGTH_MAX);
    }
    return 0;
}

/* A limit on all requests, and on reads or writes: which one counts would be a guess. */
static int check_exclusive(const struct throttle_limits *limits, unsigned total, struct error *err)
{
    for (unsigned i = total + 1; i <= total + 2; i++) {
        if (limits->rate[total].avg && limits->rate[i].avg) {
            return error_set(err, -EINVAL, "%s and %s exclude each other", names[total], names[i]);
        }
    }
    return 0;
}

int throttle_check(const struct throttle_limits *limits, struct error *err)
{
    int ret = 0;

    for (unsigned i = 0; i < THROTTLE_KINDS && ret == 0; i++) {
        ret = check_rate(&limits->rate[i], names[i], err);
    }
    if (ret == 0) {
        ret = check_exclusive(limits, THROTTLE_IOPS, err);
    }
    if (ret == 0) {
        ret = check_exclusive(limits, THROTTLE_BPS, err);
    }
    if (ret == 0 && limits->iops_size && !limits->rate[THROTTLE_IOPS].avg &&
        !limits->rate[THROTTLE_IOPS_RD].avg && !limits->rate[THROTTLE_IOPS_WR].avg) {
        ret = error_set(err, -EINVAL, "iops-size needs iops, iops-rd or iops-wr");
    }
    return ret;
}

/* --- buckets --- */

static double bucket_size(const struct throttle_rate *r)
{
    double slack = (double)r->avg * SLACK_S;
    double burst =
        r->max ? (double)(r->max - r->avg) * (double)(r->max_length ? r->max_length : 1) : 0;

    return burst > slack ? burst : slack;
}

static double fall(double level, double units, double floor)
{
    level -= units;
    return level > floor ? level : floor;
}

void throttle_advance(struct throttle *t, uint64_t now, bool waiting)
{
    double s = now > t->at_ns ? (double)(now - t->at_ns) / NS : 0;

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        const struct throttle_rate *r = &t->limits.rate[i];
        struct throttle_bucket *b = &t->buckets[i];
        double late = waiting ? CATCH_UP_S - SLACK_S : 0;

        b->level = fall(b->level, (double)r->avg * s, -(double)r->avg * late);
        b->burst_level = fall(b->burst_level, (double)r->max * s, -(double)r->max * late);
    }
    t->at_ns = now > t->at_ns ? now : t->at_ns;
}

void throttle_set(struct throttle *t, const struct throttle_limits *limits, uint64_t now)
{
    throttle_advance(t, now, false);
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        const struct throttle_rate *old = &t->limits.rate[i], *new = &limits->rate[i];
        struct throttle_bucket *b = &t->buckets[i];

        b->level = old->avg ? b->level / (double)old->avg * (double)new->avg : 0;
        b->burst_level = old->max ? b->burst_level / (double)old->max * (double)new->max : 0;
    }
    t->limits = *limits;
    t->at_ns = now;
}

/* Return: seconds until a bucket of @size has room; 0: it has. */
static double bucket_wait(double level, double size, double rate)
{
    return level <= size ? 0 : (level - size) / rate + QUANTUM_S;
}

uint64_t throttle_wait_ns(const struct throttle *t)
{
    double longest = 0;

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        const struct throttle_rate *r = &t->limits.rate[i];
        const struct throttle_bucket *b = &t->buckets[i];
        double wait = 0;

        if (r->avg) {
            wait = bucket_wait(b->level, bucket_size(r), (double)r->avg);
            longest = wait > longest ? wait : longest;
        }
        if (r->max) {
            wait = bucket_wait(b->burst_level, (double)r->max * SLACK_S, (double)r->max);
            longest = wait > longest ? wait : longest;
        }
    }
    return longest > 0 ? (uint64_t)(longest * NS) + 1 : 0;
}

void throttle_charge(struct throttle *t, enum throttle_dir dir, unsigned ops, uint64_t bytes)
{
    double units = ops;

    if (t->limits.iops_size && bytes > t->limits.iops_size) {
        units = (double)bytes / (double)t->limits.iops_size;
    }
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        unsigned of = i % 3; /* all, reads, writes */
        struct throttle_bucket *b = &t->buckets[i];

        if (of == 0 || of == (dir == THROTTLE_READ ? 1 : 2)) {
            double n = i < THROTTLE_BPS ? units : (double)bytes;

            b->level += n;
            b->burst_level += n;
        }
    }
}
