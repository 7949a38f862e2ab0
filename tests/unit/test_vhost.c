// SPDX-License-Identifier: MIT
/* A vhost-user front end and a disk that is served as the specification says. */
#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/suite.h"
#include "tests/unit/vhost-back-end.h"
#include "tests/unit/vhost-front-end.h"

#define BIT(n)    (UINT64_C(1) << (n))
#define RING_SIZE 16
#define QUEUES    4
#define BLOCK     1024

static struct vhost_store *store;
static struct vhost_sockets sockets;
static struct vhost_back_end_options options;
static struct vhost_back_end back;
static struct front_end fe;

static void setup(void)
{
    store = vhost_store_new();
    vhost_sockets_init(&sockets);
    options =
        (struct vhost_back_end_options){.store = {store}, .nr_queues = QUEUES, .queue_size = 256};
    vhost_back_end_init(&back, &sockets, &options);
}

static void teardown(void)
{
    front_end_destroy(&fe);
    vhost_back_end_destroy(&back);
    vhost_sockets_destroy(&sockets);
    vhost_store_free(store);
}

/* The ring formats, by the number of a loop test. */
static void make_guest(int variant, unsigned nr_rings)
{
    front_end_init(&fe, &(struct front_end_options){.nr_rings = nr_rings,
                                                    .ring_size = RING_SIZE,
                                                    .event_idx = variant & 1,
                                                    .packed = variant & 2});
}
#define VARIANTS 4

static void go_live(int variant, unsigned nr_rings)
{
    make_guest(variant, nr_rings);
    front_end_go_live(&fe, sockets.path[0]);
}

/* Memory of @regions drivers, and the ring of the first one. */
static void go_live_one(int variant, unsigned regions)
{
    make_guest(variant, regions);
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    front_end_set_memory(&fe);
    front_end_start_ring(&fe, 0);
}

static uint8_t write_block(unsigned ring, uint64_t sector, uint8_t fill)
{
    uint8_t data[BLOCK];

    memset(data, fill, sizeof(data));
    return front_end_do(&fe, ring,
                        fake_driver_chain(&fe.drv[ring],
                                          HDR(.type = VIRTIO_BLK_T_OUT, .sector = sector),
                                          OUT_BYTES(data, sizeof(data)), STATUS()));
}

static void assert_filled(const uint8_t *data, uint8_t fill)
{
    for (unsigned i = 0; i < BLOCK; i++) {
        ck_assert_uint_eq(data[i], fill);
    }
}

static void assert_reads(unsigned ring, uint64_t sector, uint8_t fill)
{
    struct fake_driver *d = &fe.drv[ring];
    uint16_t head =
        fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = sector), IN(BLOCK), STATUS());

    ck_assert_uint_eq(front_end_do(&fe, ring, head), VIRTIO_BLK_S_OK);
    assert_filled(fake_driver_buf(d, head, 1), fill);
}

static uint16_t offer_read(unsigned ring, uint64_t sector)
{
    struct fake_driver *d = &fe.drv[ring];
    uint16_t head = fake_driver_chain_indirect(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = sector),
                                               IN(SECTOR_SIZE), STATUS());

    fake_driver_kick(d, head);
    return head;
}

/* --- negotiation --- */

START_TEST(test_features)
{
    uint64_t features;

    make_guest(0, 1);
    front_end_connect(&fe, sockets.path[0]);
    features = front_end_get_u64(&fe, VHOST_GET_FEATURES);
    ck_assert(features & BIT(VHOST_F_PROTOCOL_FEATURES));
    ck_assert(features & BIT(VIRTIO_F_VERSION_1));
    ck_assert(features & BIT(VIRTIO_F_RING_PACKED));
    ck_assert(features & BIT(VIRTIO_RING_F_EVENT_IDX));
    ck_assert(features & BIT(VIRTIO_BLK_F_MQ));
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_PROTOCOL_FEATURES),
                      BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) |
                          BIT(VHOST_PROTOCOL_BACKEND_REQ) | BIT(VHOST_PROTOCOL_CONFIG) |
                          BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD) | BIT(VHOST_PROTOCOL_RESET_DEVICE) |
                          BIT(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) | BIT(VHOST_PROTOCOL_STATUS));
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_QUEUE_NUM), QUEUES);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_MAX_MEM_SLOTS), GUEST_MEMORY_REGIONS);
}
END_TEST

