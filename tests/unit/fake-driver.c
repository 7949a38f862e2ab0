// SPDX-License-Identifier: MIT
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/fake-driver.h"

#define HANG_MS 20000

/* --- memory --- */

uint64_t fake_driver_alloc(struct fake_driver *d, uint64_t len, uint64_t align)
{
    uint64_t at = (d->brk + align - 1) & ~(align - 1);

    ck_assert_uint_le(at + len, FAKE_MEMORY_SIZE);
    d->brk = at + len;
    return d->gpa + at;
}

void *fake_driver_at(struct fake_driver *d, uint64_t gpa)
{
    return d->mem + (gpa - d->gpa);
}

static void free_chains(struct fake_driver *d)
{
    for (unsigned i = 0; i < d->size; i++) {
        free(d->chains[i].bufs);
        if (d->packed) {
            free(d->chains[i].table);
        }
    }
    free(d->chains);
    if (d->packed) {
        free(d->desc);
    }
}

static void make_packed_ring(struct fake_driver *d)
{
    d->desc = calloc(d->size, sizeof(*d->desc));
    d->desc_gpa = fake_driver_alloc(d, d->size * sizeof(*d->ring), 4096);
    d->avail_gpa = fake_driver_alloc(d, sizeof(*d->driver_event), 64);
    d->used_gpa = fake_driver_alloc(d, sizeof(*d->device_event), 64);
    d->ring = fake_driver_at(d, d->desc_gpa);
    d->driver_event = fake_driver_at(d, d->avail_gpa);
    d->device_event = fake_driver_at(d, d->used_gpa);
    d->avail_pos = d->used_pos = 0;
    d->avail_wrap = d->used_wrap = 1;
}

static void make_rings(struct fake_driver *d)
{
    d->chains = calloc(d->size, sizeof(*d->chains));
    if (d->packed) {
        make_packed_ring(d);
        return;
    }
    d->desc_gpa = fake_driver_alloc(d, d->size * sizeof(*d->desc), 4096);
    d->avail_gpa = fake_driver_alloc(d, sizeof(*d->avail) + 2 * d->size + 2, 64);
    d->used_gpa = fake_driver_alloc(d, sizeof(*d->used) + 8 * d->size + 2, 4096);
    d->desc = fake_driver_at(d, d->desc_gpa);
    d->avail = fake_driver_at(d, d->avail_gpa);
    d->used = fake_driver_at(d, d->used_gpa);
}

