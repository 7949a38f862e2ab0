// SPDX-License-Identifier: MIT
/*
 * Back-off: polling pauses while windows keep running out.
 *
 * On a host with more work than CPUs the loop may spin on the very CPU that the guest needs to make
 * the event. The event then comes as soon as the loop blocks, however long the window was, so the
 * histograms recommend ever longer windows. The back-off counts windows of a useful length that run
 * out. At BACKOFF_MAX polling pauses; each pause is twice as long as the one before.
 */
#ifndef POLLUX_AIO_POLICY_COST_BACKOFF_H
#define POLLUX_AIO_POLICY_COST_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_MAX       16 /* score at which polling pauses */
#define BACKOFF_TRIAL     4  /* windows that run out after a pause until the next one */
#define BACKOFF_HIT       4  /* what a hit takes off; so one hit in five keeps polling going */
#define BACKOFF_PAUSE_MIN 16 /* waits */
#define BACKOFF_PAUSE_MAX 1024

struct cost_backoff {
    uint32_t score;
    uint32_t pause;      /* length of the next pause; 0: BACKOFF_PAUSE_MIN */
    uint32_t pause_left; /* waits until polling is tried again; 0: no pause */
};

/* Is polling paused for the wait that begins? */
static inline bool cost_backoff_paused(struct cost_backoff *v)
{
    if (!v->pause_left) {
        return false;
    }
    v->pause_left--;
    return true;
}

/* A hit. */
static inline void cost_backoff_hit(struct cost_backoff *v)
{
    v->score = v->score > BACKOFF_HIT ? v->score - BACKOFF_HIT : 0;
    v->pause /= 2;
}

/* A window of a useful length ran out. */
static inline void cost_backoff_miss(struct cost_backoff *v)
{
    if (++v->score < BACKOFF_MAX) {
        return;
    }
    v->score = BACKOFF_MAX - BACKOFF_TRIAL;
    v->pause = v->pause < BACKOFF_PAUSE_MIN ? BACKOFF_PAUSE_MIN : v->pause;
    v->pause_left = v->pause;
    v->pause = v->pause * 2 < BACKOFF_PAUSE_MAX ? v->pause * 2 : BACKOFF_PAUSE_MAX;
}

#endif
