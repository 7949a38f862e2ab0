// SPDX-License-Identifier: MIT
/*
 * Guest memory with a shadow: what the driver writes goes to both, so whatever else differs was
 * written by the device, and must be where it may write.
 *
 * There are three regions: two that are neighbours for the guest but not on the host, and one that
 * ends with the last guest address there is. Around them nothing is mapped.
 */
#ifndef POLLUX_TESTS_FUZZ_GUEST_H
#define POLLUX_TESTS_FUZZ_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtq/guest-memory.h"

#define GUEST_GPA      0x10000ull
#define GUEST_SIZE     0x6000ull
#define GUEST_NEXT_GPA (GUEST_GPA + GUEST_SIZE)
#define GUEST_TOP_GPA  0xfffffffffffff000ull
#define GUEST_PAGE     0x1000ull

#define GUEST_REGIONS 3

extern const struct guest_fuzz_region {
    uint64_t gpa, size;
} guest_regions[GUEST_REGIONS];

struct fuzz_guest {
    struct guest_memory gm;
    int fds[GUEST_REGIONS]; /* the memory as files, for a device in another process */
    uint8_t *shadow[GUEST_REGIONS];
    unsigned nr_writable;
    struct writable {
        struct iovec iov;
        uint32_t chain; /* GUEST_ONCE: until the next look */
    } * writable;
};

#define GUEST_ONCE UINT32_MAX

/* guest_init - all zero, nothing writable; the same memory each time */
void guest_init(struct fuzz_guest *g);

/* guest_at - the host address, found in another way than the device does; NULL if it is none */
void *guest_at(struct fuzz_guest *g, uint64_t gpa, uint64_t len);

/* guest_has - is it guest memory, seen from the host? */
bool guest_has(struct fuzz_guest *g, const void *hva, uint64_t len);

/* guest_put - the driver writes; where there is no memory, nothing happens */
void guest_put(struct fuzz_guest *g, uint64_t gpa, const void *data, uint64_t len);
void guest_put16(struct fuzz_guest *g, uint64_t gpa, uint16_t value);
uint16_t guest_get16(struct fuzz_guest *g, uint64_t gpa);

/* guest_allow - the device may write there, for as long as @chain is in flight */
void guest_allow(struct fuzz_guest *g, void *hva, uint64_t len, uint32_t chain);

/* guest_finish - @chain was used: the device may not write to its buffers after the next look */
void guest_finish(struct fuzz_guest *g, uint32_t chain);

/* guest_look - has the device kept to where it may write? */
void guest_look(struct fuzz_guest *g);

#endif
