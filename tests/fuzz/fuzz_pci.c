// SPDX-License-Identifier: MIT
/*
 * A virtio-pci block device as the guest reaches it: configuration space, BAR, MSI-X, registers.
 * Whatever is written in whatever order, read-only fields stay, KVM has doorbells exactly where the
 * BAR is and irqfds exactly for vectors that are unmasked, the status follows the rules, queues are
 * set up only while that is allowed, and a driver that begins anew by the book gets a device that
 * works and interrupts.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "kvm/layout.h"
#include "kvm/virtio-pci.h"
#include "tests/fuzz/device.h"
#include "tests/unit/fake-kvm.h"

enum code {
    CONFIG,
    CONFIG_TOO,
    REGISTER,
    REGISTER_TOO,
    TABLE,
    WINDOW,
    ODD_ACCESS,
    HOME,
    NEGOTIATE,
    SET_UP,
    GO,
    REQUEST,
    KICK,
    STEP,
    STEP_POLLING,
    BREAK,
    HOLD,
    ANSWER,
    CHANGE,
    NR_CODES,
};

#define QUEUE_RESET 0x3a
#define SLOT        1
#define HOME_BAR    ((uint64_t)LAYOUT_PCI_WINDOW)
#define MSIX_CAP    0x40 /* where virtio_pci_init() puts it; checked at the start */

static const struct vm no_vm = {.kvm_fd = -1, .fd = -1};
static struct pci_host host;
static struct msi_routes routes;
static struct virtio_pci pci;
static struct fuzz_device *f;

/* What a write may not change. */
struct before {
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t status;
    struct {
        uint64_t desc, avail, used;
        uint16_t size;
        bool ready;
    } queues[DEVICE_QUEUES];
};

static void remember(struct before *b)
{
    memset(b, 0, sizeof(*b));
    memcpy(b->config, pci.config.bytes, sizeof(b->config));
    b->status = virtio_status(f->dev);
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        const struct virtqueue *vq = &f->dev->queues[i].vq;

        b->queues[i].desc = vq->desc_gpa;
        b->queues[i].avail = vq->avail_gpa;
        b->queues[i].used = vq->used_gpa;
        b->queues[i].size = vq->size;
        b->queues[i].ready = vq->ready;
    }
}

static void check_config(const struct before *b)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        uint8_t changed = b->config[i] ^ pci.config.bytes[i];
        bool data = i - pci.window_cap - sizeof(struct virtio_pci_cap) < 4;

        FUZZ_CHECK(data || !(changed & ~pci.config.writable[i]), "byte 0x%x is read-only", i);
    }
    FUZZ_CHECK(pci_config_get(&pci.config, PCI_VENDOR_ID, 4) == 0x10421af4, "another device");
}

static void check_doorbells(void)
{
    uint64_t base = pci_config_bar(&pci.config);
    unsigned n = base == PCI_BAR_NONE ? 0 : f->dev->nr_queues;

    FUZZ_CHECK(fake_kvm_doorbells() == n, "%u doorbells", fake_kvm_doorbells());
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(fake_kvm_doorbell(base + VIRTIO_PCI_AT_NOTIFY + 4 * i) ==
                       f->dev->queues[i].kick_fd,
                   "the doorbell of queue %u is not at the BAR", i);
    }
}

