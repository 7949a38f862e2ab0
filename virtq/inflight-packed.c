// SPDX-License-Identifier: MIT
/*
 * Entries form a free list. A chain takes as many from its head as it has descriptors; its first
 * entry describes the chain. Each change is prepared in free_head and used_idx, and takes effect
 * with old_free_head and old_used_idx: a process that starts restores these, unless the driver
 * has seen the first descriptor of the last batch.
 *
 * Between two batches no chain is given back to the free list, so that an entry is never taken again
 * before the driver has seen its chain used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "virtq/inflight-packed.h"

#define REGION_VERSION 1
#define REGION_ALIGN   64
#define NR_IDS         65536

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

struct entry {
    uint8_t inflight; /* of a chain's first entry, as are last, num and counter */
    uint8_t padding;
    uint16_t next;
    uint16_t last;
    uint16_t num;
    uint64_t counter;
    uint16_t id;
    uint16_t flags;
    uint32_t len;
    uint64_t addr;
};

struct region {
    uint64_t features;
    uint16_t version;
    uint16_t desc_num;
    uint16_t free_head, old_free_head;
    union {
        struct {
            uint16_t used_idx, old_used_idx;
            uint8_t used_wrap_counter, old_used_wrap_counter;
        };
        uint64_t places; /* the four of them, changed by one store; 2 bytes are padding */
    };
    uint8_t padding[5];
    struct entry desc[];
};

static struct region *region_of(const struct virtq_inflight *rec)
{
    return rec->region;
}

