// SPDX-License-Identifier: MIT
/*
 * pause.h - the time that the guest spends between a completion and the next submission; its length
 * has a distribution
 */
#ifndef GUEST_IMAGES_BENCH_PAUSE_H
#define GUEST_IMAGES_BENCH_PAUSE_H

#include <stdint.h>

enum pause_kind {
    PAUSE_FIXED,       /* @a; 0: none */
    PAUSE_EXPONENTIAL, /* mean @a: independent requests */
    PAUSE_BIMODAL,     /* @percent of them @a, the others @b */
    PAUSE_ON_OFF,      /* no pause for @a, then one of @b */
};

/* In ns as an option, in TSC ticks in the loop. */
struct pause {
    enum pause_kind kind;
    uint64_t a, b;
    unsigned percent;
    uint64_t on_end; /* TSC: when the next pause of PAUSE_ON_OFF is due */
};

static inline int pause_is_none(const struct pause *p)
{
    return p->kind == PAUSE_FIXED && !p->a;
}

/* To be called when the loop begins. */
static inline void pause_start(struct pause *p, uint64_t now)
{
    p->on_end = now + p->a;
}

/**
 * pause_next - how long the pause that begins @now is, in ticks
 * @random: 64 random bits
 */
uint64_t pause_next(struct pause *p, uint64_t now, uint64_t random);

#endif
