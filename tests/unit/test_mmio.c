// SPDX-License-Identifier: MIT
/* What virtio-mmio asks KVM for. tests/vm/test_virtio_mmio.c has its registers. */
#include <check.h>
#include <linux/virtio_mmio.h>

#include "kvm/layout.h"
#include "kvm/virtio-mmio.h"
#include "tests/unit/fake-kvm.h"
#include "tests/unit/suite.h"

#define GSI 5

static const struct vm no_vm = {.kvm_fd = -1, .fd = -1};

START_TEST(a_single_queue_has_a_doorbell_and_several_match_their_number)
{
    unsigned nr = (unsigned)_i;
    uint64_t notify = LAYOUT_VIRTIO_MMIO + VIRTIO_MMIO_QUEUE_NOTIFY;
    struct virtio_queue queues[3] = {{.kick_fd = -1}};
    struct virtio_device dev = {.nr_queues = nr, .queues = queues};
    struct error err = {""};
    struct virtio_mmio t;

    fake_kvm_init();
    ck_assert_msg(virtio_mmio_init(&t, &no_vm, &dev, LAYOUT_VIRTIO_MMIO, GSI, &err) == 0, "%s",
                  err.msg);
    ck_assert_int_eq(fake_kvm_doorbell(notify), nr == 1 ? queues[0].kick_fd : -1);
    ck_assert_uint_eq(kvm.ioeventfds, nr == 1 ? 0 : (1u << nr) - 1);
    ck_assert_int_eq(kvm.irqfd[GSI], t.irqfd);
    for (unsigned i = 0; i < nr; i++) {
        ck_assert_int_eq(queues[i].call_fd, t.irqfd);
    }
    virtio_mmio_destroy(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mmio");
    TCase *tc = tcase_create("eventfds");

    tcase_add_loop_test(tc, a_single_queue_has_a_doorbell_and_several_match_their_number, 1, 4);
    suite_add_tcase(s, tc);
    return suite_run(s);
}