/* An ack that nobody asked for would be taken for the reply to the next request. */
START_TEST(test_acks_only_when_negotiated)
{
    uint64_t features;

    make_guest(0, 1);
    front_end_connect(&fe, sockets.path[0]);
    features = front_end_get_u64(&fe, VHOST_GET_FEATURES);
    front_end_send(&fe, VHOST_SET_FEATURES, VHOST_VERSION | VHOST_FLAG_NEED_ACK, &features,
                   sizeof(features), NULL, 0);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_QUEUE_NUM), QUEUES);

    front_end_negotiate(&fe);
    front_end_send(&fe, VHOST_SET_FEATURES, VHOST_VERSION, &features, sizeof(features), NULL, 0);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_QUEUE_NUM), QUEUES);
    /* A request with a reply of its own has no other answer. */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_QUEUE_NUM), QUEUES);
        ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_STATUS), 0);
    }
}
END_TEST

/* front_end_set() expects the ack of each message. */
START_TEST(test_every_message_is_acknowledged)
{
    uint64_t ring = 0;
    int err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    go_live(0, 1);
    ck_assert(fe.acks);
    front_end_set(&fe, VHOST_RESET_OWNER, NULL, 0, NULL, 0);
    front_end_set(&fe, VHOST_SET_VRING_ERR, &ring, sizeof(ring), &err_fd, 1);
    front_end_set_backend(&fe);
    front_end_get_record(&fe, RING_SIZE);
    front_end_set_record(&fe);
    front_end_remove_memory(&fe, 0);
    front_end_add_memory(&fe, 0);
    front_end_set_u64(&fe, VHOST_SET_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    front_end_set(&fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_STATUS), 0);
    close(err_fd);
}
END_TEST

/* Without bit 30 a ring is enabled from the beginning, and there are no acks. */
START_TEST(test_no_protocol_features)
{
    make_guest(0, 1);
    front_end_connect(&fe, sockets.path[0]);
    front_end_set_u64(&fe, VHOST_SET_FEATURES, BIT(VIRTIO_F_VERSION_1));
    front_end_set_memory(&fe);
    front_end_set_ring(&fe, 0);
    front_end_set_kick(&fe, 0);
    ck_assert_uint_eq(write_block(0, 2, 0x11), VIRTIO_BLK_S_OK);
}
END_TEST

/* --- configuration --- */

static void get_config(uint32_t offset, uint32_t size, struct vhost_config *out)
{
    struct vhost_config ask = {.offset = offset, .size = size, .flags = 1};
    union vhost_payload payload;

    memset(ask.data, 0xa5, sizeof(ask.data));
    front_end_ask(&fe, VHOST_GET_CONFIG, &ask, VHOST_CONFIG_HEADER + size, NULL, 0);
    ck_assert_uint_eq(front_end_reply(&fe, VHOST_GET_CONFIG, &payload, NULL),
                      VHOST_CONFIG_HEADER + size);
    *out = payload.config;
    ck_assert_uint_eq(out->offset, offset);
    ck_assert_uint_eq(out->size, size);
}

static uint64_t capacity(void)
{
    struct vhost_config c;
    uint64_t value;

    get_config(offsetof(struct virtio_blk_config, capacity), sizeof(value), &c);
    memcpy(&value, c.data, sizeof(value));
    return value;
}

