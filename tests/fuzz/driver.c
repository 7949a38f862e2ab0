// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>

#include "tests/fuzz/driver.h"

void driver_reset(struct fuzz_driver *d, struct fuzz_guest *g, uint64_t base, uint16_t size,
                  bool packed, bool event_idx, bool indirect)
{
    static const uint8_t zero[GUEST_SIZE];
    uint64_t at = GUEST_GPA + base;

    memset(d, 0, sizeof(*d));
    d->g = g;
    d->packed = packed;
    d->event_idx = event_idx;
    d->indirect = indirect;
    d->size = d->nr_free = size;
    d->desc = at;
    d->avail = at + 16ull * size;
    d->used = packed ? d->avail + 4 : (d->avail + 6 + 2ull * size + 3) & ~3ull;
    d->wrap = d->reap_wrap = true;
    guest_put(g, at, zero, 16ull * size + 2 * size + 8ull * size + 20);
}

void driver_setup(const struct fuzz_driver *d, struct virtqueue *vq)
{
    vq->size = d->size;
    vq->event_idx = d->event_idx;
    vq->indirect = d->indirect;
    vq->packed = d->packed;
    vq->desc_gpa = d->desc;
    vq->avail_gpa = d->avail;
    vq->used_gpa = d->used;
    vq->ready = true;
}

uint64_t driver_room(struct fuzz_driver *d, uint32_t len)
{
    uint64_t at = DRIVER_BUFFERS + d->buf_brk;

    if (len > GUEST_SIZE - at) {
        d->buf_brk = 0;
        at = DRIVER_BUFFERS;
    }
    d->buf_brk += len;
    return GUEST_GPA + at;
}

static uint64_t table_room(struct fuzz_driver *d, unsigned n)
{
    uint64_t at;

    if (d->table_brk + 16ull * n > DRIVER_BUFFERS - DRIVER_TABLES) {
        d->table_brk = 0;
    }
    at = d->table_brk;
    d->table_brk += 16ull * n;
    return GUEST_GPA + DRIVER_TABLES + at;
}

/* --- split --- */

static void put_split(struct fuzz_driver *d, uint64_t at, const struct driver_buf *b, bool more,
                      uint16_t next)
{
    struct vring_desc desc = {
        .addr = b->gpa,
        .len = b->len,
        .flags = (b->in ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0),
        .next = next,
    };

    guest_put(d->g, at, &desc, sizeof(desc));
}

static uint16_t free_after(const struct fuzz_driver *d, const bool *taken, uint16_t i)
{
    do {
        i = (i + 1u) % d->size;
    } while (taken[i]);
    return i;
}

static void offer_split(struct fuzz_driver *d, const struct driver_buf *bufs, unsigned n,
                        bool indirect)
{
    static bool taken[DRIVER_SIZE];
    unsigned nr_desc = indirect ? 1 : n;
    uint16_t head, i;

    /* A chain lies in neighbours, around the end of the table if need be. */
    memset(taken, 0, sizeof(taken));
    for (unsigned h = 0; h < d->size; h++) {
        for (unsigned k = 0; k < d->length[h]; k++) {
            taken[(h + k) % d->size] = true;
        }
    }
    head = free_after(d, taken, d->next_desc);
    for (unsigned k = 1, tries = 0; k < nr_desc && tries < d->size; k++) {
        if (taken[(head + k) % d->size]) {
            head = free_after(d, taken, (uint16_t)((head + k) % d->size));
            k = 0;
            tries++;
        }
    }
    d->length[head] = (uint16_t)nr_desc;
    d->next_desc = (uint16_t)((head + nr_desc - 1) % d->size);
    if (indirect) {
        uint64_t table = table_room(d, n);
        struct vring_desc desc = {.addr = table, .len = 16 * n, .flags = VRING_DESC_F_INDIRECT};

        guest_put(d->g, d->desc + 16ull * head, &desc, sizeof(desc));
        for (unsigned k = 0; k < n; k++) {
            put_split(d, table + 16ull * k, &bufs[k], k + 1 < n, (uint16_t)(k + 1));
        }
    } else {
        i = head;
        for (unsigned k = 0; k < n; k++) {
            uint16_t next = (i + 1u) % d->size;

            put_split(d, d->desc + 16ull * i, &bufs[k], k + 1 < n, next);
            i = next;
        }
    }
    guest_put16(d->g, d->avail + 4 + 2ull * (d->avail_idx % d->size), head);
    guest_put16(d->g, d->avail + 2, ++d->avail_idx);
}

