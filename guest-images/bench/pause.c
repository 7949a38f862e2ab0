// SPDX-License-Identifier: MIT
/*
 * pause.c - lengths of pauses, without floating point
 */
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/pause.h"

#define LOG_BITS 16
#define LN2      45426 /* ln 2 in units of 2^-16 */

/*
 * -ln(u) * mean, where u is uniform in (0, 1]. The logarithm to base 2 is found bit by bit:
 * squaring a number doubles its logarithm.
 */
static uint64_t exponential(uint64_t mean, uint64_t random)
{
    uint64_t zeros = (uint64_t)__builtin_clzll(random | 1), log = 0;
    uint64_t m = (random | 1) << zeros; /* 1 to 2, in units of 2^-63 */

    for (unsigned i = 0; i < LOG_BITS; i++) {
        unsigned __int128 square = (unsigned __int128)m * m;
        bool bit = square >> 127;

        log = log << 1 | bit;
        m = (uint64_t)(square >> (bit ? 64 : 63));
    }
    return mul_div(mean, (((zeros + 1) << LOG_BITS) - log) * LN2, 1ull << 2 * LOG_BITS);
}

uint64_t pause_next(struct pause *p, uint64_t now, uint64_t random)
{
    switch (p->kind) {
    case PAUSE_EXPONENTIAL:
        return exponential(p->a, random);
    case PAUSE_BIMODAL:
        return (random >> 32) * 100 >> 32 < p->percent ? p->a : p->b;
    case PAUSE_ON_OFF:
        if (now < p->on_end) {
            return 0;
        }
        p->on_end = now + p->b + p->a;
        return p->b;
    default:
        return p->a;
    }
}