static void check_vectors(void)
{
    uint16_t control = (uint16_t)pci_config_get(&pci.config, MSIX_CAP + PCI_MSIX_FLAGS, 2);
    bool on = (control & PCI_MSIX_FLAGS_ENABLE) && !(control & PCI_MSIX_FLAGS_MASKALL);

    FUZZ_CHECK((control & PCI_MSIX_FLAGS_QSIZE) == f->dev->nr_queues, "the table's size changed");
    for (unsigned i = 0; i < pci.msix.nr; i++) {
        const uint32_t *entry = pci.msix.vectors[i].entry;
        unsigned gsi = VM_FIRST_MSI_GSI + i;
        bool want = on && !(entry[3] & 1) && entry[0] >> 20 == 0xfee && entry[1] == 0;

        FUZZ_CHECK(!(entry[3] & ~1u), "reserved bits of vector %u", i);
        FUZZ_CHECK((kvm.irqfd[gsi] >= 0) == want, "vector %u: irqfd %d", i, kvm.irqfd[gsi]);
        FUZZ_CHECK(!want || (kvm.routed[gsi] && kvm.route[gsi].address == entry[0] &&
                             kvm.route[gsi].data == entry[2]),
                   "vector %u has another route", i);
    }
    FUZZ_CHECK(fake_kvm_irqfds() <= pci.msix.nr, "irqfds of no vector");
}

static void check_queues(const struct before *b)
{
    uint8_t status = virtio_status(f->dev);

    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        const struct virtqueue *vq = &f->dev->queues[i].vq;
        bool changed = vq->size != b->queues[i].size || vq->desc_gpa != b->queues[i].desc ||
                       vq->avail_gpa != b->queues[i].avail || vq->used_gpa != b->queues[i].used;

        FUZZ_CHECK(vq->size > 0 && vq->size <= f->dev->queues[i].size_max, "queue %u has size %u",
                   i, vq->size);
        FUZZ_CHECK(!changed || !b->queues[i].ready || !vq->ready,
                   "the set-up of enabled queue %u changed", i);
        FUZZ_CHECK(!changed || (status & VIRTIO_CONFIG_S_FEATURES_OK),
                   "queue %u is set up before FEATURES_OK", i);
        FUZZ_CHECK(!vq->ready || (status & VIRTIO_CONFIG_S_FEATURES_OK),
                   "queue %u is enabled before FEATURES_OK", i);
    }
}

static void check(const struct before *b)
{
    uint8_t after = virtio_status(f->dev);

    device_look(f);
    check_config(b);
    check_doorbells();
    check_vectors();
    if (after == 0) { /* a reset */
        for (unsigned i = 0; i < f->dev->nr_queues; i++) {
            FUZZ_CHECK(!f->dev->queues[i].vq.ready, "a reset leaves queue %u enabled", i);
            FUZZ_CHECK(b->status == 0 || f->dev->queues[i].call_fd < 0,
                       "a reset leaves queue %u its vector", i);
        }
        return;
    }
    FUZZ_CHECK((after & b->status) == b->status, "status 0x%x became 0x%x", b->status, after);
    FUZZ_CHECK(!(after & VIRTIO_CONFIG_S_DRIVER_OK) || (after & VIRTIO_CONFIG_S_FEATURES_OK),
               "live without features");
    check_queues(b);
}

/* --- accesses --- */

static void config(unsigned offset, void *data, unsigned size, bool write, bool port)
{
    if (port) {
        uint32_t address = 0x80000000u | SLOT << 11 | (offset & 0xfc);

        pci_host_port(&host, 0xcf8, &address, 4, true);
        pci_host_port(&host, (uint16_t)(0xcfc + offset % 4), data, size, write);
    } else {
        pci_host_memory(&host, LAYOUT_ECAM + (SLOT << 15) + offset, data, size, write);
    }
}

static void set_config(unsigned offset, unsigned size, uint32_t value, bool port)
{
    struct before b;

    remember(&b);
    config(offset, &value, size, true, port);
    check(&b);
}

/* The BAR is wherever the guest has put it. */
static void access_bar(unsigned offset, void *data, unsigned size, bool write)
{
    uint64_t base = pci_config_bar(&pci.config);
    struct before b;

    if (base != PCI_BAR_NONE) {
        remember(&b);
        pci_host_memory(&host, base + offset, data, size, write);
        check(&b);
    }
}

static void put(unsigned offset, unsigned size, uint64_t value)
{
    access_bar(offset, &value, size, true);
}

