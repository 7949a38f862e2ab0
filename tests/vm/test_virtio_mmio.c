// SPDX-License-Identifier: MIT
/* The virtio-mmio transport: its registers by hand, its event descriptors by a guest. */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm/layout.h"
#include "kvm/vcpu.h"
#include "kvm/virtio-mmio.h"
#include "tests/vm/guest.h"

#define QUEUES     2
#define QUEUE_SIZE 64
#define GSI        5
#define FEATURES   (1ull << VIRTIO_F_VERSION_1 | 1ull << 29 | 1ull << 9)

/* --- a device that does nothing but remember --- */

struct fake {
    struct virtio_device dev;
    struct virtio_queue queues[QUEUES];
    unsigned starts, stops;
    unsigned queue_starts[QUEUES], queue_stops[QUEUES];
    uint8_t config[8];
};

static int fake_start(struct virtio_device *dev)
{
    ((struct fake *)dev)->starts++;
    return 0;
}

static void fake_stop(struct virtio_device *dev)
{
    ((struct fake *)dev)->stops++;
}

static int fake_queue_start(struct virtio_device *dev, unsigned i)
{
    ((struct fake *)dev)->queue_starts[i]++;
    return 0;
}

static void fake_queue_stop(struct virtio_device *dev, unsigned i)
{
    ((struct fake *)dev)->queue_stops[i]++;
}

static void fake_config_read(struct virtio_device *dev, unsigned offset, void *data, unsigned len)
{
    memcpy(data, ((struct fake *)dev)->config + offset, len);
}

static void fake_free(struct virtio_device *dev)
{
}

static const struct virtio_device_ops fake_ops = {
    .start = fake_start,
    .stop = fake_stop,
    .queue_start = fake_queue_start,
    .queue_stop = fake_queue_stop,
    .config_read = fake_config_read,
    .free = fake_free,
};

static struct fake fake;
static struct ram ram;
static struct vm vm;
static struct virtio_mmio mmio;
static struct error err;

static void set_up(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.dev.ops = &fake_ops;
    fake.dev.device_id = VIRTIO_ID_BLOCK;
    fake.dev.config_size = sizeof(fake.config);
    fake.dev.device_features = FEATURES;
    fake.dev.nr_queues = QUEUES;
    fake.dev.queues = fake.queues;
    fake.dev.mem = &ram.mem;
    for (unsigned i = 0; i < QUEUES; i++) {
        fake.queues[i].size_max = QUEUE_SIZE;
    }
    memcpy(fake.config, "\1\2\3\4\5\6\7\10", 8);
    ck_assert_msg(ram_init(&ram, MACHINE_MEMORY_MIN, false, &err) == 0, "%s", err.msg);
    ck_assert_msg(vm_init(&vm, 1, &ram, &err) == 0, "%s", err.msg);
    ck_assert_msg(virtio_mmio_init(&mmio, &vm, &fake.dev, LAYOUT_VIRTIO_MMIO, GSI, &err) == 0, "%s",
                  err.msg);
}

static void tear_down(void)
{
    virtio_transport_stop(&mmio.common);
    virtio_mmio_destroy(&mmio);
    vm_destroy(&vm);
    ram_destroy(&ram);
}

static uint32_t get(unsigned offset)
{
    uint32_t value = 0xdeadbeef;

    virtio_mmio_access(&mmio, offset, &value, sizeof(value), false);
    return value;
}

static void set(unsigned offset, uint32_t value)
{
    virtio_mmio_access(&mmio, offset, &value, sizeof(value), true);
}

static void negotiate(void)
{
    set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    set(VIRTIO_MMIO_STATUS,
        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void go(void)
{
    set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                                VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* 4.2.2.1 */
START_TEST(device_is_identified)
{
    ck_assert_uint_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
    ck_assert_uint_eq(get(VIRTIO_MMIO_VERSION), 2);
    ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BLOCK);
}
END_TEST

START_TEST(features_come_in_halves_and_beyond_them_are_none)
{
    set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 1u << 29 | 1u << 9);
    set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 1);
    set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
    ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
    set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
    ck_assert_uint_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
    set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 7);
    set(VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
    ck_assert_uint_eq(fake.dev.driver_features, 0);
}
END_TEST

START_TEST(queues_beyond_the_last_read_zero_and_take_nothing)
{
    static const unsigned registers[] = {VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_READY,
                                         VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH};
    static const uint32_t beyond[] = {QUEUES, 100, UINT32_MAX};
    struct fake before = fake;

    for (unsigned i = 0; i < 3; i++) {
        set(VIRTIO_MMIO_QUEUE_SEL, beyond[i]);
        ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
        for (unsigned k = 0; k < 4; k++) {
            set(registers[k], 1);
        }
        ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    }
    ck_assert_mem_eq(&before, &fake, sizeof(fake));
    set(VIRTIO_MMIO_QUEUE_SEL, QUEUES - 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), QUEUE_SIZE);
}
END_TEST