static bool reap_split(struct fuzz_driver *d, uint16_t *id, uint32_t *written)
{
    struct vring_used_elem *elem;

    if (guest_get16(d->g, d->used + 2) == d->reaped) {
        return false;
    }
    elem = guest_at(d->g, d->used + 4 + 8ull * (d->reaped % d->size), sizeof(*elem));
    d->reaped++;
    *id = (uint16_t)elem->id;
    *written = elem->len;
    return true;
}

/* --- packed --- */

static void put_packed(struct fuzz_driver *d, uint64_t at, const struct driver_buf *b,
                       uint16_t flags, uint16_t id)
{
    struct vring_packed_desc desc = {
        .addr = b->gpa, .len = b->len, .id = id, .flags = flags | (b->in ? VRING_DESC_F_WRITE : 0)};

    guest_put(d->g, at, &desc, sizeof(desc));
}

static void offer_packed(struct fuzz_driver *d, const struct driver_buf *bufs, unsigned n,
                         bool indirect)
{
    struct driver_buf table = {.gpa = 0};
    unsigned nr_desc = indirect ? 1 : n;
    uint16_t id = d->next_id;

    while (d->length[id]) {
        id++;
    }
    d->next_id = id + 1 < d->size ? id + 1 : 0;
    d->length[id] = (uint16_t)nr_desc;
    if (indirect) {
        table.gpa = table_room(d, n);
        table.len = 16 * n;
        for (unsigned k = 0; k < n; k++) {
            put_packed(d, table.gpa + 16ull * k, &bufs[k], 0, 0);
        }
        bufs = &table;
    }
    for (unsigned k = 0; k < nr_desc; k++) {
        uint16_t flags = (d->wrap ? P_AVAIL : P_USED) | (indirect ? VRING_DESC_F_INDIRECT : 0) |
                         (k + 1 < nr_desc ? VRING_DESC_F_NEXT : 0);

        put_packed(d, d->desc + 16ull * d->next_desc, &bufs[k], flags, id);
        if (++d->next_desc == d->size) {
            d->next_desc = 0;
            d->wrap = !d->wrap;
        }
    }
}

static bool reap_packed(struct fuzz_driver *d, uint16_t *id, uint32_t *written)
{
    struct vring_packed_desc *desc = guest_at(d->g, d->desc + 16ull * d->reaped, sizeof(*desc));
    uint16_t used = d->reap_wrap ? P_AVAIL | P_USED : 0, at;

    if ((desc->flags & (P_AVAIL | P_USED)) != used || !d->length[desc->id]) {
        return false;
    }
    *id = desc->id;
    *written = desc->flags & VRING_DESC_F_WRITE ? desc->len : 0;
    at = d->reaped + d->length[*id];
    if (at >= d->size) {
        at -= d->size;
        d->reap_wrap = !d->reap_wrap;
    }
    d->reaped = at;
    return true;
}

/* --- both --- */

/* Does a chain of @n descriptors find room? Of a split ring, neighbours that are free. */
static bool has_room(const struct fuzz_driver *d, unsigned n)
{
    unsigned run = 0, taken = 0;

    if (d->nr_free < n) {
        return false;
    }
    for (unsigned i = 0; !d->packed && i < 2u * d->size && run < n; i++) {
        unsigned len = d->length[i % d->size];

        taken = taken > len ? taken : len;
        run = taken ? 0 : run + 1;
        taken -= taken > 0;
    }
    return d->packed || run >= n;
}

