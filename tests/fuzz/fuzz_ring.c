// SPDX-License-Identifier: MIT
/*
 * Virtqueues, without a device. A driver offers chains and now and then breaks a rule; the queue
 * must do what a model of the specification says: the same chains, the same buffers, broken at the
 * same moment and until it is set up again; used entries in order, visible when they are shown or
 * published and not before; an interrupt when it was asked for; not one byte written anywhere else.
 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "tests/fuzz/driver.h"

#define IN_FLIGHT_MAX DRIVER_SIZE

enum code {
    OFFER,
    OFFER_TOO,
    POP,
    POP_TOO,
    PUSH,
    SHOW,
    PUBLISH,
    SUPPRESS,
    UNSUPPRESS,
    WANT_INTERRUPTS,
    BREAK,
    RESTART,
    NR_CODES,
};

static struct fuzz_guest guest;
static struct fuzz_driver drv;
static struct ring_model model;
static struct virtqueue vq;

static uint16_t in_flight[IN_FLIGHT_MAX];
static unsigned nr_in_flight;

/* --- set-up --- */

static void allow_hints(void)
{
    if (drv.packed) {
        guest_allow(&guest, guest_at(&guest, drv.used, 4), 4, GUEST_ONCE);
        return;
    }
    if (drv.event_idx) {
        uint64_t at = drv.used + 4 + 8ull * drv.size;

        guest_allow(&guest, guest_at(&guest, at, 2), 2, GUEST_ONCE);
    } else {
        guest_allow(&guest, guest_at(&guest, drv.used, 2), 2, GUEST_ONCE);
    }
}

static void stop(void)
{
    virtq_stop(&vq);
    for (unsigned i = 0; i < nr_in_flight; i++) {
        guest_finish(&guest, in_flight[i]);
    }
    guest_look(&guest);
    nr_in_flight = 0;
}

/* An address that is not aligned, or not in memory, but sometimes is both. */
static void start_wrong(const struct fuzz_op *op)
{
    static const uint64_t by[] = {
        1, 2, GUEST_SIZE, GUEST_NEXT_GPA - GUEST_GPA - 8, 0ull - GUEST_GPA, GUEST_PAGE,
    };
    const uint64_t align[2][3] = {{16, 2, 4}, {16, 4, 4}}, event = drv.event_idx ? 2 : 0;
    const uint64_t bytes[2][3] = {
        {16ull * drv.size, 4 + 2ull * drv.size + event, 4 + 8ull * drv.size + event},
        {16ull * drv.size, 4, 4},
    };
    uint64_t *address[] = {&vq.desc_gpa, &vq.avail_gpa, &vq.used_gpa};
    unsigned i = op->c % 3;
    bool valid;

    driver_setup(&drv, &vq);
    vq.base = 0;
    *address[i] += by[(op->c >> 8) % 6];
    valid = *address[i] % align[drv.packed][i] == 0 &&
            guest_at(&guest, *address[i], bytes[drv.packed][i]);
    FUZZ_CHECK((virtq_start(&vq, &guest.gm) == 0) == valid, "part %u at 0x%llx: %s", i,
               (unsigned long long)*address[i], vq.fault.what ? vq.fault.what : "taken");
    virtq_stop(&vq);
}

/* @a: packed, event index, indirect; wrong addresses first. @b: the size. */
static void start(const struct fuzz_op *op)
{
    static const uint16_t sizes[] = {8, 1, 2, 4, 16, 32, 64, 256, 3, 7, 100, 255};
    bool packed = op->a & 1;
    uint16_t size = sizes[op->b % (sizeof(sizes) / sizeof(sizes[0]))];

    if (!packed && (size & (size - 1))) {
        size = 8;
    }
    stop();
    driver_reset(&drv, &guest, 0, size, packed, op->a & 2, !(op->a & 4));
    if (op->a >= 0xf0) {
        start_wrong(op);
        guest_init(&guest);
    }
    model_reset(&model);
    driver_setup(&drv, &vq);
    vq.base = 0;
    FUZZ_CHECK(virtq_start(&vq, &guest.gm) == 0, "%s", vq.fault.what);
    allow_hints();
    guest_look(&guest);
}

/* --- operations --- */