START_TEST(queue_is_set_up_before_it_is_ready_and_not_after)
{
    struct virtqueue *vq = &fake.queues[1].vq;

    negotiate();
    set(VIRTIO_MMIO_QUEUE_SEL, 1);
    set(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE + 1); /* too large: not taken */
    ck_assert_uint_eq(vq->size, 0);
    set(VIRTIO_MMIO_QUEUE_NUM, 0x10000 + 16); /* not cut to 16 bits either */
    ck_assert_uint_eq(vq->size, 0);
    set(VIRTIO_MMIO_QUEUE_NUM, 16);
    set(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
    set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000);
    set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x2000);
    set(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 2);
    set(VIRTIO_MMIO_QUEUE_USED_LOW, 0x3000);
    set(VIRTIO_MMIO_QUEUE_USED_HIGH, 3);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    ck_assert_uint_eq(vq->size, 16);
    ck_assert_uint_eq(vq->desc_gpa, 0x100001000);
    ck_assert_uint_eq(vq->avail_gpa, 0x200002000);
    ck_assert_uint_eq(vq->used_gpa, 0x300003000);

    set(VIRTIO_MMIO_QUEUE_NUM, 32);
    set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x8000);
    ck_assert_uint_eq(vq->size, 16);
    ck_assert_uint_eq(vq->desc_gpa, 0x100001000);
    ck_assert(!fake.queues[0].vq.ready);
    set(VIRTIO_MMIO_QUEUE_READY, 0); /* the driver may give it up before DRIVER_OK */
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
}
END_TEST

static void queue_0_runs(void)
{
    negotiate();
    set(VIRTIO_MMIO_QUEUE_SEL, 0);
    set(VIRTIO_MMIO_QUEUE_NUM, 16);
    set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    go();
    ck_assert_uint_eq(fake.starts, 1);
}