START_TEST(test_config)
{
    struct virtio_blk_config blk;
    struct vhost_config c;

    make_guest(0, 1);
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    get_config(0, VHOST_CONFIG_MAX, &c);
    memcpy(&blk, c.data, sizeof(blk));
    ck_assert_uint_eq(blk.capacity, STORE_SECTORS);
    ck_assert_uint_eq(blk.num_queues, QUEUES);
    ck_assert_uint_eq(blk.wce, 1);
    ck_assert_uint_eq(capacity(), STORE_SECTORS);
    /* Behind the fields of the device there are zeroes. */
    ck_assert_uint_eq(c.data[VHOST_CONFIG_MAX - 1], 0);
    get_config(VHOST_CONFIG_MAX - 1, 1, &c);
    ck_assert_uint_eq(c.data[0], 0);
}
END_TEST

/* The next back end would not know what a driver has set: the write cache stays on. */
START_TEST(test_config_write)
{
    const uint32_t wce = offsetof(struct virtio_blk_config, wce);
    const struct vhost_config off = {.offset = wce, .size = 1};
    struct vhost_config c;

    go_live(0, 1);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_FEATURES) >> VIRTIO_BLK_F_CONFIG_WCE & 1, 0);
    front_end_set(&fe, VHOST_SET_CONFIG, &off, VHOST_CONFIG_HEADER + 1, NULL, 0);
    get_config(wce, 1, &c);
    ck_assert_uint_eq(c.data[0], 1);
}
END_TEST

/* --- requests --- */

START_TEST(test_write_and_read)
{
    struct fake_driver *d = &fe.drv[0];
    uint8_t data[BLOCK];
    uint16_t head;

    go_live(_i, 1);
    for (unsigned i = 0; i < 2 * RING_SIZE; i++) { /* laps of the ring */
        ck_assert_uint_eq(write_block(0, 2 * i, (uint8_t)(i + 1)), VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i < 2 * RING_SIZE; i++) {
        assert_reads(0, 2 * i, (uint8_t)(i + 1));
    }
    memset(data, 0x77, sizeof(data));
    head = fake_driver_chain_indirect(d, HDR(.type = VIRTIO_BLK_T_OUT, .sector = 1000),
                                      OUT_BYTES(data, sizeof(data)), STATUS());
    ck_assert_uint_eq(front_end_do(&fe, 0, head), VIRTIO_BLK_S_OK);
    head = fake_driver_chain_indirect(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = 1000), IN(BLOCK),
                                      STATUS());
    ck_assert_uint_eq(front_end_do(&fe, 0, head), VIRTIO_BLK_S_OK);
    assert_filled(fake_driver_buf(d, head, 1), 0x77);
    head = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_FLUSH), STATUS());
    ck_assert_uint_eq(front_end_do(&fe, 0, head), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
}
END_TEST

