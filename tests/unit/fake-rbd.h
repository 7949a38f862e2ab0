// SPDX-License-Identifier: MIT
/* librbd without a cluster: an image in memory, served by threads, that misbehaves when told to. */
#ifndef POLLUX_TESTS_UNIT_FAKE_RBD_H
#define POLLUX_TESTS_UNIT_FAKE_RBD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/rbd-api.h"

#define FAKE_RBD_SIZE    (1u << 20)
#define FAKE_RBD_THREADS 4

struct fake_rbd {
    /* What functions return instead of success; set by the test. */
    int connect_error, pool_error, open_error, lock_error, issue_error;
    uint64_t features;
    ssize_t result;   /* of completions, if not 0 */
    unsigned results; /* so many of them */
    int kind;         /* of these; 0: of any */
    bool twice;       /* each completion is reported twice */
    bool hold;        /* requests wait for fake_rbd_release() */
    bool reverse;     /* the newest request completes first */

    /* What the engine did. */
    char calls[4096];     /* "r0+512 f"; t: discard, z: zeroes, Z: allocated zeroes */
    char opened[256];     /* the arguments of connecting and opening */
    unsigned handles;     /* clusters, pools and images that are open */
    unsigned completions; /* not released */
    uint8_t data[FAKE_RBD_SIZE];
};

extern const struct rbd_api fake_rbd_api;

/* fake_rbd_init - forget all; the threads start with the first request and end when the image closes */
struct fake_rbd *fake_rbd_init(void);
/* fake_rbd_release - complete what waits, and hold no longer */
void fake_rbd_release(void);
/* fake_rbd_await_idle - until no thread of it is inside a callback */
void fake_rbd_await_idle(void);
/* fake_rbd_resize - as `rbd resize` on another machine */
void fake_rbd_resize(uint64_t size);

#endif