void fake_driver_init(struct fake_driver *d, unsigned size, bool event_idx)
{
    *d = (struct fake_driver){.size = size, .event_idx = event_idx, .gpa = FAKE_MEMORY_GPA};
    d->mem =
        mmap(NULL, FAKE_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(d->mem, MAP_FAILED);
    ck_assert_int_eq(guest_memory_add(&d->gm, FAKE_MEMORY_GPA, FAKE_MEMORY_SIZE, d->mem), 0);
    d->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    d->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    make_rings(d);
}

void fake_driver_pack(struct fake_driver *d)
{
    free_chains(d);
    d->packed = true;
    d->desc = NULL;
    d->chains = NULL;
    d->brk = 0;
    make_rings(d);
}

void fake_driver_destroy(struct fake_driver *d)
{
    free_chains(d);
    munmap(d->mem, FAKE_MEMORY_SIZE);
    close(d->kick_fd);
    close(d->call_fd);
}

void fake_driver_reset(struct fake_driver *d)
{
    free_chains(d);
    memset(d->mem, 0, d->brk);
    d->brk = 0;
    d->avail_idx = d->reaped = 0;
    d->next_desc = 0;
    make_rings(d);
}

void fake_driver_move(struct fake_driver *d, uint64_t gpa)
{
    d->gpa = gpa;
    fake_driver_reset(d);
}

void fake_driver_setup(struct fake_driver *d, struct virtqueue *vq)
{
    vq->size = d->size;
    vq->event_idx = d->event_idx;
    vq->packed = d->packed;
    vq->desc_gpa = d->desc_gpa;
    vq->avail_gpa = d->avail_gpa;
    vq->used_gpa = d->used_gpa;
    vq->ready = true;
}

/* --- chains --- */

static uint64_t place(struct fake_driver *d, const struct fake_buf *b)
{
    uint64_t gpa = b->gpa ? b->gpa : fake_driver_alloc(d, b->len, b->len >= 512 ? 512 : 1);

    if (b->gpa) {
        return gpa;
    }
    switch (b->kind) {
    case FAKE_HDR:
        memcpy(fake_driver_at(d, gpa), &b->hdr, sizeof(b->hdr));
        break;
    case FAKE_OUT:
        if (b->bytes) {
            memcpy(fake_driver_at(d, gpa), b->bytes, b->len);
        }
        break;
    case FAKE_IN:
    case FAKE_STATUS:
        memset(fake_driver_at(d, gpa), 0xee, b->len);
        break;
    }
    return gpa;
}

static bool is_free(const struct fake_driver *d, unsigned first, unsigned nr)
{
    for (unsigned i = 0; i < d->size; i++) {
        const struct fake_chain *c = &d->chains[i];

        if (c->nr_desc && first < i + c->nr_desc && i < first + nr) {
            return false;
        }
    }
    return true;
}

static unsigned take_descriptors(struct fake_driver *d, unsigned nr)
{
    ck_assert_uint_le(nr, d->size);
    for (unsigned tries = 0; tries <= d->size; tries++) {
        unsigned first = d->next_desc + nr <= d->size ? d->next_desc : 0;

        if (is_free(d, first, nr)) {
            d->next_desc = (first + nr) % d->size;
            return first;
        }
        d->next_desc = (first + 1) % d->size;
    }
    ck_abort_msg("the driver has no %u descriptors left", nr);
}

uint16_t fake_driver_build(struct fake_driver *d, bool indirect, const struct fake_buf *bufs,
                           unsigned nr)
{
    unsigned head = take_descriptors(d, indirect ? 1 : nr);
    struct fake_chain *c = &d->chains[head];
    struct vring_desc *table = d->desc + head;
    uint16_t first = head;

    ck_assert_uint_le(nr, FAKE_BUFS_MAX);
    free(c->bufs);
    if (d->packed) {
        free(c->table);
    }
    *c = (struct fake_chain){.nr_desc = indirect ? 1 : nr, .nr_bufs = nr};
    c->bufs = calloc(nr, sizeof(*bufs));
    memcpy(c->bufs, bufs, nr * sizeof(*bufs));
    if (indirect) {
        uint64_t gpa = fake_driver_alloc(d, nr * sizeof(*table), 16);

        d->desc[head] = (struct vring_desc){
            .addr = gpa, .len = nr * sizeof(*table), .flags = VRING_DESC_F_INDIRECT};
        table = d->packed ? calloc(nr, sizeof(*table)) : fake_driver_at(d, gpa);
        c->table = table;
        c->table_gpa = gpa;
        first = 0;
    }
    for (unsigned i = 0; i < nr; i++) {
        bool in = bufs[i].kind == FAKE_IN || bufs[i].kind == FAKE_STATUS;

        c->bufs[i].gpa = place(d, &bufs[i]);
        table[i] = (struct vring_desc){
            .addr = c->bufs[i].gpa,
            .len = bufs[i].len,
            .flags = (in ? VRING_DESC_F_WRITE : 0) | (i + 1 < nr ? VRING_DESC_F_NEXT : 0),
            .next = i + 1 < nr ? first + i + 1 : 0,
        };
        if (in && !bufs[i].gpa) {
            c->status = (uint8_t *)fake_driver_at(d, c->bufs[i].gpa) + bufs[i].len - 1;
        }
    }
    return head;
}

void fake_driver_release(struct fake_driver *d, uint16_t head)
{
    d->chains[head].nr_desc = 0;
}

struct vring_desc *fake_driver_table(struct fake_driver *d, uint16_t head)
{
    return d->chains[head].table;
}

/* --- the packed ring --- */

static struct vring_packed_desc pack(const struct vring_desc *d, uint16_t id, uint16_t flags)
{
    return (struct vring_packed_desc){
        .addr = d->addr, .len = d->len, .id = id, .flags = d->flags | flags};
}

static void pack_table(struct fake_driver *d, const struct fake_chain *c)
{
    struct vring_packed_desc *to = fake_driver_at(d, c->table_gpa);

    for (unsigned i = 0; c->table && i < c->nr_bufs; i++) {
        to[i] = pack(&c->table[i], 0, 0);
    }
}

static uint16_t available(const struct fake_driver *d)
{
    return d->avail_wrap ? 1u << VRING_PACKED_DESC_F_AVAIL : 1u << VRING_PACKED_DESC_F_USED;
}

/* A chain whose descriptors form a loop is as long as the ring: the device finds no end. */
static void offer_packed(struct fake_driver *d, uint16_t head)
{
    struct vring_packed_desc *first = &d->ring[d->avail_pos];
    uint16_t first_flags = 0, i = head;
    unsigned n = 0;
    bool more;

    pack_table(d, &d->chains[head]);
    do {
        struct vring_packed_desc *to = &d->ring[d->avail_pos];
        struct vring_packed_desc p = pack(&d->desc[i], head, available(d));

        store_relaxed(&to->addr, p.addr);
        store_relaxed(&to->len, p.len);
        store_relaxed(&to->id, p.id);
        if (to == first) {
            first_flags = p.flags;
        } else {
            store_relaxed(&to->flags, p.flags);
        }
        if (++d->avail_pos == d->size) {
            d->avail_pos = 0;
            d->avail_wrap ^= 1;
        }
        more = d->desc[i].flags & VRING_DESC_F_NEXT;
        i = d->desc[i].next;
    } while (++n < d->size && more);
    d->chains[head].nr_packed = n;
    d->avail_idx += n;
    store_release(&first->flags, first_flags);
}

static bool is_used(const struct fake_driver *d, uint16_t pos, uint16_t wrap)
{
    uint16_t both = 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;

    return (load_acquire(&d->ring[pos].flags) & both) == (wrap ? both : 0);
}

static struct fake_chain *used_chain(struct fake_driver *d, uint32_t head)
{
    if (head >= d->size || d->chains[head].used) { /* Check's own asserts are slow */
        ck_abort_msg("used chain %u does not exist, or was used twice", head);
    }
    return &d->chains[head];
}

static void skip_used(const struct fake_driver *d, unsigned n, uint16_t *pos, uint16_t *wrap)
{
    *pos += n;
    if (*pos >= d->size) {
        *pos -= d->size;
        *wrap ^= 1;
    }
}

static int reap_packed(struct fake_driver *d)
{
    const struct vring_packed_desc *p = &d->ring[d->used_pos];
    struct fake_chain *c;

    if (!is_used(d, d->used_pos, d->used_wrap)) {
        return -1;
    }
    d->last = load_relaxed(&p->id);
    c = used_chain(d, d->last);
    c->used = true;
    c->used_len = load_relaxed(&p->len);
    if (!(load_relaxed(&p->flags) & VRING_DESC_F_WRITE) != !c->used_len) {
        ck_abort_msg("chain %u: the WRITE flag and the used length do not agree", d->last);
    }
    skip_used(d, c->nr_packed, &d->used_pos, &d->used_wrap);
    d->reaped++;
    return d->last;
}

static uint16_t used_idx_packed(struct fake_driver *d)
{
    uint16_t pos = d->used_pos, wrap = d->used_wrap, n = d->reaped;

    for (unsigned i = 0; i < d->size && is_used(d, pos, wrap); i++, n++) {
        skip_used(d, used_chain(d, load_relaxed(&d->ring[pos].id))->nr_packed, &pos, &wrap);
    }
    return n;
}

static uint32_t event_of(const struct vring_packed_desc_event *event)
{
    return load_relaxed((const uint32_t *)event);
}

static bool packed_wants_kick(const struct fake_driver *d, uint16_t old)
{
    uint32_t event = event_of(d->device_event);
    uint16_t added = d->avail_idx - old, off = event & 0x7fff;

    switch (event >> 16) {
    case VRING_PACKED_EVENT_FLAG_ENABLE:
        return true;
    case VRING_PACKED_EVENT_FLAG_DISABLE:
        return false;
    case VRING_PACKED_EVENT_FLAG_DESC:
        if ((event >> VRING_PACKED_EVENT_F_WRAP_CTR & 1) != d->avail_wrap) {
            off -= d->size;
        }
        return d->event_idx && vring_need_event(off, d->avail_pos, d->avail_pos - added);
    default:
        ck_abort_msg("device event flags are 0x%x", event >> 16);
    }
}

static void packed_want_interrupts(struct fake_driver *d, bool want)
{
    uint32_t event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;

    if (want && d->event_idx) {
        event = VRING_PACKED_EVENT_FLAG_DESC << 16 |
                (uint32_t)d->used_wrap << VRING_PACKED_EVENT_F_WRAP_CTR | d->used_pos;
    } else if (want) {
        event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
    }
    store_relaxed((uint32_t *)d->driver_event, event);
}

/* --- notifications and the rings --- */

void fake_driver_offer(struct fake_driver *d, uint16_t head)
{
    if (head < d->size) { /* a test may offer what does not exist */
        d->chains[head].used = false;
    }
    if (d->packed) {
        offer_packed(d, head);
        return;
    }
    store_relaxed(&d->avail->ring[d->avail_idx % d->size], head);
    d->avail_idx++;
    store_release(&d->avail->idx, d->avail_idx);
}

bool fake_driver_wants_kick(struct fake_driver *d, uint16_t old)
{
    full_barrier(); /* between avail->idx and the hint, 2.7.13.4.1 */
    if (d->packed) {
        return packed_wants_kick(d, old);
    }
    if (d->event_idx) {
        uint16_t event = load_relaxed((uint16_t *)&d->used->ring[d->size]);

        return vring_need_event(event, d->avail_idx, old);
    }
    return !(load_relaxed(&d->used->flags) & VRING_USED_F_NO_NOTIFY);
}

bool fake_driver_kick(struct fake_driver *d, uint16_t head)
{
    uint16_t old = d->avail_idx;
    uint64_t one = 1;

    fake_driver_offer(d, head);
    if (!fake_driver_wants_kick(d, old)) {
        return false;
    }
    d->kicks++;
    ck_assert_int_eq(write(d->kick_fd, &one, sizeof(one)), sizeof(one));
    return true;
}

uint16_t fake_driver_used_idx(struct fake_driver *d)
{
    return d->packed ? used_idx_packed(d) : load_acquire(&d->used->idx);
}

int fake_driver_reap(struct fake_driver *d)
{
    struct vring_used_elem *elem;
    struct fake_chain *c;
    uint32_t head;

    if (d->packed) {
        return reap_packed(d);
    }
    if (fake_driver_used_idx(d) == d->reaped) {
        return -1;
    }
    elem = &d->used->ring[d->reaped % d->size];
    d->reaped++;
    head = load_relaxed(&elem->id);
    c = used_chain(d, head);
    c->used = true;
    c->used_len = load_relaxed(&elem->len);
    d->last = head;
    return head;
}

void fake_driver_await(struct fake_driver *d, unsigned n)
{
    while (n) {
        if (fake_driver_reap(d) >= 0) {
            n--;
            continue;
        }
        fake_driver_want_interrupts(d, true);
        full_barrier(); /* between asking for an interrupt and the last look at used->idx */
        if (fake_driver_used_idx(d) == d->reaped) {
            fd_await(d->call_fd);
            fake_driver_interrupts(d);
        }
    }
}

void fake_driver_want_interrupts(struct fake_driver *d, bool want)
{
    if (d->packed) {
        packed_want_interrupts(d, want);
    } else if (d->event_idx) {
        store_relaxed(&d->avail->ring[d->size], want ? d->reaped : (uint16_t)(d->reaped - 1));
    } else {
        store_relaxed(&d->avail->flags, want ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
    }
}

unsigned fake_driver_interrupts(struct fake_driver *d)
{
    uint64_t n = 0;

    return read(d->call_fd, &n, sizeof(n)) < 0 ? 0 : n;
}

uint8_t fake_driver_status(struct fake_driver *d, uint16_t head)
{
    return load_relaxed(d->chains[head].status);
}

uint32_t fake_driver_used_len(struct fake_driver *d, uint16_t head)
{
    if (!d->chains[head].used) {
        ck_abort_msg("chain %u is not used yet", head);
    }
    return d->chains[head].used_len;
}

void *fake_driver_buf(struct fake_driver *d, uint16_t head, unsigned i)
{
    ck_assert_uint_lt(i, d->chains[head].nr_bufs);
    return fake_driver_at(d, d->chains[head].bufs[i].gpa);
}

/* --- transport --- */

static void config_changed(void *opaque)
{
    struct fake_transport *t = opaque;
    uint64_t one = 1;

    ck_assert_int_eq(write(t->config_fd, &one, sizeof(one)), sizeof(one));
}

static const struct virtio_transport_ops transport_ops = {.config_changed = config_changed};

void fake_transport_init(struct fake_transport *t, struct virtio_device *dev)
{
    t->config_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    dev->transport = &transport_ops;
    dev->transport_opaque = t;
}

void fake_transport_destroy(struct fake_transport *t)
{
    close(t->config_fd);
}

void fake_transport_await_config(struct fake_transport *t)
{
    uint64_t n;

    fd_await(t->config_fd);
    ck_assert_int_eq(read(t->config_fd, &n, sizeof(n)), sizeof(n));
}

void fake_driver_negotiate(struct virtio_device *dev, uint64_t features)
{
    uint8_t s = 0;

    features |= 1ull << VIRTIO_F_VERSION_1;
    virtio_set_status(dev, s);
    virtio_set_status(dev, s |= VIRTIO_CONFIG_S_ACKNOWLEDGE);
    virtio_set_status(dev, s |= VIRTIO_CONFIG_S_DRIVER);
    virtio_set_features(dev, 0, features);
    virtio_set_features(dev, 1, features >> 32);
    virtio_set_status(dev, s |= VIRTIO_CONFIG_S_FEATURES_OK);
    ck_assert_uint_eq(virtio_status(dev), s);
}

void fake_driver_attach(struct fake_driver *d, struct virtio_device *dev, unsigned i)
{
    dev->queues[i].kick_fd = d->kick_fd;
    dev->queues[i].call_fd = d->call_fd;
    fake_driver_setup(d, &dev->queues[i].vq);
}

void fd_await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_msg(poll(&p, 1, HANG_MS) == 1, "nothing came: the device hangs");
}