size_t virtq_inflight_packed_size(uint16_t entries)
{
    size_t size = sizeof(struct region) + entries * sizeof(struct entry);

    return (size + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

/* --- start --- */

static uint16_t available_flags(bool even)
{
    return even ? USED : AVAIL;
}

/* @now and @before in one store: a crash leaves both or none. */
static void set_places(struct region *region, struct virtq_place now, struct virtq_place before)
{
    const struct region r = {.used_idx = now.index,
                             .old_used_idx = before.index,
                             .used_wrap_counter = !now.even,
                             .old_used_wrap_counter = !before.even};

    compiler_barrier();
    store_relaxed(&region->places, r.places);
    compiler_barrier();
}

/* Read once: the front end may change them at any time. */
struct places {
    struct virtq_place used, old;
};

static struct places places_of(const struct region *region)
{
    const struct region r = {.places = load_relaxed(&region->places)};

    return (struct places){
        .used = {.index = r.used_idx, .even = !r.used_wrap_counter},
        .old = {.index = r.old_used_idx, .even = !r.old_used_wrap_counter},
    };
}

static void commit(struct region *region, struct virtq_place used)
{
    store_relaxed(&region->old_free_head, load_relaxed(&region->free_head));
    set_places(region, used, used);
}

static void roll_back(struct region *region, struct virtq_place old)
{
    store_relaxed(&region->free_head, load_relaxed(&region->old_free_head));
    set_places(region, old, old);
}

static void init(struct region *region, uint16_t entries, struct virtq_place used)
{
    memset(region->desc, 0, entries * sizeof(region->desc[0]));
    for (unsigned i = 0; i < entries; i++) {
        region->desc[i].next = (uint16_t)(i + 1);
    }
    region->features = 0;
    region->desc_num = entries;
    region->free_head = region->old_free_head = 0;
    set_places(region, used, used);
    region->version = REGION_VERSION;
}

/* The last batch took effect if the driver could see its first descriptor: then that does not look
 * available any more. Return: the next place to be used. */
static struct virtq_place finish_batch(struct region *region, struct places p,
                                       const struct vring_packed_desc *ring)
{
    uint16_t flags = load_acquire(&ring[p.old.index].flags) & (AVAIL | USED);
    bool batch = p.used.index != p.old.index || p.used.even != p.old.even;

    if (batch && flags != available_flags(p.old.even)) {
        commit(region, p.used);
        return p.used;
    }
    roll_back(region, p.old);
    return p.old;
}

static int free_entries_are_free(struct region *region, uint16_t entries)
{
    uint16_t i = load_relaxed(&region->free_head);

    for (unsigned n = 0; i < entries; n++) {
        if (n == entries) {
            return -EINVAL; /* a loop */
        }
        region->desc[i].inflight = 0;
        i = load_relaxed(&region->desc[i].next);
    }
    return 0;
}

struct found {
    uint64_t counter;
    uint16_t entry, num;
};

static int by_counter(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->counter < y->counter ? -1 : x->counter > y->counter;
}

static int find_inflight(struct virtq_inflight *rec, uint16_t size, uint16_t *busy)
{
    const struct region *region = region_of(rec);
    struct found *found = calloc(rec->entries, sizeof(*found));
    unsigned n = 0, descriptors = 0;

    if (!found) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < rec->entries; i++) {
        const struct entry *e = &region->desc[i];

        if (load_relaxed(&e->inflight)) {
            found[n] = (struct found){.counter = load_relaxed(&e->counter),
                                      .entry = (uint16_t)i,
                                      .num = load_relaxed(&e->num)};
            descriptors += found[n++].num;
        }
    }
    qsort(found, n, sizeof(*found), by_counter);
    for (unsigned i = 0; i < n; i++) {
        rec->again[i] = found[i].entry;
        rec->again_num[i] = found[i].num;
    }
    rec->nr_again = n;
    rec->counter = n ? found[n - 1].counter + 1 : 0;
    free(found);
    *busy = (uint16_t)descriptors;
    return descriptors <= size ? 0 : -EINVAL;
}

/* The driver must not see descriptors of a batch that did not take effect. */
static void make_available(struct vring_packed_desc *ring, uint16_t size, struct virtq_place at,
                           uint16_t n)
{
    while (n--) {
        uint16_t flags = load_relaxed(&ring[at.index].flags);

        store_relaxed(&ring[at.index].flags, (flags & ~(AVAIL | USED)) | available_flags(at.even));
        if (++at.index == size) {
            at.index = 0;
            at.even = !at.even;
        }
    }
}

int virtq_inflight_packed_start(struct virtq_inflight *rec, struct vring_packed_desc *ring,
                                uint16_t size, struct virtq_place *used, uint16_t *busy)
{
    struct region *region = region_of(rec);
    struct places p;
    int ret;

    virtq_inflight_stop(rec);
    rec->again = calloc(rec->entries, sizeof(*rec->again));
    rec->again_num = calloc(rec->entries, sizeof(*rec->again_num));
    rec->pushed = calloc(rec->entries, sizeof(*rec->pushed));
    rec->entry_of = calloc(NR_IDS, sizeof(*rec->entry_of));
    if (!rec->again || !rec->again_num || !rec->pushed || !rec->entry_of) {
        return -ENOMEM;
    }
    if (region->version == 0) {
        init(region, rec->entries, *used);
    }
    p = places_of(region);
    if (size > rec->entries || region->version != REGION_VERSION || p.old.index >= size ||
        p.used.index >= size) {
        return -EINVAL;
    }
    *used = finish_batch(region, p, ring);
    ret = free_entries_are_free(region, rec->entries);
    if (ret == 0) {
        ret = find_inflight(rec, size, busy);
    }
    if (ret == 0) {
        make_available(ring, size, *used, *busy);
    }
    return ret;
}

/* --- chains --- */

void virtq_inflight_packed_next(struct virtq_inflight *rec, uint16_t *n)
{
    *n = rec->again_num[rec->at_again];
    rec->at = rec->again[rec->at_again++];
    rec->head = rec->at;
}

struct vring_packed_desc virtq_inflight_packed_copy(struct virtq_inflight *rec)
{
    const struct entry *e = &region_of(rec)->desc[rec->at];
    struct vring_packed_desc d = {
        .addr = load_relaxed(&e->addr),
        .len = load_relaxed(&e->len),
        .id = load_relaxed(&e->id),
        .flags = load_relaxed(&e->flags),
    };
    uint16_t next = load_relaxed(&e->next);

    rec->at = next < rec->entries ? next : rec->head; /* else it was the last one, or damaged */
    return d;
}

int virtq_inflight_packed_desc(struct virtq_inflight *rec, const struct vring_packed_desc *d)
{
    struct region *region = region_of(rec);
    uint16_t at = load_relaxed(&region->free_head);
    struct entry *e;

    if (at >= rec->entries) {
        return -EINVAL;
    }
    if (rec->nr_taken++ == 0) {
        rec->head = at;
    }
    e = &region->desc[at];
    e->addr = d->addr;
    e->len = d->len;
    e->id = d->id;
    e->flags = d->flags;
    rec->at = at;
    store_relaxed(&region->free_head, e->next);
    return 0;
}

void virtq_inflight_packed_add(struct virtq_inflight *rec, uint16_t id)
{
    struct region *region = region_of(rec);
    struct entry *e = &region->desc[rec->head];

    e->last = rec->at;
    e->num = rec->nr_taken;
    e->counter = rec->counter++;
    compiler_barrier();
    store_relaxed(&e->inflight, 1);
    compiler_barrier();
    store_relaxed(&region->old_free_head, load_relaxed(&region->free_head));
    compiler_barrier();
    rec->entry_of[id] = rec->head;
    rec->nr_taken = 0;
}

void virtq_inflight_packed_again(struct virtq_inflight *rec, uint16_t id)
{
    rec->entry_of[id] = rec->head;
}

void virtq_inflight_packed_used(struct virtq_inflight *rec, uint16_t id)
{
    if (rec->nr_pushed < rec->entries) {
        rec->pushed[rec->nr_pushed++] = rec->entry_of[id];
    }
}

void virtq_inflight_packed_publishing(struct virtq_inflight *rec, struct virtq_place used)
{
    struct region *region = region_of(rec);

    for (unsigned i = 0; i < rec->nr_pushed; i++) {
        uint16_t first = rec->pushed[i], last = load_relaxed(&region->desc[first].last);

        if (last < rec->entries) {
            store_relaxed(&region->desc[last].next, load_relaxed(&region->free_head));
            store_relaxed(&region->free_head, first);
        }
    }
    set_places(region, used, places_of(region).old);
}

void virtq_inflight_packed_published(struct virtq_inflight *rec)
{
    struct region *region = region_of(rec);

    compiler_barrier();
    for (unsigned i = 0; i < rec->nr_pushed; i++) {
        store_relaxed(&region->desc[rec->pushed[i]].inflight, 0);
    }
    compiler_barrier();
    commit(region, places_of(region).used);
    rec->nr_pushed = 0;
}