static void offer(const struct fuzz_op *op)
{
    static const uint32_t lengths[] = {16, 1, 512, 4096, 100, 15, 513, 2048};
    unsigned nr_out = op->b & 7, nr_in = (op->b >> 3) & 7;
    struct driver_buf bufs[DRIVER_BUFS];

    if (nr_out + nr_in == 0) {
        nr_out = 1;
    }
    for (unsigned i = 0; i < nr_out + nr_in; i++) {
        uint32_t len = lengths[(op->c >> (3 * (i % 8))) & 7];

        bufs[i] = (struct driver_buf){driver_room(&drv, len), len, i >= nr_out};
    }
    driver_offer(&drv, bufs, nr_out + nr_in, op->a & 1);
}

static void pop(void)
{
    static struct virtq_chain got, want;
    int expected, r;

    expected = model_pop(&model, &drv, &want);
    r = virtq_pop(&vq, &got);
    FUZZ_CHECK(r == (expected < 0 ? -EINVAL : expected), "got %d, not %d: %s", r, expected,
               vq.fault.what ? vq.fault.what : "it thinks it is fine");
    FUZZ_CHECK((r < 0) == (vq.fault.what != NULL), "%d without a reason", r);
    if (r <= 0) {
        return;
    }
    FUZZ_CHECK(got.head == want.head && got.nr_out == want.nr_out && got.nr_in == want.nr_in,
               "chain %u of %u + %u, not %u of %u + %u", got.head, got.nr_out, got.nr_in, want.head,
               want.nr_out, want.nr_in);
    for (unsigned i = 0; i < got.nr_out + got.nr_in; i++) {
        FUZZ_CHECK(got.iov[i].iov_base == want.iov[i].iov_base &&
                       got.iov[i].iov_len == want.iov[i].iov_len,
                   "buffer %u of chain %u", i, got.head);
        if (i >= got.nr_out) { /* as a device would */
            guest_allow(&guest, got.iov[i].iov_base, got.iov[i].iov_len, got.head);
        }
    }
    FUZZ_CHECK(nr_in_flight < drv.size, "more chains than descriptors");
    in_flight[nr_in_flight++] = got.head;
}

static void push(const struct fuzz_op *op)
{
    uint16_t id, at = model.used, flags;
    unsigned i;

    if (nr_in_flight == 0) {
        return;
    }
    i = op->a % nr_in_flight;
    id = in_flight[i];
    in_flight[i] = in_flight[--nr_in_flight];
    flags = (model.used_wrap ? P_AVAIL | P_USED : 0) | (op->c ? VRING_DESC_F_WRITE : 0);
    if (drv.packed) {
        struct vring_packed_desc *e = guest_at(&guest, drv.desc + 16ull * at, sizeof(*e));
        bool first = model.unshown == 0;

        model_push(&model, &drv, id);
        virtq_push(&vq, id, op->c);
        FUZZ_CHECK(e->id == id && e->len == op->c && (first || e->flags == flags),
                   "used descriptor %u: chain %u, %u bytes, flags 0x%x", at, e->id, e->len,
                   e->flags);
    } else {
        struct vring_used_elem *e =
            guest_at(&guest, drv.used + 4 + 8ull * (at % drv.size), sizeof(*e));

        model_push(&model, &drv, id);
        virtq_push(&vq, id, op->c);
        FUZZ_CHECK(e->id == id && e->len == op->c, "used entry %u: chain %u, %u bytes", at, e->id,
                   e->len);
    }
    guest_finish(&guest, id);
}

static void check_used_index(void)
{
    if (!drv.packed) {
        FUZZ_CHECK(guest_get16(&guest, drv.used + 2) == model.shown, "used index %u, not %u",
                   guest_get16(&guest, drv.used + 2), model.shown);
    }
}

static void reap(void)
{
    uint32_t written;
    uint16_t id;

    while (!model.broken && driver_reap(&drv, &id, &written)) {
    }
}

static void publish(void)
{
    bool pushed = model.unpublished, r;
    int wanted = model_publish(&model, &drv);

    r = virtq_publish_used(&vq);
    FUZZ_CHECK(pushed || !r, "an interrupt for nothing");
    FUZZ_CHECK(wanted < 0 || r == wanted, "interrupt: %d, not %d", r, wanted);
    check_used_index();
}