START_TEST(test_several_queues)
{
    go_live(_i, QUEUES);
    for (unsigned i = 0; i < QUEUES; i++) {
        ck_assert_uint_eq(write_block(i, 2 * i, (uint8_t)(i + 1)), VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i < QUEUES; i++) {
        assert_reads(QUEUES - 1 - i, 2 * i, (uint8_t)(i + 1));
    }
    front_end_stop_ring(&fe, 1); /* and the others go on */
    assert_reads(0, 2, 2);
    front_end_start_ring(&fe, 1);
    assert_reads(1, 2, 2);
}
END_TEST

/* A disabled ring takes nothing, and takes what is there as soon as it is enabled. */
START_TEST(test_enable)
{
    go_live(_i, 2);
    front_end_enable(&fe, 0, false);
    offer_read(0, 5);
    assert_reads(1, 0, 0);
    ck_assert_int_eq(fake_driver_reap(&fe.drv[0]), -1);
    front_end_enable(&fe, 0, true);
    front_end_reap(&fe, 0);
}
END_TEST

/* A guest may kick before the ring is there. */
START_TEST(test_request_before_the_ring)
{
    uint16_t head;

    make_guest(_i, 1);
    head = offer_read(0, 3);
    front_end_go_live(&fe, sockets.path[0]);
    ck_assert_uint_eq(front_end_reap(&fe, 0), head);
    ck_assert_uint_eq(fake_driver_status(&fe.drv[0], head), VIRTIO_BLK_S_OK);
}
END_TEST

/* --- base --- */

static void assert_base(unsigned requests)
{
    unsigned n = 3 * requests; /* descriptors */
    bool odd = n / RING_SIZE % 2;

    if (!fe.packed) {
        ck_assert_uint_eq(fe.base[0], requests);
    } else {
        ck_assert_uint_eq(fe.base[0], (n % RING_SIZE) * 0x10001u | (odd ? 0 : 0x80008000u));
    }
}

START_TEST(test_base)
{
    go_live(_i, 1);
    front_end_stop_ring(&fe, 0);
    assert_base(0);
    front_end_start_ring(&fe, 0);
    for (unsigned i = 0; i < 7; i++) { /* 21 descriptors: the second lap */
        ck_assert_uint_eq(write_block(0, 2 * i, (uint8_t)(i + 1)), VIRTIO_BLK_S_OK);
    }
    front_end_stop_ring(&fe, 0);
    assert_base(7);

    /* A new connection. */
    front_end_hang_up(&fe);
    front_end_go_live(&fe, sockets.path[0]);
    for (unsigned i = 0; i < 5; i++) { /* 36: the third lap */
        assert_reads(0, 2 * i, (uint8_t)(i + 1));
    }
    front_end_stop_ring(&fe, 0);
    assert_base(12);

    /* A new server. */
    front_end_hang_up(&fe);
    vhost_back_end_destroy(&back);
    vhost_back_end_init(&back, &sockets, &options);
    front_end_go_live(&fe, sockets.path[0]);
    assert_reads(0, 2, 2);
    front_end_stop_ring(&fe, 0);
    assert_base(13);
}
END_TEST

#define HELD 4

static void hold_some(void)
{
    store_release(&store->hold, UINT64_MAX);
    for (unsigned i = 0; i < HELD; i++) {
        offer_read(0, i);
    }
    vhost_store_await(store, HELD);
}

static void assert_all_used(void)
{
    ck_assert_uint_eq(fake_driver_used_idx(&fe.drv[0]), HELD);
    for (unsigned i = 0; i < HELD; i++) {
        int head = fake_driver_reap(&fe.drv[0]);

        ck_assert_uint_eq(fake_driver_status(&fe.drv[0], (uint16_t)head), VIRTIO_BLK_S_OK);
        fake_driver_release(&fe.drv[0], (uint16_t)head);
    }
}

/* The reply says that nothing is in flight any more. */
START_TEST(test_base_waits_for_requests)
{
    const struct vhost_vring_state ask = {.index = 0};
    union vhost_payload payload;

    go_live(_i, 1);
    hold_some();
    front_end_ask(&fe, VHOST_GET_VRING_BASE, &ask, sizeof(ask), NULL, 0);
    vhost_back_end_release(&back, 0);
    front_end_reply(&fe, VHOST_GET_VRING_BASE, &payload, NULL);
    assert_all_used();
}
END_TEST

/* --- memory --- */

static void read_to(unsigned memory, uint8_t fill)
{
    struct fake_driver *d = &fe.drv[0];
    uint64_t gpa = fake_driver_alloc(&fe.drv[memory], BLOCK, 512);
    uint8_t *data = fake_driver_at(&fe.drv[memory], gpa);
    uint16_t head;

    memset(data, 0xee, BLOCK);
    head = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN), IN_AT(gpa, BLOCK), STATUS());
    ck_assert_uint_eq(front_end_do(&fe, 0, head), VIRTIO_BLK_S_OK);
    assert_filled(data, fill);
}

