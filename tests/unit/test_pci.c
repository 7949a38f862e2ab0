// SPDX-License-Identifier: MIT
/* PCI as a guest sees it: configuration space, BAR, capabilities, MSI-X, the virtio registers. */
#include <check.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>

#include "kvm/layout.h"
#include "kvm/virtio-pci.h"
#include "tests/unit/fake-kvm.h"
#include "tests/unit/suite.h"

#define QUEUES      2
#define VECTORS     (QUEUES + 1)
#define QUEUE_SIZE  64
#define BAR         ((uint64_t)LAYOUT_PCI_WINDOW)
#define SLOT        1
#define NO_VECTOR   VIRTIO_PCI_NO_VECTOR
#define QUEUE_RESET 0x3a

#define ACK  VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRV  VIRTIO_CONFIG_S_DRIVER
#define FEAT VIRTIO_CONFIG_S_FEATURES_OK
#define LIVE VIRTIO_CONFIG_S_DRIVER_OK

/* --- a device that does nothing but count --- */

static struct fake {
    struct virtio_device dev;
    struct virtio_queue queues[QUEUES];
    unsigned starts, stops, queue_starts, queue_stops;
    uint8_t config[8];
} fake;

static int fake_start(struct virtio_device *dev)
{
    fake.starts++;
    return 0;
}

static void fake_stop(struct virtio_device *dev)
{
    fake.stops++;
}

static int fake_queue_start(struct virtio_device *dev, unsigned i)
{
    fake.queue_starts++;
    return 0;
}

static void fake_queue_stop(struct virtio_device *dev, unsigned i)
{
    fake.queue_stops++;
}

static void fake_config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    memcpy(data, fake.config + offset, len);
}

static void fake_config_write(struct virtio_device *dev, unsigned offset, const void *data,
                              unsigned len)
{
    memcpy(fake.config + offset, data, len);
}

static const struct virtio_device_ops fake_ops = {
    .start = fake_start,
    .stop = fake_stop,
    .queue_start = fake_queue_start,
    .queue_stop = fake_queue_stop,
    .config_read = fake_config_read,
    .config_write = fake_config_write,
};

static const struct vm no_vm = {.kvm_fd = -1, .fd = -1};
static struct pci_host host;
static struct msi_routes routes;
static struct virtio_pci pci;

static void a_bus(void)
{
    struct error err = {""};

    fake_kvm_init();
    fake = (struct fake){
        .dev = {.ops = &fake_ops,
                .device_id = VIRTIO_ID_BLOCK,
                .config_size = sizeof(fake.config),
                .device_features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_RESET | 1,
                .nr_queues = QUEUES,
                .queues = fake.queues},
        .config = {1, 2, 3, 4, 5, 6, 7, 8},
    };
    for (unsigned i = 0; i < QUEUES; i++) {
        fake.queues[i].size_max = fake.queues[i].vq.size = QUEUE_SIZE;
    }
    pci_host_init(&host);
    msi_routes_init(&routes, &no_vm);
    ck_assert_int_eq(pci_host_add(&host, &virtio_pci_ops, &pci), SLOT);
    ck_assert_msg(virtio_pci_init(&pci, &no_vm, &routes, &fake.dev, BAR, &err) == 0, "%s", err.msg);
}

static void no_bus(void)
{
    virtio_transport_stop(&pci.common);
    virtio_pci_destroy(&pci);
    msi_routes_destroy(&routes);
}

/* --- accesses of the guest --- */

static void cf8(unsigned slot, unsigned offset, void *data, unsigned size, bool write)
{
    uint32_t address = 0x80000000u | slot << 11 | (offset & 0xfc);

    ck_assert(pci_host_port(&host, 0xcf8, &address, 4, true));
    ck_assert(pci_host_port(&host, (uint16_t)(0xcfc + offset % 4), data, size, write));
}

static void ecam(unsigned slot, unsigned offset, void *data, unsigned size, bool write)
{
    ck_assert(pci_host_memory(&host, LAYOUT_ECAM + (slot << 15) + offset, data, size, write));
}

/* The two ways to configuration space; a test with _i runs with each. */
static void (*const ways[])(unsigned, unsigned, void *, unsigned, bool) = {cf8, ecam};
static unsigned way;

static uint32_t conf(unsigned offset, unsigned size)
{
    uint32_t value = 0;

    ways[way](SLOT, offset, &value, size, false);
    return value;
}

static void set_conf(unsigned offset, unsigned size, uint32_t value)
{
    ways[way](SLOT, offset, &value, size, true);
}

static uint64_t bar = BAR;

static uint64_t get(unsigned offset, unsigned size)
{
    uint64_t value = 0;

    ck_assert(pci_host_memory(&host, bar + offset, &value, size, false));
    return value;
}

static void set(unsigned offset, unsigned size, uint64_t value)
{
    ck_assert(pci_host_memory(&host, bar + offset, &value, size, true));
}

static bool answers(uint64_t gpa)
{
    uint32_t value;

    return pci_host_memory(&host, gpa, &value, 4, false);
}

static void decode(void)
{
    bar = BAR;
    set_conf(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void negotiate(uint64_t features)
{
    set(VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRV);
    for (unsigned half = 0; half < 2; half++) {
        set(VIRTIO_PCI_COMMON_GFSELECT, 4, half);
        set(VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * half)));
    }
    set(VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRV | FEAT);
}

static void go(void)
{
    set(VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRV | FEAT | LIVE);
}

/* Offset of the @n-th capability of @id, from 0 on; 0: there is none. */
static unsigned capability(uint8_t id, unsigned n)
{
    unsigned at = conf(PCI_CAPABILITY_LIST, 1);

    for (unsigned steps = 0; at && steps < 48; steps++) {
        if (conf(at, 1) == id && n-- == 0) {
            return at;
        }
        at = conf(at + PCI_CAP_LIST_NEXT, 1);
    }
    return 0;
}

