// SPDX-License-Identifier: MIT
/*
 * Polling that is always in vain.
 *
 * On a host with more work than CPUs the loop may spin on the very CPU that the other side needs to
 * make the event: it comes as soon as the loop blocks, however long it had polled before. No
 * distribution shows this, for each longer window seems to be just too short. What shows it is that
 * windows which were worth their while run out again and again. Then polling pauses, and is tried
 * again after a while that doubles each time.
 */
#ifndef POLLUX_AIO_POLICY_COST_VAIN_H
#define POLLUX_AIO_POLICY_COST_VAIN_H

#include <stdbool.h>
#include <stdint.h>

#define VAIN_MAX       16 /* score at which polling pauses */
#define VAIN_TRIAL     4  /* windows in vain after a pause until the next one */
#define VAIN_HIT       4  /* what a hit takes off; so one hit in five keeps polling going */
#define VAIN_PAUSE_MIN 16 /* waits */
#define VAIN_PAUSE_MAX 1024

struct cost_vain {
    uint32_t score;
    uint32_t pause;      /* length of the next pause; 0: VAIN_PAUSE_MIN */
    uint32_t pause_left; /* waits until polling is tried again; 0: no pause */
};

/* Is polling paused for the wait that begins? */
static inline bool cost_vain_paused(struct cost_vain *v)
{
    if (!v->pause_left) {
        return false;
    }
    v->pause_left--;
    return true;
}

/* A hit. */
static inline void cost_vain_hit(struct cost_vain *v)
{
    v->score = v->score > VAIN_HIT ? v->score - VAIN_HIT : 0;
    v->pause /= 2;
}

/* A window worth mention that ran out. */
static inline void cost_vain_miss(struct cost_vain *v)
{
    if (++v->score < VAIN_MAX) {
        return;
    }
    v->score = VAIN_MAX - VAIN_TRIAL;
    v->pause = v->pause < VAIN_PAUSE_MIN ? VAIN_PAUSE_MIN : v->pause;
    v->pause_left = v->pause;
    v->pause = v->pause * 2 < VAIN_PAUSE_MAX ? v->pause * 2 : VAIN_PAUSE_MAX;
}

#endif