/* The ring is in region 0; the buffers of the reads are in others. */
START_TEST(test_memory_slots)
{
    make_guest(_i, 3);
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    front_end_add_memory(&fe, 0);
    front_end_start_ring(&fe, 0);
    ck_assert_uint_eq(write_block(0, 0, 0x42), VIRTIO_BLK_S_OK);

    front_end_add_memory(&fe, 1);
    read_to(1, 0x42);
    front_end_add_memory(&fe, 2);
    front_end_remove_memory(&fe, 1);
    read_to(2, 0x42);
    read_to(0, 0x42);
    front_end_add_memory(&fe, 1);
    read_to(1, 0x42);
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
}
END_TEST

START_TEST(test_removed_memory_is_not_used)
{
    struct fake_driver *d = &fe.drv[0];

    go_live_one(_i, 2);
    front_end_set_backend(&fe);
    front_end_remove_memory(&fe, 1);
    fake_driver_kick(d, fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN),
                                          IN_AT(fe.drv[1].gpa, BLOCK), STATUS()));
    ck_assert_uint_eq(front_end_await_request(&fe), VHOST_BACKEND_CONFIG_CHANGE);
    ck_assert(front_end_get_u64(&fe, VHOST_GET_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
    ck_assert_uint_eq(vhost_back_end_lines(&back), 1);
}
END_TEST

START_TEST(test_memory_table_while_running)
{
    struct vhost_mem_table table;
    size_t size;

    go_live_one(_i, 2);
    hold_some();
    fe.nr_rings = 1;
    size = front_end_table(&fe, &table);
    front_end_ask(&fe, VHOST_SET_MEM_TABLE, &table, size, fe.mem_fd, 1);
    vhost_back_end_release(&back, 0);
    front_end_ack(&fe, VHOST_SET_MEM_TABLE);
    assert_all_used();
    ck_assert_uint_eq(write_block(0, 0, 0x55), VIRTIO_BLK_S_OK);
    fe.nr_rings = 2;
    front_end_set_memory(&fe);
    read_to(1, 0x55);
}
END_TEST

/* --- descriptors of rings --- */

START_TEST(test_ring_without_kick)
{
    const uint64_t value = VHOST_RING_NO_FD;

    make_guest(_i, 1);
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    front_end_set_memory(&fe);
    front_end_set_ring(&fe, 0);
    front_end_set(&fe, VHOST_SET_VRING_KICK, &value, sizeof(value), NULL, 0);
    front_end_enable(&fe, 0, true);
    for (unsigned i = 0; i < 3; i++) {
        struct fake_driver *d = &fe.drv[0];
        uint16_t head = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN), IN(BLOCK), STATUS());

        fake_driver_offer(d, head);
        ck_assert_uint_eq(front_end_reap(&fe, 0), head);
        ck_assert_uint_eq(fake_driver_status(d, head), VIRTIO_BLK_S_OK);
        fake_driver_release(d, head);
    }
}
END_TEST

START_TEST(test_call_changed_while_running)
{
    struct fake_driver *d = &fe.drv[0];
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    go_live(_i, 1);
    fake_driver_want_interrupts(d, true);
    hold_some();
    front_end_set_call(&fe, 0, fd);
    fake_driver_interrupts(d);
    vhost_back_end_release(&back, 0);
    fd_await(fd);
    ck_assert_uint_eq(fake_driver_interrupts(d), 0);

    /* Without a descriptor the driver polls. */
    front_end_set_call(&fe, 0, -1);
    front_end_stop_ring(&fe, 0);
    assert_all_used();
    ck_assert_uint_eq(fake_driver_interrupts(d), 0);
    close(fd);
}
END_TEST

/* --- status and reset --- */

static void break_ring(void)
{
    struct fake_driver *d = &fe.drv[0];
    uint16_t head = fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN), IN_AT(0x10, 512), STATUS());

    fake_driver_kick(d, head);
}