static unsigned window(void)
{
    return capability(PCI_CAP_ID_VNDR, 4);
}

static void msix(uint16_t control)
{
    set_conf(capability(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2, control);
}

static void set_entry(unsigned i, uint64_t address, uint32_t data, uint32_t control)
{
    unsigned at = VIRTIO_PCI_AT_MSIX_TABLE + 16 * i;

    set(at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
    set(at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, (uint32_t)address);
    set(at + PCI_MSIX_ENTRY_UPPER_ADDR, 4, address >> 32);
    set(at + PCI_MSIX_ENTRY_DATA, 4, data);
    set(at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, control);
}

static void mask(unsigned i, bool on)
{
    set(VIRTIO_PCI_AT_MSIX_TABLE + 16 * i + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, on);
}

static uint64_t pending(void)
{
    return get(VIRTIO_PCI_AT_MSIX_PBA, 8);
}

/* Vector i has data 0x40 + i; all are unmasked, and queue i has vector i + 1. */
static void all_vectors(void)
{
    decode();
    msix(PCI_MSIX_FLAGS_ENABLE);
    for (unsigned i = 0; i < VECTORS; i++) {
        set_entry(i, 0xfee01000, 0x40 + i, 0);
    }
    negotiate(1ull << VIRTIO_F_VERSION_1);
    set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
    for (unsigned i = 0; i < QUEUES; i++) {
        set(VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
        set(VIRTIO_PCI_COMMON_Q_MSIX, 2, i + 1);
        set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    }
    go();
}

static void interrupt(unsigned queue)
{
    virtio_queue_interrupt(&fake.dev, &fake.queues[queue]);
}

/* --- configuration space --- */

START_TEST(bridge_and_device_are_found_both_ways)
{
    uint32_t value;

    way = (unsigned)_i;
    ways[way](0, PCI_VENDOR_ID, &value, 4, false);
    ck_assert_uint_eq(value, 0x00081b36);
    ways[way](0, PCI_CLASS_REVISION, &value, 4, false);
    ck_assert_uint_eq(value, 0x06000000);
    ck_assert_uint_eq(conf(PCI_VENDOR_ID, 4), 0x10421af4);
    ck_assert_uint_eq(conf(PCI_CLASS_REVISION, 4), 0x01800001);
    ck_assert_uint_eq(conf(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00401af4);
    ck_assert_uint_eq(conf(PCI_HEADER_TYPE, 1), 0);
    ck_assert_uint_eq(conf(PCI_INTERRUPT_PIN, 1), 0);
    ck_assert_uint_eq(conf(PCI_COMMAND, 2), 0);
    ck_assert_uint_eq(conf(PCI_DEVICE_ID, 2), 0x1042);
    ck_assert_uint_eq(conf(PCI_DEVICE_ID + 1, 1), 0x10);
}
END_TEST

START_TEST(functions_that_are_not_there_read_as_ones)
{
    static const struct {
        uint32_t cf8;
        bool there;
    } rows[] = {
        {0x80000000, true},  {0x80000800, true},  {0x80001000, false}, /* slots 0, 1, 2 */
        {0x8000f800, false}, {0x80000900, false}, {0x80010000, false}, /* 31; function 1; bus 1 */
        {0x80ffff00, false},
    };
    uint32_t address = rows[_i].cf8, value = 0;

    ck_assert(pci_host_port(&host, 0xcf8, &address, 4, true));
    ck_assert(pci_host_port(&host, 0xcfc, &value, 4, false));
    ck_assert_int_eq(value != UINT32_MAX, rows[_i].there);
    if ((address & 0xff0000) == 0) {
        uint64_t at = LAYOUT_ECAM + ((address & 0xff00) << 4);

        ck_assert(pci_host_memory(&host, at, &value, 4, false));
        ck_assert_int_eq(value != UINT32_MAX, rows[_i].there);
        value = 0;
        ck_assert(pci_host_memory(&host, at, &value, 4, true));
    }
}
END_TEST

START_TEST(the_address_register_takes_double_words_only)
{
    uint32_t address = 0xffffffff, value = 0;
    uint8_t byte = 6;

    ck_assert(pci_host_port(&host, 0xcf8, &address, 4, true));
    ck_assert(pci_host_port(&host, 0xcf8, &value, 4, false));
    ck_assert_uint_eq(value, 0x80fffffc);
    ck_assert(!pci_host_port(&host, 0xcf9, &byte, 1, true)); /* the reset register */
    ck_assert(!pci_host_port(&host, 0xcf8, &byte, 1, false));
    address = 0x800; /* not enabled */
    ck_assert(pci_host_port(&host, 0xcf8, &address, 4, true));
    ck_assert(!pci_host_port(&host, 0xcfc, &value, 4, false));
    ck_assert(!pci_host_port(&host, 0xd00, &value, 4, false));
    ck_assert(!pci_host_port(&host, 0xcf7, &byte, 1, false));
}
END_TEST

START_TEST(accesses_across_double_words_read_as_ones_and_write_nothing)
{
    static const struct {
        unsigned offset, size;
    } rows[] = {{1, 4}, {2, 4}, {3, 2}, {0x11, 4}, {0, 8}, {4, 8}, {0xfff, 2}, {0xffc, 8}};
    uint8_t data[8];

    memset(data, 0, sizeof(data));
    ecam(SLOT, rows[_i].offset, data, rows[_i].size, false);
    for (unsigned i = 0; i < rows[_i].size; i++) {
        ck_assert_uint_eq(data[i], 0xff);
    }
    ecam(SLOT, rows[_i].offset, data, rows[_i].size, true);
    ck_assert_uint_eq(conf(PCI_BASE_ADDRESS_0, 4), BAR | 4);
    ck_assert_uint_eq(conf(PCI_COMMAND, 2), 0);
}
END_TEST

START_TEST(only_these_bytes_are_writable)
{
    uint8_t want[PCI_CONFIG_SIZE] = {0};
    unsigned cap = capability(PCI_CAP_ID_MSIX, 0), win = window();

    way = (unsigned)_i;
    want[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    want[PCI_INTERRUPT_LINE] = 0xff;
    want[PCI_BASE_ADDRESS_0 + 1] = 0x80;
    memset(want + PCI_BASE_ADDRESS_0 + 2, 0xff, 6);
    want[cap + PCI_MSIX_FLAGS + 1] = 0xc0;
    want[win + 4] = 0xff;
    memset(want + win + 8, 0xff, 12);
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        uint32_t before = conf(i, 1);

        set_conf(i, 1, ~before);
        ck_assert_msg((conf(i, 1) ^ before) == want[i], "byte 0x%x", i);
        set_conf(i, 1, before);
    }
    ck_assert_uint_eq(fake_kvm_doorbells(), 0);
}
END_TEST

START_TEST(the_bridge_has_no_writable_register_and_the_space_ends)
{
    uint32_t value;

    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i += 4) {
        uint32_t before, ones = UINT32_MAX;

        ecam(0, i, &before, 4, false);
        ecam(0, i, &ones, 4, true);
        ecam(0, i, &value, 4, false);
        ck_assert_uint_eq(value, before);
    }
    ecam(SLOT, 0x100, &value, 4, false); /* no extended capability */
    ck_assert_uint_eq(value, 0);
    ecam(SLOT, 0xffc, &value, 4, true);
}
END_TEST

START_TEST(slots_run_out)
{
    for (unsigned i = 2; i < PCI_HOST_SLOTS; i++) {
        ck_assert_int_eq(pci_host_add(&host, &virtio_pci_ops, &pci), (int)i);
    }
    ck_assert_int_eq(pci_host_add(&host, &virtio_pci_ops, &pci), -ENOSPC);
}
END_TEST

/* --- BAR --- */

START_TEST(the_bar_says_its_size_and_kind)
{
    way = (unsigned)_i;
    set_conf(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
    set_conf(PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
    ck_assert_uint_eq(conf(PCI_BASE_ADDRESS_0, 4), 0xffff8004);
    ck_assert_uint_eq(conf(PCI_BASE_ADDRESS_1, 4), 0xffffffff);
    set_conf(PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
    ck_assert_uint_eq(conf(PCI_BASE_ADDRESS_2, 4), 0);
    set_conf(PCI_ROM_ADDRESS, 4, UINT32_MAX);
    ck_assert_uint_eq(conf(PCI_ROM_ADDRESS, 4), 0);
}
END_TEST

START_TEST(the_bar_answers_while_memory_is_decoded)
{
    ck_assert(!answers(BAR));
    ck_assert_uint_eq(fake_kvm_doorbells(), 0);
    decode();
    ck_assert(answers(BAR) && answers(BAR + VIRTIO_PCI_BAR_SIZE - 4));
    ck_assert(!answers(BAR - 4) && !answers(BAR + VIRTIO_PCI_BAR_SIZE));
    for (unsigned i = 0; i < QUEUES; i++) {
        ck_assert_int_eq(fake_kvm_doorbell(BAR + VIRTIO_PCI_AT_NOTIFY + 4 * i),
                         fake.queues[i].kick_fd);
    }
    set_conf(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    ck_assert(!answers(BAR));
    ck_assert_uint_eq(fake_kvm_doorbells(), 0);
}
END_TEST

/* Each half moves the BAR, with its doorbells: in between it is somewhere else. */
START_TEST(the_bar_moves_by_halves)
{
    static const struct {
        bool high_first;
        uint32_t low, high;
        uint64_t between, at;
    } rows[] = {
        {false, 0xd8000000, 0, 0xd8000000, 0xd8000000},
        {false, 0xd8000000, 2, 0xd8000000, 0x2d8000000},
        {true, 0x10000000, 2, 0x2d1000000, 0x210000000},
        {true, 0xd8007fff, 0, BAR, 0xd8000000}, /* low bits are not the address's */
        {false, 0xffffffff, 0xffffffff, 0xffff8000, 0xffffffffffff8000},
        {false, 0, 0, 0, 0},
    };
    unsigned first = rows[_i].high_first ? PCI_BASE_ADDRESS_1 : PCI_BASE_ADDRESS_0;
    unsigned second = PCI_BASE_ADDRESS_0 + PCI_BASE_ADDRESS_1 - first;

    decode();
    set_conf(first, 4, rows[_i].high_first ? rows[_i].high : rows[_i].low);
    ck_assert(answers(rows[_i].between));
    ck_assert_int_ge(fake_kvm_doorbell(rows[_i].between + VIRTIO_PCI_AT_NOTIFY), 0);
    set_conf(second, 4, rows[_i].high_first ? rows[_i].low : rows[_i].high);
    ck_assert_int_eq(answers(rows[_i].between), rows[_i].between == rows[_i].at);
    ck_assert(answers(rows[_i].at));
    ck_assert_int_eq(fake_kvm_doorbell(rows[_i].at + VIRTIO_PCI_AT_NOTIFY + 4),
                     fake.queues[1].kick_fd);
    ck_assert_uint_eq(fake_kvm_doorbells(), QUEUES);
}
END_TEST

static eventfd_t kicks(unsigned queue)
{
    eventfd_t n = 0;

    return eventfd_read(fake.queues[queue].kick_fd, &n) == 0 ? n : 0;
}

START_TEST(kicks_arrive_without_doorbells)
{
    kvm.refuse_doorbells = true;
    decode();
    ck_assert_uint_eq(fake_kvm_doorbells(), 0);
    set(VIRTIO_PCI_AT_NOTIFY + 4, 2, 1);
    ck_assert_uint_eq(kicks(0), 0);
    ck_assert_uint_eq(kicks(1), 1);
    set(VIRTIO_PCI_AT_NOTIFY, 4, 0xffff);
    ck_assert_uint_eq(kicks(0), 1);
    set(VIRTIO_PCI_AT_NOTIFY + 2, 2, 0);          /* between two */
    set(VIRTIO_PCI_AT_NOTIFY + 4 * QUEUES, 2, 0); /* past the last */
    set(VIRTIO_PCI_AT_NOTIFY + 0xffc, 4, 0);
    ck_assert_uint_eq(kicks(0) + kicks(1), 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_NOTIFY, 4), UINT32_MAX);
    kvm.refuse_doorbells = false; /* none that was refused is removed */
    set_conf(PCI_COMMAND, 2, 0);
    decode();
    ck_assert_uint_eq(fake_kvm_doorbells(), QUEUES);
}
END_TEST

/* --- capabilities --- */

START_TEST(capabilities_say_where_the_registers_are)
{
    static const struct {
        uint8_t type, len;
        uint32_t offset, length;
    } rows[] = {
        {VIRTIO_PCI_CAP_COMMON_CFG, 16, VIRTIO_PCI_AT_COMMON, 0x3c},
        {VIRTIO_PCI_CAP_NOTIFY_CFG, 20, VIRTIO_PCI_AT_NOTIFY, 4 * QUEUES},
        {VIRTIO_PCI_CAP_ISR_CFG, 16, VIRTIO_PCI_AT_ISR, 1},
        {VIRTIO_PCI_CAP_DEVICE_CFG, 16, VIRTIO_PCI_AT_DEVICE, 8},
        {VIRTIO_PCI_CAP_PCI_CFG, 20, 0, 0},
    };
    unsigned at = capability(PCI_CAP_ID_VNDR, (unsigned)_i);

    ck_assert(conf(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
    ck_assert_uint_ge(at, 0x40);
    ck_assert_uint_eq(at % 4, 0);
    ck_assert_uint_eq(conf(at + 2, 1), rows[_i].len);
    ck_assert_uint_eq(conf(at + 3, 1), rows[_i].type);
    ck_assert_uint_eq(conf(at + 4, 1), 0); /* BAR 0 */
    ck_assert_uint_eq(conf(at + 8, 4), rows[_i].offset);
    ck_assert_uint_eq(conf(at + 12, 4), rows[_i].length);
    if (rows[_i].type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
        ck_assert_uint_eq(conf(at + 16, 4), 4);
    }
    ck_assert_uint_eq(capability(PCI_CAP_ID_VNDR, 5), 0);
}
END_TEST

START_TEST(msix_says_its_size_and_place)
{
    unsigned at = capability(PCI_CAP_ID_MSIX, 0);

    ck_assert_uint_eq(conf(at + PCI_MSIX_FLAGS, 2), VECTORS - 1);
    ck_assert_uint_eq(conf(at + PCI_MSIX_TABLE, 4), VIRTIO_PCI_AT_MSIX_TABLE);
    ck_assert_uint_eq(conf(at + PCI_MSIX_PBA, 4), VIRTIO_PCI_AT_MSIX_PBA);
    ck_assert_uint_eq(capability(PCI_CAP_ID_MSIX, 1), 0);
}
END_TEST

static void aim(unsigned bar_number, uint32_t offset, uint32_t length)
{
    set_conf(window() + 4, 1, bar_number);
    set_conf(window() + 8, 4, offset);
    set_conf(window() + 12, 4, length);
}

START_TEST(the_window_reaches_the_bar_without_decoding)
{
    way = (unsigned)_i;
    aim(0, VIRTIO_PCI_COMMON_STATUS, 1);
    set_conf(window() + 16, 4, ACK | DRV);
    ck_assert_uint_eq(virtio_status(&fake.dev), ACK | DRV);
    ck_assert_uint_eq(conf(window() + 16, 4) & 0xff, ACK | DRV);
    aim(0, VIRTIO_PCI_COMMON_NUMQ, 2);
    ck_assert_uint_eq(conf(window() + 16, 4) & 0xffff, QUEUES);
    aim(0, VIRTIO_PCI_AT_DEVICE + 4, 4);
    ck_assert_uint_eq(conf(window() + 16, 4), 0x08070605);
    aim(0, VIRTIO_PCI_AT_NOTIFY + 4, 2);
    set_conf(window() + 16, 2, 1);
    ck_assert_uint_eq(kicks(1), 1);
}
END_TEST

START_TEST(a_window_with_a_bad_aim_does_nothing)
{
    static const struct {
        unsigned bar_number;
        uint32_t offset, length;
    } rows[] = {
        {1, VIRTIO_PCI_COMMON_STATUS, 1},
        {255, VIRTIO_PCI_COMMON_STATUS, 1},
        {0, VIRTIO_PCI_COMMON_STATUS, 0},
        {0, VIRTIO_PCI_COMMON_STATUS, 3},
        {0, VIRTIO_PCI_COMMON_STATUS, 8},
        {0, VIRTIO_PCI_COMMON_STATUS, 256},
        {0, VIRTIO_PCI_COMMON_STATUS, ~0u},
        {0, VIRTIO_PCI_BAR_SIZE + 0x14, 1},
        {0, 0x80000014, 1},
        {0, ~0u, 1},
        {0, VIRTIO_PCI_COMMON_STATUS, 2},
        {0, VIRTIO_PCI_COMMON_STATUS - 1, 4},
        {0, VIRTIO_PCI_AT_DEVICE + 1, 2},
        {0, VIRTIO_PCI_AT_DEVICE + 2, 4},
    };

    aim(rows[_i].bar_number, rows[_i].offset, rows[_i].length);
    set_conf(window() + 16, 4, 0x01010101);
    ck_assert_uint_eq(virtio_status(&fake.dev), 0);
    ck_assert_mem_eq(fake.config, "\1\2\3\4\5\6\7\10", 8);
    conf(window() + 16, 4);
    ck_assert_uint_eq(conf(window(), 1), PCI_CAP_ID_VNDR);
}
END_TEST

/* --- MSI-X --- */

START_TEST(vectors_begin_masked)
{
    decode();
    for (unsigned i = 0; i < VECTORS; i++) {
        ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_TABLE + 16 * i, 8), 0);
        ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_TABLE + 16 * i + 8, 8), 1ull << 32);
    }
    ck_assert_uint_eq(pending(), 0);
    msix(PCI_MSIX_FLAGS_ENABLE);
    ck_assert_uint_eq(fake_kvm_irqfds(), 0);
}
END_TEST

START_TEST(the_table_takes_words_of_4_and_8_bytes_only)
{
    static const struct {
        unsigned offset, size;
        bool taken;
    } rows[] = {
        {0, 4, true},   {4, 4, true},   {8, 4, true},   {0, 8, true},     {8, 8, true},
        {4, 8, false},  {2, 4, false},  {0, 2, false},  {0, 1, false},    {13, 1, false},
        {48, 4, false}, {48, 8, false}, {44, 8, false}, {4092, 4, false}, {4092, 8, false},
    };
    unsigned at = VIRTIO_PCI_AT_MSIX_TABLE + rows[_i].offset;
    uint64_t ones = rows[_i].size == 8 ? UINT64_MAX : (1ull << 8 * rows[_i].size) - 1;
    uint64_t want = 0x1000000010000000ull & ones;

    decode();
    set(at, rows[_i].size, want);
    if (rows[_i].taken) {
        ck_assert_uint_eq(get(at, rows[_i].size), rows[_i].offset == 8 ? want & UINT32_MAX : want);
    } else {
        ck_assert_uint_eq(get(at, rows[_i].size), ones);
        for (unsigned i = 0; i < VECTORS; i++) {
            ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_TABLE + 16 * i, 8), 0);
            ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_TABLE + 16 * i + 8, 8), 1ull << 32);
        }
    }
}
END_TEST