static uint64_t get(unsigned offset, unsigned size)
{
    uint64_t value = 0;

    access_bar(offset, &value, size, false);
    return value;
}

static void odd_access(const struct fuzz_op *op)
{
    uint8_t data[16], size = 1u << (op->a & 3);
    bool write = op->a & 4;

    memset(data, 0xa5, sizeof(data));
    if (op->a & 8) {
        struct before b;

        remember(&b);
        config(op->b % 4096, data, size, write, op->a & 16);
        check(&b);
    } else {
        access_bar(op->b % VIRTIO_PCI_BAR_SIZE, data, size, write);
    }
    for (unsigned i = write ? 0 : size; i < sizeof(data); i++) {
        FUZZ_CHECK(data[i] == 0xa5, "%u bytes at 0x%x: byte %u was touched", size, op->b, i);
    }
}

/* --- by the book --- */

static void home(void)
{
    set_config(PCI_COMMAND, 2, 0, false);
    set_config(PCI_BASE_ADDRESS_0, 4, (uint32_t)HOME_BAR, false);
    set_config(PCI_BASE_ADDRESS_1, 4, 0, false);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, false);
    FUZZ_CHECK(pci_config_bar(&pci.config) == HOME_BAR, "the BAR is elsewhere");
}

/* @a: features that are not accepted, as in fuzz_blk.c */
static void negotiate(const struct fuzz_op *op)
{
    uint64_t features = f->dev->device_features;
    uint8_t s = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

    features &= op->a & 1 ? UINT64_MAX : ~(1ull << VIRTIO_F_RING_PACKED);
    features &= op->a & 2 ? UINT64_MAX : ~(1ull << VIRTIO_RING_F_EVENT_IDX);
    put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    put(VIRTIO_PCI_COMMON_STATUS, 1, s);
    for (unsigned half = 0; half < 2; half++) {
        put(VIRTIO_PCI_COMMON_GFSELECT, 4, half);
        put(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * half)));
    }
    put(VIRTIO_PCI_COMMON_STATUS, 1, s | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void set_up(unsigned i, const struct fuzz_op *op)
{
    const struct fuzz_driver *d = &f->drv[i];

    device_ring(f, i, op);
    put(VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
    put(VIRTIO_PCI_COMMON_Q_SIZE, 2, d->size);
    put(VIRTIO_PCI_COMMON_Q_DESCLO, 4, (uint32_t)d->desc);
    put(VIRTIO_PCI_COMMON_Q_DESCHI, 4, d->desc >> 32);
    put(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, (uint32_t)d->avail);
    put(VIRTIO_PCI_COMMON_Q_AVAILHI, 4, d->avail >> 32);
    put(VIRTIO_PCI_COMMON_Q_USEDLO, 4, (uint32_t)d->used);
    put(VIRTIO_PCI_COMMON_Q_USEDHI, 4, d->used >> 32);
    put(VIRTIO_PCI_COMMON_Q_MSIX, 2, i + 1);
    put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void go(void)
{
    put(VIRTIO_PCI_COMMON_STATUS, 1, get(VIRTIO_PCI_COMMON_STATUS, 1) | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void unmask_all(void)
{
    set_config(MSIX_CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE, false);
    for (unsigned i = 0; i <= f->dev->nr_queues; i++) {
        unsigned at = VIRTIO_PCI_AT_MSIX_TABLE + 16 * i;

        put(at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, 0xfee00000);
        put(at + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
        put(at + PCI_MSIX_ENTRY_DATA, 4, 0x40 + i);
        put(at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
    }
}

static void check_interrupts(void)
{
    fake_kvm_sent();
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        virtio_queue_interrupt(f->dev, &f->dev->queues[i]);
        FUZZ_CHECK(fake_kvm_sent() == 1 && kvm.sent[0].data == 0x41 + i,
                   "queue %u does not interrupt", i);
    }
}

/* As the guest's write does: KVM signals the descriptor of the doorbell. */
static void kick(void *opaque, unsigned i)
{
    uint64_t base = pci_config_bar(&pci.config);
    int fd = fake_kvm_doorbell(base + VIRTIO_PCI_AT_NOTIFY + 4 * i);

    if (base != PCI_BAR_NONE) {
        FUZZ_CHECK(fd >= 0, "queue %u has no doorbell", i);
        eventfd_write(fd, 1);
    }
}

/* --- operations --- */

static uint32_t value_of(const struct fuzz_op *op)
{
    static const uint32_t values[] = {
        0, 1, 3, 7, 11, 15, 64, 65, 4, 2, 0x8000, 0xfee00000, 0xffff, 0xc000, 0x1000, UINT32_MAX,
    };

    return op->c < 64 ? values[op->c % 16] : op->c;
}

static void write_config(const struct fuzz_op *op)
{
    static const uint16_t fields[] = {
        PCI_COMMAND,         PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_1, MSIX_CAP + PCI_MSIX_FLAGS,
        PCI_CAPABILITY_LIST, MSIX_CAP,           PCI_VENDOR_ID,      PCI_INTERRUPT_LINE,
    };
    unsigned size = 1u << (op->a >> 4 & 1) << (op->a >> 5 & 1);

    set_config(fields[op->a % 8], size, value_of(op), op->a & 0x80);
}

static void write_register(const struct fuzz_op *op)
{
    static const struct {
        uint8_t offset, size;
    } registers[] = {
        {VIRTIO_PCI_COMMON_STATUS, 1},
        {VIRTIO_PCI_COMMON_STATUS, 1},
        {VIRTIO_PCI_COMMON_Q_SELECT, 2},
        {VIRTIO_PCI_COMMON_Q_SIZE, 2},
        {VIRTIO_PCI_COMMON_Q_ENABLE, 2},
        {VIRTIO_PCI_COMMON_Q_ENABLE, 2},
        {VIRTIO_PCI_COMMON_Q_MSIX, 2},
        {VIRTIO_PCI_COMMON_MSIX, 2},
        {VIRTIO_PCI_COMMON_Q_DESCLO, 4},
        {VIRTIO_PCI_COMMON_Q_AVAILHI, 4},
        {VIRTIO_PCI_COMMON_Q_USEDLO, 4},
        {VIRTIO_PCI_COMMON_GF, 4},
        {VIRTIO_PCI_COMMON_GFSELECT, 4},
        {VIRTIO_PCI_COMMON_DFSELECT, 4},
        {QUEUE_RESET, 2},
        {VIRTIO_PCI_COMMON_NUMQ, 2},
    };

    put(registers[op->a % 16].offset, registers[op->a % 16].size, value_of(op));
}

/* @b: the word; two vectors more than there are */
static void write_table(const struct fuzz_op *op)
{
    unsigned words = 4 * (f->dev->nr_queues + 1 + 2);

    put(VIRTIO_PCI_AT_MSIX_TABLE + op->b % words * 4, op->a & 1 ? 8 : 4, value_of(op));
}

static void write_window(const struct fuzz_op *op)
{
    unsigned cap = pci.window_cap;

    set_config(cap + 4, 1, op->a & 0x10 ? op->a : 0, false);
    set_config(cap + 8, 4, op->a & 0x20 ? op->c : op->b % VIRTIO_PCI_BAR_SIZE, false);
    set_config(cap + 12, 4, op->a & 0x40 ? op->c : 1u << op->a % 3, false);
    set_config(cap + 16, 4, value_of(op), op->a & 0x80);
}

static void step(const struct fuzz_op *op)
{
    unsigned i = (op->c >> 31) % f->dev->nr_queues;

    switch (op->code % NR_CODES) {
    case CONFIG:
    case CONFIG_TOO:
        write_config(op);
        break;
    case REGISTER:
    case REGISTER_TOO:
        write_register(op);
        break;
    case TABLE:
        write_table(op);
        break;
    case WINDOW:
        write_window(op);
        break;
    case ODD_ACCESS:
        odd_access(op);
        break;
    case HOME:
        home();
        break;
    case NEGOTIATE:
        negotiate(op);
        break;
    case SET_UP:
        set_up(i, op);
        break;
    case GO:
        go();
        break;
    case REQUEST:
        if (f->drv[i].g) {
            device_request(f, i, op);
        }
        break;
    case KICK:
        kick(NULL, i);
        break;
    case STEP:
    case STEP_POLLING:
        device_step(f, op->code % NR_CODES == STEP_POLLING);
        break;
    case BREAK:
        if (f->drv[i].g) {
            driver_break(&f->drv[i], op);
        }
        break;
    case HOLD:
        f->hold = op->a & 1;
        break;
    case CHANGE:
        virtio_config_changed(f->dev);
        break;
    default:
        device_answer(f, op->a);
        break;
    }
}

static void run(const uint8_t *data, size_t size)
{
    static const struct fuzz_op plain = {.a = 0};
    struct fuzz_op ops[FUZZ_OPS_MAX];
    unsigned n = fuzz_ops(data, size, ops);
    struct error err = {""};

    fake_kvm_init();
    f = device_init(n ? &ops[0] : &plain);
    f->drv[0].g = f->drv[1].g = NULL;
    pci_host_init(&host);
    msi_routes_init(&routes, &no_vm);
    FUZZ_CHECK(pci_host_add(&host, &virtio_pci_ops, &pci) == SLOT, "another slot");
    FUZZ_CHECK(virtio_pci_init(&pci, &no_vm, &routes, f->dev, HOME_BAR, &err) == 0, "%s", err.msg);
    FUZZ_CHECK(pci.msix_cap == MSIX_CAP, "MSI-X is at 0x%x", pci.msix_cap);
    for (unsigned i = 1; i < n; i++) {
        step(&ops[i]);
    }
    device_settle(f);
    home();
    negotiate(n ? &ops[0] : &plain);
    unmask_all();
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        set_up(i, &plain);
    }
    go();
    for (unsigned i = 0; i < f->dev->nr_queues; i++) {
        device_works(f, i, kick, NULL);
    }
    check_interrupts();
    virtio_transport_stop(&pci.common);
    virtio_pci_destroy(&pci);
    msi_routes_destroy(&routes);
    device_end(f);
}

/* --- inputs --- */

#define LIFE(device, features)                                                                     \
    {.a = (device)}, {HOME}, {NEGOTIATE, features}, {CONFIG, 3, 0, 0x80000000}, {TABLE, 0, 4, 11}, \
        {TABLE, 0, 6, 0x41}, {TABLE, 0, 7, 0}, {SET_UP, 0, 0}, {SET_UP, 0, 1, 0x80000000}, {GO},   \
        {REQUEST, 0, 1, 1}, {KICK}, {STEP}, {TABLE, 0, 7, 1}, {REQUEST, 0x21, 10, 2}, {KICK},      \
        {STEP_POLLING}, {CHANGE}, {WINDOW, 0, 20, 15}, {CONFIG, 0x31, 0, UINT32_MAX},              \
        {CONFIG, 0x32, 0, 2}, {REGISTER, 14, 0, 1}, {ODD_ACCESS, 8, 64}, {REGISTER, 0, 0, 0},      \
        {REGISTER, 11, 0, 5},                                                                      \
    {                                                                                              \
        REGISTER, 3, 0, 6                                                                          \
    }

static const struct fuzz_op seeds[][26] = {{LIFE(0, 0)}, {LIFE(7, 3)}, {LIFE(1, 2)}};

const struct fuzz_target fuzz_target = {FUZZ_OPS(seeds, NR_CODES), .run = run};