bool driver_offer(struct fuzz_driver *d, const struct driver_buf *bufs, unsigned n, bool indirect)
{
    uint32_t written;
    uint16_t id;

    while (driver_reap(d, &id, &written)) {
    }
    indirect = indirect && d->indirect;
    if (n == 0 || !has_room(d, indirect ? 1 : n)) {
        return false;
    }
    d->nr_free -= indirect ? 1 : n;
    if (d->packed) {
        offer_packed(d, bufs, n, indirect);
    } else {
        offer_split(d, bufs, n, indirect);
    }
    return true;
}

bool driver_reap(struct fuzz_driver *d, uint16_t *id, uint32_t *written)
{
    if (!(d->packed ? reap_packed(d, id, written) : reap_split(d, id, written))) {
        return false;
    }
    d->nr_free += d->length[*id];
    d->length[*id] = 0;
    return true;
}

/* A value that is at an edge of something, or any. */
static uint64_t edge(const struct fuzz_driver *d, uint32_t c)
{
    const uint64_t edges[] = {
        0,
        1,
        2,
        d->size - 1u,
        d->size,
        d->size + 1u,
        15,
        16,
        17,
        32,
        0x7fff,
        0x8000,
        UINT16_MAX,
        UINT32_MAX,
        UINT32_MAX - 15,
        GUEST_GPA - 1,
        GUEST_GPA,
        GUEST_NEXT_GPA - 1,
        GUEST_NEXT_GPA - 16,
        GUEST_NEXT_GPA,
        GUEST_NEXT_GPA + GUEST_PAGE - 1,
        GUEST_NEXT_GPA + GUEST_PAGE,
        GUEST_TOP_GPA - 1,
        GUEST_TOP_GPA,
        UINT64_MAX,
        UINT64_MAX - 511,
        d->desc,
        d->used,
        GUEST_GPA + DRIVER_TABLES,
    };
    const unsigned n = sizeof(edges) / sizeof(edges[0]);

    return c & 0x80 ? c >> 8 : edges[(c & 0x7f) % n];
}

/* One of the descriptors that were written last. */
static uint64_t newest(const struct fuzz_driver *d, unsigned back)
{
    return d->desc + 16ull * ((d->next_desc + 2u * d->size - back % d->size % 8) % d->size);
}

void driver_break(struct fuzz_driver *d, const struct fuzz_op *op)
{
    /* Of a descriptor: addr, len, and the two that follow. */
    static const struct {
        unsigned offset, size;
    } fields[] = {{0, 8}, {8, 4}, {12, 2}, {14, 2}};
    unsigned field = op->a & 3, where = (op->a >> 2) % 6;
    uint64_t value = edge(d, op->c), at;

    switch (where) {
    case 0:
    case 1:
        at = newest(d, op->b);
        break;
    case 2:
        at = GUEST_GPA + DRIVER_TABLES + (16ull * op->b) % (DRIVER_BUFFERS - DRIVER_TABLES);
        break;
    case 3: /* the newest entries of the available ring, or the driver's event */
        at = d->packed ? d->avail + 2 * (op->b % 2)
                       : d->avail + 4 + 2ull * ((d->avail_idx - 1 - op->b % 4) % d->size);
        if (!d->packed && (op->c & 0x40)) { /* the chain before it, once more */
            value = guest_get16(d->g, d->avail + 4 + 2ull * ((d->avail_idx - 2u) % d->size));
        }
        guest_put16(d->g, at, (uint16_t)value);
        return;
    case 4: /* avail: flags, index; used_event */
        if (!d->packed) {
            uint16_t near = (uint16_t)(d->avail_idx + value);

            at = op->b % 3 == 2 ? d->avail + 4 + 2ull * d->size : d->avail + 2 * (op->b % 3);
            guest_put16(d->g, at, op->b % 3 ? near : (uint16_t)value);
            d->avail_idx = op->b % 3 == 1 ? near : d->avail_idx;
            return;
        }
        at = d->desc + 16ull * (op->b % d->size);
        field = 3; /* packed: flags; split never comes here */
        break;
    default: /* one flag */
        at = newest(d, op->b);
        field = d->packed ? 3 : 2;
        value = guest_get16(d->g, at + fields[field].offset) ^ (1u << (op->c % 16));
        break;
    }
    guest_put(d->g, at + fields[field].offset, &value, fields[field].size);
}