START_TEST(each_queue_and_the_configuration_have_their_message)
{
    all_vectors();
    ck_assert_uint_eq(fake_kvm_irqfds(), VECTORS);
    for (unsigned i = 0; i < QUEUES; i++) {
        interrupt(i);
        ck_assert_uint_eq(pending(), 0); /* whether or not KVM has read the eventfd */
        ck_assert_uint_eq(fake_kvm_sent(), 1);
        ck_assert_uint_eq(kvm.sent[0].address, 0xfee01000);
        ck_assert_uint_eq(kvm.sent[0].data, 0x41 + i);
    }
    virtio_config_changed(&fake.dev);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(kvm.sent[0].data, 0x40);
    ck_assert_uint_eq(pending(), 0);
}
END_TEST

/* How the guest masks vector 1, and unmasks it. */
static void mask_by(int how, bool on)
{
    switch (how) {
    case 0:
        mask(1, on);
        break;
    case 1:
        msix(PCI_MSIX_FLAGS_ENABLE | (on ? PCI_MSIX_FLAGS_MASKALL : 0));
        break;
    default:
        msix(on ? 0 : PCI_MSIX_FLAGS_ENABLE);
        break;
    }
}

START_TEST(a_masked_vector_is_pending_until_it_is_unmasked)
{
    all_vectors();
    interrupt(0);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    mask_by(_i, true);
    ck_assert_uint_eq(fake_kvm_irqfds(), _i == 0 ? VECTORS - 1 : 0);
    ck_assert_uint_eq(pending(), 0);
    interrupt(0);
    interrupt(0);
    ck_assert_uint_eq(fake_kvm_sent(), 0);
    ck_assert_uint_eq(pending(), 2);
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_PBA, 4), 2);
    set(VIRTIO_PCI_AT_MSIX_PBA, 4, 0); /* read-only */
    ck_assert_uint_eq(pending(), 2);
    mask_by(_i, false);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(kvm.sent[0].data, 0x41);
    ck_assert_uint_eq(pending(), 0);
    mask_by(_i, true);
    mask_by(_i, false);
    ck_assert_uint_eq(fake_kvm_sent(), 0);
}
END_TEST

