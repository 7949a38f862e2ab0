// SPDX-License-Identifier: MIT
/*
 * The steps that a crash can interrupt (they are those of the specification, and
 * tests/model/inflight.pml checks them):
 *
 *  - A chain is recorded before it leaves the available ring of this process. The place in that
 *    ring is not recorded: it is the used index plus what is in flight.
 *  - Used chains form a list, newest first, before used->idx shows them. A crash behind used->idx
 *    leaves them recorded, although the guest has them back: used->idx minus the recorded used_idx
 *    says how many, and the list which.
 *
 * Only the process ends, not the machine: stores reach the memory in program order, so compiler
 * barriers are enough on x86.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "virtq/inflight.h"

#define REGION_VERSION 1

struct chain_state {
    uint8_t inflight;
    uint8_t padding[5];
    uint16_t next; /* in the list of the last batch */
    uint64_t counter;
};

struct region {
    uint64_t features;
    uint16_t version;
    uint16_t desc_num;
    uint16_t last_batch_head;
    uint16_t used_idx;
    struct chain_state desc[];
};

static struct region *region_of(const struct virtq_inflight *rec)
{
    return rec->region;
}

size_t virtq_inflight_size(uint16_t entries)
{
    size_t size = sizeof(struct region) + entries * sizeof(struct chain_state);

    return (size + VIRTQ_INFLIGHT_ALIGN - 1) / VIRTQ_INFLIGHT_ALIGN * VIRTQ_INFLIGHT_ALIGN;
}

/* A region of zeroes records nothing: its used_idx is not the ring's (0 need not be). */
static void init(struct region *region, uint16_t entries, uint16_t used_idx)
{
    memset(region->desc, 0, entries * sizeof(region->desc[0]));
    region->features = 0;
    region->last_batch_head = 0;
    region->used_idx = used_idx;
    region->desc_num = entries;
    compiler_barrier();
    region->version = REGION_VERSION;
}

/* The guest has the last batch back. */
static void finish_batch(struct region *region, uint16_t entries, uint16_t used_idx)
{
    uint16_t n = used_idx - region->used_idx, head = load_relaxed(&region->last_batch_head);

    for (; n && n <= entries && head < entries; n--) {
        region->desc[head].inflight = 0;
        head = load_relaxed(&region->desc[head].next);
    }
    compiler_barrier();
    region->used_idx = used_idx;
}

struct found {
    uint64_t counter;
    uint16_t head;
};

static int by_counter(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->counter < y->counter ? -1 : x->counter > y->counter;
}

static int find_inflight(struct virtq_inflight *rec, uint16_t size)
{
    const struct region *region = region_of(rec);
    struct found *found = calloc(size, sizeof(*found));
    unsigned n = 0;

    rec->again = calloc(size, sizeof(*rec->again));
    if (!found || !rec->again) {
        free(found);
        virtq_inflight_stop(rec);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < size; i++) {
        if (load_relaxed(&region->desc[i].inflight)) {
            found[n++] = (struct found){.counter = load_relaxed(&region->desc[i].counter),
                                        .head = (uint16_t)i};
        }
    }
    qsort(found, n, sizeof(*found), by_counter);
    for (unsigned i = 0; i < n; i++) {
        rec->again[i] = found[i].head;
    }
    rec->nr_again = n;
    rec->counter = n ? found[n - 1].counter + 1 : 0;
    free(found);
    return 0;
}

int virtq_inflight_start(struct virtq_inflight *rec, uint16_t size, uint16_t used_idx)
{
    struct region *region = region_of(rec);

    virtq_inflight_stop(rec);
    if (size > rec->entries) {
        return -EINVAL;
    }
    if (region->version == 0) {
        init(region, rec->entries, used_idx);
    } else if (region->version != REGION_VERSION) {
        return -EINVAL;
    }
    finish_batch(region, rec->entries, used_idx);
    return find_inflight(rec, size);
}

/* The version is at the same place in both layouts. */
void virtq_inflight_forget(void *region)
{
    store_relaxed(&((struct region *)region)->version, 0);
}

void virtq_inflight_stop(struct virtq_inflight *rec)
{
    free(rec->again);
    free(rec->again_num);
    free(rec->entry_of);
    free(rec->pushed);
    rec->again = rec->again_num = rec->entry_of = rec->pushed = NULL;
    rec->nr_again = rec->at_again = 0;
    rec->nr_pushed = rec->nr_taken = 0;
}

void virtq_inflight_add(struct virtq_inflight *rec, uint16_t head)
{
    struct chain_state *c = &region_of(rec)->desc[head];

    store_relaxed(&c->counter, rec->counter++);
    compiler_barrier();
    store_relaxed(&c->inflight, 1);
    compiler_barrier();
}

void virtq_inflight_used(struct virtq_inflight *rec, uint16_t head)
{
    struct region *region = region_of(rec);

    store_relaxed(&region->desc[head].next, region->last_batch_head);
    compiler_barrier();
    store_relaxed(&region->last_batch_head, head);
    compiler_barrier();
}

void virtq_inflight_published(struct virtq_inflight *rec, uint16_t used_idx)
{
    compiler_barrier();
    finish_batch(region_of(rec), rec->entries, used_idx);
}