/* --- the model --- */

void model_reset(struct ring_model *m)
{
    memset(m, 0, sizeof(*m));
    m->avail_wrap = m->used_wrap = m->published_wrap = true;
}

/* Return: false if the rules do not allow it. */
static bool model_buffer(struct fuzz_driver *d, struct virtq_chain *c, uint64_t gpa, uint32_t len,
                         bool in)
{
    unsigned n = c->nr_out + c->nr_in;
    void *hva = guest_at(d->g, gpa, len);

    if (!hva || n == VIRTQ_IOV_MAX || (!in && c->nr_in)) {
        return false;
    }
    c->iov[n] = (struct iovec){hva, len};
    if (in) {
        c->nr_in++;
    } else {
        c->nr_out++;
    }
    return true;
}

static bool model_walk_split(struct fuzz_driver *d, struct virtq_chain *c, uint16_t head)
{
    uint64_t table = d->desc;
    uint32_t entries = d->size, i = head;
    bool inside = false;

    for (uint32_t steps = 0; steps < entries; steps++) {
        struct vring_desc copy, *desc = &copy;

        memcpy(desc, guest_at(d->g, table + 16ull * i, sizeof(copy)), sizeof(copy));
        if (desc->flags & VRING_DESC_F_INDIRECT) {
            if (inside || !d->indirect || (desc->flags & VRING_DESC_F_NEXT) || desc->len % 16 ||
                !guest_at(d->g, desc->addr, desc->len)) {
                return false;
            }
            inside = true;
            table = desc->addr;
            entries = desc->len / 16;
            i = 0;
            steps = UINT32_MAX; /* from 0 again */
            continue;
        }
        if (!model_buffer(d, c, desc->addr, desc->len, desc->flags & VRING_DESC_F_WRITE)) {
            return false;
        }
        if (!(desc->flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        i = desc->next;
        if (i >= entries) {
            return false;
        }
    }
    return false;
}

static int model_pop_split(struct ring_model *m, struct fuzz_driver *d, struct virtq_chain *c)
{
    uint16_t head;

    if (m->next == m->cached) {
        m->cached = guest_get16(d->g, d->avail + 2);
        if ((uint16_t)(m->cached - m->next) > d->size) {
            return -1;
        }
        if (m->next == m->cached) {
            return 0;
        }
    }
    head = guest_get16(d->g, d->avail + 4 + 2ull * (m->next % d->size));
    if (head >= d->size || m->in_flight[head] || !model_walk_split(d, c, head)) {
        return -1;
    }
    m->next++;
    c->head = head;
    m->in_flight[head] = 1;
    return 1;
}

static int model_pop_packed(struct ring_model *m, struct fuzz_driver *d, struct virtq_chain *c)
{
    uint16_t want = m->avail_wrap ? P_AVAIL : P_USED;
    struct vring_packed_desc desc;
    unsigned n = 0, i = m->next;

    memcpy(&desc, guest_at(d->g, d->desc + 16ull * i, sizeof(desc)), sizeof(desc));
    if ((desc.flags & (P_AVAIL | P_USED)) != want) {
        return 0;
    }
    do {
        if (n == d->size - m->cached) { /* those are not the driver's to give */
            return -1;
        }
        memcpy(&desc, guest_at(d->g, d->desc + 16ull * i, sizeof(desc)), sizeof(desc));
        n++;
        i = i + 1 == d->size ? 0 : i + 1;
        if (!(desc.flags & VRING_DESC_F_INDIRECT)) {
            if (!model_buffer(d, c, desc.addr, desc.len, desc.flags & VRING_DESC_F_WRITE)) {
                return -1;
            }
            continue;
        }
        if (n > 1 || !d->indirect || (desc.flags & VRING_DESC_F_NEXT) || desc.len % 16 ||
            !guest_at(d->g, desc.addr, desc.len)) {
            return -1;
        }
        for (uint32_t k = 0; k < desc.len / 16; k++) {
            struct vring_packed_desc e;

            memcpy(&e, guest_at(d->g, desc.addr + 16ull * k, sizeof(e)), sizeof(e));
            if (!model_buffer(d, c, e.addr, e.len, e.flags & VRING_DESC_F_WRITE)) {
                return -1;
            }
        }
    } while (desc.flags & VRING_DESC_F_NEXT);
    if (m->in_flight[desc.id]) {
        return -1;
    }
    m->in_flight[desc.id] = (uint16_t)n;
    m->cached += n;
    m->avail_wrap ^= i <= m->next;
    m->next = (uint16_t)i;
    c->head = desc.id;
    return 1;
}

int model_pop(struct ring_model *m, struct fuzz_driver *d, struct virtq_chain *chain)
{
    int r = -1;

    chain->nr_out = chain->nr_in = 0;
    if (!m->broken) {
        r = d->packed ? model_pop_packed(m, d, chain) : model_pop_split(m, d, chain);
        m->broken = r < 0;
        m->nr_in_flight += r > 0;
    }
    return r;
}

void model_push(struct ring_model *m, struct fuzz_driver *d, uint16_t id)
{
    uint16_t n = m->in_flight[id];
    uint64_t at;

    m->in_flight[id] = 0;
    m->nr_in_flight--;
    m->unshown += n;
    m->unpublished += n;
    if (!d->packed) {
        at = d->used + 4 + 8ull * (m->used % d->size);
        guest_allow(d->g, guest_at(d->g, at, 8), 8, GUEST_ONCE);
        m->used++;
        return;
    }
    /* The flags of the first show all of them, so they come last. */
    at = d->desc + 16ull * m->used;
    guest_allow(d->g, guest_at(d->g, at, 16), m->unshown == n ? 14 : 16, GUEST_ONCE);
    m->used += n;
    if (m->used >= d->size) {
        m->used -= d->size;
        m->used_wrap = !m->used_wrap;
    }
}

static bool wants_split(const struct ring_model *m, struct fuzz_driver *d)
{
    uint16_t event;

    if (!d->event_idx) {
        return !(guest_get16(d->g, d->avail) & VRING_AVAIL_F_NO_INTERRUPT);
    }
    event = guest_get16(d->g, d->avail + 4 + 2ull * d->size);
    for (uint16_t i = m->published; i != m->used; i++) {
        if (i == event) {
            return true;
        }
    }
    return false;
}

static int wants_packed(const struct ring_model *m, struct fuzz_driver *d)
{
    uint16_t event = guest_get16(d->g, d->avail), flags = guest_get16(d->g, d->avail + 2) & 3;
    uint16_t at = m->published;
    bool wrap = m->published_wrap;

    if (flags == VRING_PACKED_EVENT_FLAG_DISABLE || flags == VRING_PACKED_EVENT_FLAG_ENABLE) {
        return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
    }
    if (!d->event_idx || flags != VRING_PACKED_EVENT_FLAG_DESC || (event & 0x7fff) >= d->size) {
        return -1;
    }
    for (unsigned n = m->unpublished; n; n--) {
        if (at == (event & 0x7fff) && wrap == event >> 15) {
            return 1;
        }
        if (++at == d->size) {
            at = 0;
            wrap = !wrap;
        }
    }
    return 0;
}

static void show(struct ring_model *m, struct fuzz_driver *d)
{
    uint64_t at = d->packed ? d->desc + 16ull * m->shown + 14 : d->used + 2;

    if (m->unshown) {
        guest_allow(d->g, guest_at(d->g, at, 2), 2, GUEST_ONCE);
        m->cached -= d->packed ? m->unshown : 0;
        m->unshown = 0;
        m->shown = m->used;
    }
}

void model_show(struct ring_model *m, struct fuzz_driver *d)
{
    if (m->unpublished <= d->size / 2) {
        show(m, d);
    }
}

int model_publish(struct ring_model *m, struct fuzz_driver *d)
{
    int wants = 0;

    if (m->unpublished) {
        show(m, d);
        wants = d->packed ? wants_packed(m, d) : wants_split(m, d);
    }
    m->unpublished = 0;
    m->published = m->used;
    m->published_wrap = m->used_wrap;
    return wants;
}