START_TEST(pending_bits_are_read_as_words)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
    } rows[] = {{0, 4, 0},          {0, 8, 0},          {0, 1, 0xff},       {0, 2, 0xffff},
                {1, 4, UINT32_MAX}, {4, 4, UINT32_MAX}, {8, 8, UINT64_MAX}, {0xff8, 8, UINT64_MAX}};

    decode();
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_MSIX_PBA + rows[_i].offset, rows[_i].size), rows[_i].value);
}
END_TEST

START_TEST(a_new_message_is_followed_at_once)
{
    unsigned at = VIRTIO_PCI_AT_MSIX_TABLE + 16;

    all_vectors();
    set(at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, 0xfee02000);
    interrupt(0);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(kvm.sent[0].address, 0xfee02000);
    set_entry(1, 0xfee03000, 0x55, 0); /* masked meanwhile, as Linux does */
    interrupt(0);
    interrupt(1);
    ck_assert_uint_eq(fake_kvm_sent(), 2);
    ck_assert_uint_eq(kvm.sent[0].address, 0xfee03000);
    ck_assert_uint_eq(kvm.sent[0].data, 0x55);
    ck_assert_uint_eq(kvm.sent[1].data, 0x42);
}
END_TEST

START_TEST(messages_to_memory_are_not_sent)
{
    static const uint64_t rows[] = {0, 0x1000, 0xfed00000, 0xfef00000, 0x1fee00000, ~0ull};

    all_vectors();
    set_entry(1, rows[_i], 0x41, 0);
    ck_assert_uint_eq(fake_kvm_irqfds(), VECTORS - 1);
    interrupt(0);
    interrupt(1);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(pending(), 2);
    set_entry(1, 0xfee00000, 0x41, 0);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
}
END_TEST