static void unsuppress(void)
{
    static struct ring_model copy;
    static struct virtq_chain chain;
    bool work;

    allow_hints();
    work = virtq_unsuppress(&vq);
    FUZZ_CHECK(work == virtq_has_work(&vq), "two answers");
    copy = model;
    copy.cached = drv.packed ? copy.cached : copy.next; /* a new look */
    FUZZ_CHECK(model.broken || work == (model_pop(&copy, &drv, &chain) != 0), "work: %d", work);
}

static void step(const struct fuzz_op *op)
{
    switch (op->code % NR_CODES) {
    case OFFER:
    case OFFER_TOO:
        offer(op);
        break;
    case POP:
    case POP_TOO:
        for (unsigned i = 0; i <= op->a % 4u; i++) {
            pop();
        }
        break;
    case PUSH:
        push(op);
        break;
    case SHOW:
        model_show(&model, &drv);
        virtq_publish_early(&vq);
        check_used_index();
        reap();
        break;
    case PUBLISH:
        publish();
        reap();
        break;
    case SUPPRESS:
        allow_hints();
        virtq_suppress(&vq);
        break;
    case UNSUPPRESS:
        unsuppress();
        break;
    case WANT_INTERRUPTS: /* at, or a little after, what comes next; or by flag */
        if (drv.packed) {
            guest_put16(&guest, drv.avail,
                        (uint16_t)((model.used + op->b % 4) % drv.size) |
                            (model.used_wrap ^ (op->b >> 8 & 1)) << 15);
            guest_put16(&guest, drv.avail + 2, op->a & 3);
        } else {
            guest_put16(&guest, drv.avail + 4 + 2ull * drv.size, model.used + op->b % 4);
            guest_put16(&guest, drv.avail, op->a & 1);
        }
        break;
    case BREAK:
        driver_break(&drv, op);
        break;
    default:
        start(op);
        break;
    }
    guest_look(&guest);
}

/* After all that, a driver that sets the queue up anew and behaves is served. */
static void check_service(void)
{
    struct driver_buf bufs[] = {{0, 16, false}, {0, 1, true}};
    uint32_t written;
    uint16_t id;

    start(&(struct fuzz_op){.a = drv.packed | drv.event_idx << 1});
    for (unsigned i = 0; i < 6; i++) {
        bufs[0].gpa = driver_room(&drv, 16);
        bufs[1].gpa = driver_room(&drv, 1);
        FUZZ_CHECK(driver_offer(&drv, bufs, 2, i & 1), "the driver has no descriptors left");
        pop();
        FUZZ_CHECK(nr_in_flight == 1, "a good chain was not taken");
        push(&(struct fuzz_op){.c = 1});
        publish();
        guest_look(&guest);
        FUZZ_CHECK(driver_reap(&drv, &id, &written) && written == 1, "it was not used");
    }
}

static void run(const uint8_t *data, size_t size)
{
    struct fuzz_op ops[FUZZ_OPS_MAX];
    unsigned n = fuzz_ops(data, size, ops);

    guest_init(&guest);
    nr_in_flight = 0;
    start(n ? &ops[0] : &(struct fuzz_op){.a = 0});
    for (unsigned i = 1; i < n; i++) {
        step(&ops[i]);
    }
    check_service();
    virtq_stop(&vq);
}

/* --- inputs --- */

#define ALL(a_)                                                                                    \
    {.a = (a_)}, {OFFER, 0, 9, 0}, {OFFER, 1, 10, 2}, {POP, 1}, {PUSH, 1, 0, 17}, {SHOW},          \
        {PUBLISH}, {WANT_INTERRUPTS, 2}, {SUPPRESS}, {OFFER, 0, 17, 9}, {UNSUPPRESS}, {POP, 3},    \
        {PUSH}, {PUSH}, {PUBLISH}, {OFFER, 0, 9, 0}, {BREAK, 1, 0, 4}, {POP}, {RESTART, a_, 1},    \
        {OFFER, 1, 9, 0}, {POP}, {PUSH},                                                           \
    {                                                                                              \
        PUBLISH                                                                                    \
    }

static const struct fuzz_op seeds[][23] = {{ALL(0)}, {ALL(2)}, {ALL(1)}, {ALL(3)}};

const struct fuzz_target fuzz_target = {FUZZ_OPS(seeds, NR_CODES), .run = run};