START_TEST(test_status_and_reset)
{
    const uint8_t running = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                            VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
    bool by_status = _i >= VARIANTS;
    int err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t ring = 0;

    go_live(_i % VARIANTS, 1);
    front_end_set_backend(&fe);
    front_end_set(&fe, VHOST_SET_VRING_ERR, &ring, sizeof(ring), &err_fd, 1);
    front_end_set_u64(&fe, VHOST_SET_STATUS, running);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_STATUS), running);

    break_ring();
    fd_await(err_fd);
    ck_assert_uint_eq(front_end_await_request(&fe), VHOST_BACKEND_CONFIG_CHANGE);
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_STATUS),
                      running | VIRTIO_CONFIG_S_NEEDS_RESET);

    if (by_status) {
        front_end_set_u64(&fe, VHOST_SET_STATUS, 0);
    } else {
        front_end_set(&fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0);
    }
    ck_assert_uint_eq(front_end_get_u64(&fe, VHOST_GET_STATUS), 0);
    front_end_begin(&fe);
    front_end_set_u64(&fe, VHOST_SET_STATUS, running);
    front_end_start_ring(&fe, 0);
    ck_assert_uint_eq(write_block(0, 0, 0x66), VIRTIO_BLK_S_OK);
    assert_reads(0, 0, 0x66);
    close(err_fd);
}
END_TEST

/* --- resize --- */

START_TEST(test_resize)
{
    char path[128];
    int fd;

    vhost_back_end_destroy(&back);
    snprintf(path, sizeof(path), "%s/image", sockets.dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    options.file = path;
    vhost_back_end_init(&back, &sockets, &options);

    go_live(0, 1);
    front_end_set_backend(&fe);
    ck_assert_uint_eq(capacity(), (1 << 20) / SECTOR_SIZE);
    ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
    vhost_server_resize(back.disks[0].server);
    ck_assert_uint_eq(front_end_await_request(&fe), VHOST_BACKEND_CONFIG_CHANGE);
    ck_assert_uint_eq(capacity(), (2 << 20) / SECTOR_SIZE);
    ck_assert_uint_eq(write_block(0, (3 << 19) / SECTOR_SIZE, 0x99), VIRTIO_BLK_S_OK);
    close(fd);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vhost");
    TCase *negotiation = tcase_create("negotiation"), *data = tcase_create("data"),
          *change = tcase_create("change");

    tcase_add_checked_fixture(negotiation, setup, teardown);
    tcase_add_test(negotiation, test_features);
    tcase_add_test(negotiation, test_acks_only_when_negotiated);
    tcase_add_test(negotiation, test_every_message_is_acknowledged);
    tcase_add_test(negotiation, test_no_protocol_features);
    tcase_add_test(negotiation, test_config);
    tcase_add_test(negotiation, test_config_write);
    suite_add_tcase(s, negotiation);

    tcase_add_checked_fixture(data, setup, teardown);
    tcase_add_loop_test(data, test_write_and_read, 0, VARIANTS);
    tcase_add_loop_test(data, test_several_queues, 0, VARIANTS);
    tcase_add_loop_test(data, test_enable, 0, VARIANTS);
    tcase_add_loop_test(data, test_request_before_the_ring, 0, VARIANTS);
    tcase_add_loop_test(data, test_base, 0, VARIANTS);
    tcase_add_loop_test(data, test_base_waits_for_requests, 0, VARIANTS);
    suite_add_tcase(s, data);

    tcase_add_checked_fixture(change, setup, teardown);
    tcase_add_loop_test(change, test_memory_slots, 0, VARIANTS);
    tcase_add_loop_test(change, test_removed_memory_is_not_used, 0, VARIANTS);
    tcase_add_loop_test(change, test_memory_table_while_running, 0, VARIANTS);
    tcase_add_loop_test(change, test_ring_without_kick, 0, VARIANTS);
    tcase_add_loop_test(change, test_call_changed_while_running, 0, VARIANTS);
    tcase_add_loop_test(change, test_status_and_reset, 0, 2 * VARIANTS);
    tcase_add_test(change, test_resize);
    suite_add_tcase(s, change);
    return suite_run(s);
}