START_TEST(all_routes_are_set_by_one_call)
{
    decode();
    msix(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    for (unsigned i = 0; i < VECTORS; i++) {
        set_entry(i, 0xfee00000, 0x30 + i, 0);
    }
    ck_assert_uint_eq(kvm.set_routes_calls, 0);
    msix(PCI_MSIX_FLAGS_ENABLE);
    ck_assert_uint_eq(kvm.set_routes_calls, 1);
    ck_assert_uint_eq(fake_kvm_irqfds(), VECTORS);
    mask(1, true);
    mask(1, false); /* the route is there */
    ck_assert_uint_eq(kvm.set_routes_calls, 1);
}
END_TEST

START_TEST(what_kvm_refuses_leaves_the_other_vectors_alone)
{
    all_vectors();
    kvm.refuse_routes = _i == 0;
    mask(1, true);
    kvm.refuse_irqfds = _i == 1;
    set_entry(1, 0xfee05000, 0x77, 0);
    ck_assert_uint_eq(fake_kvm_irqfds(), VECTORS - 1);
    interrupt(0);
    interrupt(1);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(kvm.sent[0].data, 0x42);
    ck_assert_uint_eq(pending(), 2);
    kvm.refuse_routes = kvm.refuse_irqfds = false;
    mask(1, true);
    mask(1, false);
    ck_assert_uint_eq(fake_kvm_sent(), 1);
    ck_assert_uint_eq(kvm.sent[0].data, 0x77);
}
END_TEST

static void send_to_apic(struct msix *m, unsigned i, uint32_t data)
{
    uint32_t words[] = {0xfee00000, 0, data, 0};

    for (unsigned k = 0; k < 4; k++) {
        msix_table_access(m, 16 * i + 4 * k, &words[k], 4, true);
    }
}

START_TEST(a_refused_route_is_dropped)
{
    struct msix other;
    int gsi = VM_FIRST_MSI_GSI + VECTORS;

    all_vectors();
    ck_assert_int_eq(msix_init(&other, &no_vm, &routes, 2), 0);
    msix_set_control(&other, PCI_MSIX_FLAGS_ENABLE);
    kvm.refuse_routes = true;
    send_to_apic(&other, 0, 0x98);
    kvm.refuse_routes = false;
    send_to_apic(&other, 1, 0x99);
    ck_assert(!kvm.routed[gsi] && kvm.routed[gsi + 1]);
    ck_assert_uint_eq(fake_kvm_irqfds(), VECTORS + 1);
    msix_destroy(&other);
}
END_TEST

START_TEST(devices_keep_each_others_routes)
{
    struct msix other;

    all_vectors();
    ck_assert_int_eq(msix_init(&other, &no_vm, &routes, 2), 0);
    msix_set_control(&other, PCI_MSIX_FLAGS_ENABLE);
    send_to_apic(&other, 0, 0x99);
    interrupt(0);
    eventfd_write(msix_eventfd(&other, 0), 1);
    ck_assert_uint_eq(fake_kvm_sent(), 2);
    ck_assert_uint_eq(kvm.sent[0].data, 0x41);
    ck_assert_uint_eq(kvm.sent[1].data, 0x99);
    ck_assert_int_eq(msix_eventfd(&other, 2), -1);
    msix_destroy(&other);
}
END_TEST

/* --- virtio registers --- */

START_TEST(a_vector_that_is_not_there_becomes_none)
{
    static const uint16_t rows[][2] = {{0, 0},
                                       {VECTORS - 1, VECTORS - 1},
                                       {VECTORS, NO_VECTOR},
                                       {0x8000, NO_VECTOR},
                                       {NO_VECTOR, NO_VECTOR}};

    decode();
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
    set(VIRTIO_PCI_COMMON_MSIX, 2, rows[_i][0]);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, rows[_i][0]);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), rows[_i][1]);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), rows[_i][1]);
    ck_assert_int_eq(fake.queues[0].call_fd >= 0, rows[_i][1] != NO_VECTOR);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, QUEUES);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
    ck_assert_int_eq(fake.queues[1].call_fd, -1);
}
END_TEST