START_TEST(running_queue_can_be_taken_back_and_set_up_anew)
{
    queue_0_runs();
    set(VIRTIO_MMIO_QUEUE_NUM, 8); /* not while it is ready */
    ck_assert_uint_eq(fake.queues[0].vq.size, 16);
    set(VIRTIO_MMIO_QUEUE_READY, 1); /* it is */
    ck_assert_uint_eq(fake.queue_starts[0], 0);
    set(VIRTIO_MMIO_QUEUE_READY, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(fake.queue_stops[0], 1);
    set(VIRTIO_MMIO_QUEUE_NUM, 8);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    ck_assert_uint_eq(fake.queue_starts[0], 1);
    ck_assert_uint_eq(fake.queues[0].vq.size, 8);
    ck_assert_uint_eq(fake.queue_starts[1] + fake.queue_stops[1] + fake.stops, 0);
    set(VIRTIO_MMIO_STATUS, 0);
    ck_assert_uint_eq(fake.stops, 1);
    set(VIRTIO_MMIO_QUEUE_SEL, 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
}
END_TEST

#define QUEUE_RESET 0x0c0

START_TEST(queue_reset_forgets_its_set_up_if_it_was_negotiated)
{
    fake.dev.device_features |= 1ull << VIRTIO_F_RING_RESET;
    queue_0_runs();
    set(QUEUE_RESET, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
    ck_assert_uint_eq(fake.queue_stops[0], 0);

    fake.dev.driver_features |= 1ull << VIRTIO_F_RING_RESET;
    set(QUEUE_RESET, 2); /* means nothing */
    ck_assert_uint_eq(fake.queue_stops[0], 0);
    set(QUEUE_RESET, 1);
    ck_assert_uint_eq(get(QUEUE_RESET), 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(fake.queue_stops[0], 1);
    ck_assert_uint_eq(fake.queues[0].vq.size, QUEUE_SIZE);
    ck_assert_uint_eq(fake.queues[0].vq.desc_gpa, 0);
    set(QUEUE_RESET, 1);
    ck_assert_uint_eq(fake.queue_stops[0], 1);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(fake.queue_starts[0], 1);
    ck_assert_uint_eq(fake.stops, 0);
    set(VIRTIO_MMIO_QUEUE_SEL, QUEUES);
    set(QUEUE_RESET, 1); /* of no queue */
}
END_TEST

START_TEST(a_queue_of_a_device_that_needs_a_reset_does_not_start)
{
    queue_0_runs();
    virtio_set_needs_reset(&fake.dev);
    set(VIRTIO_MMIO_QUEUE_READY, 0);
    set(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(fake.queue_starts[0], 0);
}
END_TEST

/* 4.2.2.2: the driver uses 32-bit aligned accesses; others must do no harm. */
START_TEST(odd_accesses_of_registers_do_nothing)
{
    uint8_t wide[8] = {0};
    uint8_t byte = 0;

    virtio_mmio_access(&mmio, VIRTIO_MMIO_MAGIC_VALUE, wide, 8, false);
    ck_assert_mem_eq(wide, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    virtio_mmio_access(&mmio, VIRTIO_MMIO_MAGIC_VALUE + 1, &byte, 1, false);
    ck_assert_uint_eq(byte, 0xff);
    virtio_mmio_access(&mmio, VIRTIO_MMIO_MAGIC_VALUE + 2, wide, 4, false);
    ck_assert_mem_eq(wide, "\xff\xff\xff\xff", 4);
    byte = 3;
    virtio_mmio_access(&mmio, VIRTIO_MMIO_STATUS, &byte, 1, true);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS), 0);
    set(VIRTIO_MMIO_MAGIC_VALUE, 0);
    set(0xfc, 0);
    set(0x90, 0xffffffff); /* of queue 0, legal */
    ck_assert_uint_eq(get(0x90), 0);
    ck_assert_uint_eq(get(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
}
END_TEST

START_TEST(configuration_space_is_read_at_any_width_and_ends)
{
    uint8_t data[8];

    virtio_mmio_access(&mmio, VIRTIO_MMIO_CONFIG, data, 8, false);
    ck_assert_mem_eq(data, "\1\2\3\4\5\6\7\10", 8);
    virtio_mmio_access(&mmio, VIRTIO_MMIO_CONFIG + 3, data, 1, false);
    ck_assert_uint_eq(data[0], 4);
    virtio_mmio_access(&mmio, VIRTIO_MMIO_CONFIG + 6, data, 4, false);
    ck_assert_uint_eq(data[2], 0xff);
    virtio_mmio_access(&mmio, 0xff8, data, 8, false);
    ck_assert_mem_eq(data, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    memset(data, 0, sizeof(data));
    virtio_mmio_access(&mmio, VIRTIO_MMIO_CONFIG, data, 8, true);
    virtio_mmio_access(&mmio, VIRTIO_MMIO_CONFIG, data, 1, false);
    ck_assert_uint_eq(data[0], 1); /* no config_write: not written */
}
END_TEST

START_TEST(interrupt_status_lasts_until_acknowledged)
{
    uint64_t n;

    virtio_queue_interrupt(&fake.dev, &fake.queues[0]);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
    set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
    set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    ck_assert_int_eq(fake.queues[0].call_fd, fake.queues[1].call_fd);
    ck_assert_int_ne(fake.queues[0].kick_fd, fake.queues[1].kick_fd);
    ck_assert_int_lt(read(fake.queues[0].kick_fd, &n, sizeof(n)), 0); /* does not block */
}
END_TEST

START_TEST(device_that_needs_reset_interrupts)
{
    negotiate();
    go();
    virtio_set_needs_reset(&fake.dev);
    ck_assert_uint_eq(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET,
                      VIRTIO_CONFIG_S_NEEDS_RESET);
    ck_assert_uint_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
}
END_TEST

/* --- with a guest --- */

/*
 * Kick queue 1, then a queue that is not there, then halt until interrupt 5 of the 8259 comes as
 * vector 0x25; the handler writes 0xbeef to the test's port and powers off.
 */
GUEST_CODE(kicker, "movl $0x200000, %esp;"
                   /* GDT at 0x300000: null, code, data */
                   "movl $0x0000ffff, 0x300008; movl $0x00cf9b00, 0x30000c;"
                   "movl $0x0000ffff, 0x300010; movl $0x00cf9300, 0x300014;"
                   "movw $0x17, 0x300100; movl $0x300000, 0x300102; lgdt 0x300100;"
                   "ljmp $8, $(0x100000 + 1f - kicker_begin); 1:"
                   "movw $0x10, %ax; movw %ax, %ds; movw %ax, %ss;"
                   /* IDT at 0x301000: an interrupt gate for vector 0x25 */
                   "movl $(0x100000 + 3f - kicker_begin), %eax; movl %eax, %ecx;"
                   "andl $0xffff, %eax; orl $0x00080000, %eax; movl %eax, 0x301128;"
                   "andl $0xffff0000, %ecx; orl $0x8e00, %ecx; movl %ecx, 0x30112c;"
                   "movw $0x7ff, 0x300110; movl $0x301000, 0x300112; lidt 0x300110;"
                   /* 8259s: vectors 0x20 and 0x28; only interrupt 5 open */
                   "movb $0x11, %al; outb %al, $0x20; movb $0x20, %al; outb %al, $0x21;"
                   "movb $4, %al; outb %al, $0x21; movb $1, %al; outb %al, $0x21;"
                   "movb $0xdf, %al; outb %al, $0x21;"
                   "movl $1, 0xd0000050; movl $2, 0xd0000050;"
                   "movw $0x500, %dx; movl $0x600d, %eax; outl %eax, %dx;"
                   "sti; 2: hlt; jmp 2b;"
                   "3: movw $0x500, %dx; movl $0xbeef, %eax; outl %eax, %dx; 4: jmp 4b");

struct seen {
    struct vcpu vcpu;
    int kicked; /* queue 1's eventfd was readable when the guest said that it had kicked */
    int other;
    uint64_t stray; /* writes that came out of KVM */
    bool interrupted;
    int done; /* eventfd */
};

static void on_port(void *opaque, uint16_t port, void *data, unsigned size, bool write)
{
    struct seen *s = opaque;
    uint32_t value;

    if (port != GUEST_PORT) {
        return;
    }
    memcpy(&value, data, sizeof(value));
    if (value == 0x600d) {
        struct pollfd fds[] = {{.fd = fake.queues[1].kick_fd, .events = POLLIN},
                               {.fd = fake.queues[0].kick_fd, .events = POLLIN}};

        poll(fds, 2, 0);
        s->kicked = fds[0].revents;
        s->other = fds[1].revents;
        virtio_queue_interrupt(&fake.dev, &fake.queues[0]);
    } else {
        s->interrupted = value == 0xbeef;
        eventfd_write(s->done, 1);
    }
}

static void on_mmio(void *opaque, uint64_t gpa, void *data, unsigned size, bool write)
{
    struct seen *s = opaque;

    s->stray = gpa;
}

static void on_ended(void *opaque, enum machine_end why, const char *message)
{
    struct seen *s = opaque;

    fprintf(stderr, "%s", message);
    eventfd_write(s->done, 1);
}

START_TEST(kicks_and_interrupts_go_through_event_descriptors)
{
    static const struct vcpu_ops ops = {.port = on_port, .mmio = on_mmio, .ended = on_ended};
    struct seen seen = {.done = eventfd(0, EFD_CLOEXEC)};
    struct boot_config config = {.devices = ""};
    static uint8_t elf[GUEST_ELF_MAX];
    struct boot_entry entry;
    uint64_t n;

    config.kernel_data = elf;
    config.kernel_size = guest_elf(elf, kicker_begin, (size_t)(kicker_end - kicker_begin));
    ck_assert_msg(boot_load(&ram, &config, &entry, &err) == 0, "%s", err.msg);
    ck_assert_msg(vcpu_init(&seen.vcpu, &vm, 0, 1, &entry, &ram, &ops, &seen, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(vcpu_start(&seen.vcpu, &err), 0);
    ck_assert_int_eq(read(seen.done, &n, sizeof(n)), sizeof(n));
    vcpu_stop(&seen.vcpu);
    vcpu_join(&seen.vcpu);
    vcpu_destroy(&seen.vcpu);
    close(seen.done);

    ck_assert_int_eq(seen.kicked, POLLIN);
    ck_assert_int_eq(seen.other, 0);
    ck_assert(seen.interrupted);
    /* What no queue waits for comes out, the kick of queue 1 did not. */
    ck_assert_uint_eq(seen.stray, LAYOUT_VIRTIO_MMIO + VIRTIO_MMIO_QUEUE_NOTIFY);
    ck_assert_int_eq(read(fake.queues[1].kick_fd, &n, sizeof(n)), sizeof(n));
    ck_assert_uint_eq(n, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("virtio_mmio");
    TCase *t = tcase_create("transport");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, device_is_identified);
    tcase_add_test(t, features_come_in_halves_and_beyond_them_are_none);
    tcase_add_test(t, queues_beyond_the_last_read_zero_and_take_nothing);
    tcase_add_test(t, queue_is_set_up_before_it_is_ready_and_not_after);
    tcase_add_test(t, running_queue_can_be_taken_back_and_set_up_anew);
    tcase_add_test(t, queue_reset_forgets_its_set_up_if_it_was_negotiated);
    tcase_add_test(t, a_queue_of_a_device_that_needs_a_reset_does_not_start);
    tcase_add_test(t, odd_accesses_of_registers_do_nothing);
    tcase_add_test(t, configuration_space_is_read_at_any_width_and_ends);
    tcase_add_test(t, interrupt_status_lasts_until_acknowledged);
    tcase_add_test(t, device_that_needs_reset_interrupts);
    tcase_add_test(t, kicks_and_interrupts_go_through_event_descriptors);
    suite_add_tcase(s, t);
    return guest_main(s);
}