START_TEST(a_live_queue_keeps_its_vector_and_a_reset_forgets_it)
{
    int fd;

    all_vectors();
    fd = fake.queues[1].call_fd;
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
    ck_assert_int_eq(fake.queues[1].call_fd, fd);
    mask(2, true);
    interrupt(1);
    ck_assert_uint_eq(pending(), 4);
    set(VIRTIO_PCI_COMMON_STATUS, 1, 0);
    ck_assert_uint_eq(fake.stops, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
    ck_assert_int_eq(fake.queues[1].call_fd, -1);
    ck_assert_uint_eq(pending(), 0);
    interrupt(1);
    virtio_set_needs_reset(&fake.dev);
    ck_assert_uint_eq(fake_kvm_sent(), 0);
}
END_TEST

#define VERSION_1  (1ull << VIRTIO_F_VERSION_1)
#define RING_RESET (1ull << VIRTIO_F_RING_RESET)

START_TEST(queues_are_set_up_between_features_ok_and_driver_ok)
{
    static const struct {
        const char *when;
        uint64_t features; /* 0: not negotiated */
        bool live, taken;
    } rows[] = {
        {"before FEATURES_OK", 0, false, false},
        {"after it", VERSION_1, false, true},
        {"after DRIVER_OK", VERSION_1, true, false},
        {"after DRIVER_OK, with queue reset", VERSION_1 | RING_RESET, true, true},
    };
    const struct virtqueue *vq = &fake.queues[1].vq;

    decode();
    if (rows[_i].features) {
        negotiate(rows[_i].features);
    }
    if (rows[_i].live) {
        go();
    }
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    for (unsigned i = 0; i < 6; i++) {
        set(VIRTIO_PCI_COMMON_Q_DESCLO + 4 * i, 4, 0x1000 * (i + 1));
    }
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    ck_assert_msg(vq->ready == rows[_i].taken, "%s", rows[_i].when);
    ck_assert_uint_eq(vq->size, rows[_i].taken ? 16 : QUEUE_SIZE);
    ck_assert_uint_eq(vq->desc_gpa, rows[_i].taken ? 0x200000001000 : 0);
    ck_assert_uint_eq(vq->avail_gpa, rows[_i].taken ? 0x400000003000 : 0);
    ck_assert_uint_eq(vq->used_gpa, rows[_i].taken ? 0x600000005000 : 0);
    ck_assert_uint_eq(fake.queue_starts, rows[_i].taken && rows[_i].live);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_DESCLO + 4 * i, 4),
                          rows[_i].taken ? 0x1000 * (i + 1) : 0);
    }
}
END_TEST

START_TEST(an_enabled_queue_does_not_change)
{
    static const struct {
        unsigned offset, size;
        uint32_t value;
    } rows[] = {
        {VIRTIO_PCI_COMMON_Q_SIZE, 2, 8},    {VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x5000},
        {VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 5}, {VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x5000},
        {VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0},  {VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2},
        {VIRTIO_PCI_COMMON_Q_NOFF, 2, 5},    {QUEUE_RESET, 2, 1}, /* not negotiated */
    };
    unsigned row = (unsigned)_i / 2;
    struct virtio_queue before;

    decode();
    negotiate(VERSION_1);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    if (_i % 2) {
        go();
    }
    before = fake.queues[0];
    set(rows[row].offset, rows[row].size, rows[row].value);
    ck_assert_mem_eq(&fake.queues[0], &before, sizeof(before));
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
    ck_assert_uint_eq(fake.queue_stops, 0);
}
END_TEST

START_TEST(a_queue_size_is_from_1_to_the_largest)
{
    static const struct {
        uint16_t value, size;
    } rows[] = {
        {1, 1}, {QUEUE_SIZE, QUEUE_SIZE}, {0, QUEUE_SIZE}, {65, QUEUE_SIZE}, {0x8000, QUEUE_SIZE}};

    decode();
    negotiate(VERSION_1);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, rows[_i].value);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), rows[_i].size);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2); /* only 1 enables */
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}
END_TEST

START_TEST(a_queue_is_reset_and_set_up_anew)
{
    decode();
    negotiate(VERSION_1 | RING_RESET);
    set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    go();
    set(QUEUE_RESET, 2, 2); /* no value of the driver's */
    ck_assert_uint_eq(fake.queue_stops, 0);
    set(QUEUE_RESET, 2, 1);
    ck_assert_uint_eq(fake.queue_stops, 1);
    ck_assert_uint_eq(get(QUEUE_RESET, 2), 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
    set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
    set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    ck_assert_uint_eq(fake.queue_starts, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
}
END_TEST

START_TEST(queues_past_the_last_read_as_zeroes)
{
    static const uint16_t rows[] = {QUEUES, 100, 0xffff};
    struct fake before;

    decode();
    negotiate(VERSION_1 | RING_RESET);
    before = fake;
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, rows[_i]);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), rows[_i]);
    for (unsigned at = VIRTIO_PCI_COMMON_Q_SIZE; at < VIRTIO_PCI_COMMON_Q_DESCLO; at += 2) {
        set(at, 2, 1);
        ck_assert_uint_eq(get(at, 2), 0);
    }
    set(QUEUE_RESET, 2, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
    ck_assert_mem_eq(&fake, &before, sizeof(fake));
}
END_TEST

START_TEST(registers_take_their_own_width_only)
{
    static const struct {
        unsigned offset, size;
    } rows[] = {
        {VIRTIO_PCI_COMMON_STATUS, 2},
        {VIRTIO_PCI_COMMON_STATUS, 4},
        {VIRTIO_PCI_COMMON_NUMQ, 4},
        {VIRTIO_PCI_COMMON_NUMQ + 1, 1},
        {VIRTIO_PCI_COMMON_DF, 8},
        {VIRTIO_PCI_COMMON_DF, 2},
        {VIRTIO_PCI_COMMON_Q_DESCLO, 8},
        {VIRTIO_PCI_COMMON_Q_DESCLO + 2, 4},
        {VIRTIO_PCI_COMMON_Q_SELECT, 4},
        {VIRTIO_PCI_COMMON_Q_SELECT, 1},
        {0x3c, 4},
        {0x38, 2},
        {0x1000 - 4, 8},
        {VIRTIO_PCI_AT_ISR, 4},
        {VIRTIO_PCI_AT_ISR + 1, 1},
        {VIRTIO_PCI_AT_DEVICE + 8, 4},
        {VIRTIO_PCI_AT_DEVICE + 0xfff, 8},
        {0x6000, 4},
        {0x7ffc, 8},
        {0x7fff, 1},
    };
    uint64_t ones = rows[_i].size == 8 ? UINT64_MAX : (1ull << 8 * rows[_i].size) - 1;
    struct fake before;

    decode();
    negotiate(VERSION_1);
    fake.dev.isr = 1;
    before = fake;
    ck_assert_uint_eq(get(rows[_i].offset, rows[_i].size), ones);
    set(rows[_i].offset, rows[_i].size, 0);
    ck_assert_mem_eq(&fake, &before, sizeof(fake));
}
END_TEST

START_TEST(fixed_registers_and_features)
{
    decode();
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
    set(VIRTIO_PCI_COMMON_NUMQ, 2, 9);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
    set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_DF, 4), 1);
    set(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_DF, 4), 1 | 1u << (VIRTIO_F_RING_RESET - 32));
    set(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_DF, 4), 0);
    set(VIRTIO_PCI_COMMON_GFSELECT, 4, UINT32_MAX);
    set(VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
    ck_assert_uint_eq(fake.dev.driver_features, 0);
    negotiate(VERSION_1 | 1);
    set(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_GF, 4), 1);
    set(VIRTIO_PCI_AT_DEVICE + 1, 2, 0xbbaa);
    ck_assert_mem_eq(fake.config, "\1\xaa\xbb\4", 4);
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_DEVICE, 8), 0x0807060504bbaa01);
}
END_TEST

START_TEST(the_interrupt_status_is_cleared_by_reading)
{
    all_vectors();
    interrupt(0);
    virtio_config_changed(&fake.dev);
    ck_assert_uint_eq(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_ISR, 1), 3);
    ck_assert_uint_eq(get(VIRTIO_PCI_AT_ISR, 1), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pci");
    TCase *config = tcase_create("configuration space");
    TCase *capabilities = tcase_create("BAR and capabilities");
    TCase *vectors = tcase_create("MSI-X");
    TCase *registers = tcase_create("virtio registers");
    TCase *const all[] = {config, capabilities, vectors, registers};

    tcase_add_loop_test(config, bridge_and_device_are_found_both_ways, 0, 2);
    tcase_add_loop_test(config, functions_that_are_not_there_read_as_ones, 0, 7);
    tcase_add_test(config, the_address_register_takes_double_words_only);
    tcase_add_loop_test(config, accesses_across_double_words_read_as_ones_and_write_nothing, 0, 8);
    tcase_add_loop_test(config, only_these_bytes_are_writable, 0, 2);
    tcase_add_test(config, the_bridge_has_no_writable_register_and_the_space_ends);
    tcase_add_test(config, slots_run_out);

    tcase_add_loop_test(capabilities, the_bar_says_its_size_and_kind, 0, 2);
    tcase_add_test(capabilities, the_bar_answers_while_memory_is_decoded);
    tcase_add_loop_test(capabilities, the_bar_moves_by_halves, 0, 6);
    tcase_add_test(capabilities, kicks_arrive_without_doorbells);
    tcase_add_loop_test(capabilities, capabilities_say_where_the_registers_are, 0, 5);
    tcase_add_test(capabilities, msix_says_its_size_and_place);
    tcase_add_loop_test(capabilities, the_window_reaches_the_bar_without_decoding, 0, 2);
    tcase_add_loop_test(capabilities, a_window_with_a_bad_aim_does_nothing, 0, 14);

    tcase_add_test(vectors, vectors_begin_masked);
    tcase_add_loop_test(vectors, the_table_takes_words_of_4_and_8_bytes_only, 0, 15);
    tcase_add_test(vectors, each_queue_and_the_configuration_have_their_message);
    tcase_add_loop_test(vectors, a_masked_vector_is_pending_until_it_is_unmasked, 0, 3);
    tcase_add_loop_test(vectors, pending_bits_are_read_as_words, 0, 8);
    tcase_add_test(vectors, a_new_message_is_followed_at_once);
    tcase_add_loop_test(vectors, messages_to_memory_are_not_sent, 0, 6);
    tcase_add_test(vectors, all_routes_are_set_by_one_call);
    tcase_add_loop_test(vectors, what_kvm_refuses_leaves_the_other_vectors_alone, 0, 2);
    tcase_add_test(vectors, a_refused_route_is_dropped);
    tcase_add_test(vectors, devices_keep_each_others_routes);

    tcase_add_loop_test(registers, a_vector_that_is_not_there_becomes_none, 0, 5);
    tcase_add_test(registers, a_live_queue_keeps_its_vector_and_a_reset_forgets_it);
    tcase_add_loop_test(registers, queues_are_set_up_between_features_ok_and_driver_ok, 0, 4);
    tcase_add_loop_test(registers, an_enabled_queue_does_not_change, 0, 16);
    tcase_add_loop_test(registers, a_queue_size_is_from_1_to_the_largest, 0, 5);
    tcase_add_test(registers, a_queue_is_reset_and_set_up_anew);
    tcase_add_loop_test(registers, queues_past_the_last_read_as_zeroes, 0, 3);
    tcase_add_loop_test(registers, registers_take_their_own_width_only, 0, 20);
    tcase_add_test(registers, fixed_registers_and_features);
    tcase_add_test(registers, the_interrupt_status_is_cleared_by_reading);

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        tcase_add_checked_fixture(all[i], a_bus, no_bus);
        suite_add_tcase(s, all[i]);
    }
    return suite_run(s);
}
