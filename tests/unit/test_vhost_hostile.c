// SPDX-License-Identifier: MIT
/*
 * Front ends that misbehave. Each row of the table must lose its connection with one line of log,
 * while a second disk on the same I/O thread serves another front end.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/barrier.h"
#include "tests/unit/suite.h"
#include "tests/unit/vhost-back-end.h"
#include "tests/unit/vhost-front-end.h"

#define RING_SIZE 16
#define RINGS     2

static struct vhost_store *stores[DISKS_MAX];
static struct vhost_sockets sockets;
static struct vhost_back_end back;
static struct front_end fe, neighbour;

static struct vhost_back_end_options options;

static void setup(void)
{
    options = (struct vhost_back_end_options){.nr_queues = RINGS, .queue_size = 256};

    for (unsigned i = 0; i < DISKS_MAX; i++) {
        options.store[i] = stores[i] = vhost_store_new();
    }
    vhost_sockets_init(&sockets);
    vhost_back_end_init(&back, &sockets, &options);
    front_end_init(&fe, &(struct front_end_options){.nr_rings = RINGS, .ring_size = RING_SIZE});
    front_end_init(&neighbour, &(struct front_end_options){.ring_size = RING_SIZE});
    front_end_go_live(&neighbour, sockets.path[1]);
}

static void teardown(void)
{
    front_end_destroy(&fe);
    front_end_destroy(&neighbour);
    vhost_back_end_destroy(&back);
    vhost_sockets_destroy(&sockets);
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        vhost_store_free(stores[i]);
    }
}

static uint8_t read_sector(struct front_end *f, uint64_t sector)
{
    struct fake_driver *d = &f->drv[0];

    return front_end_do(
        f, 0,
        fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN, .sector = sector), IN(512), STATUS()));
}

static void assert_neighbour_is_served(void)
{
    ck_assert_uint_eq(read_sector(&neighbour, 1), VIRTIO_BLK_S_OK);
}

/* --- messages --- */

static const uint32_t request = VHOST_VERSION;

static void send_u64(uint32_t type, uint64_t value, const int *fds, unsigned nr_fds)
{
    front_end_send(&fe, type, request, &value, sizeof(value), fds, nr_fds);
}

static void send_state(uint32_t type, uint32_t index, uint32_t num)
{
    const struct vhost_vring_state state = {.index = index, .num = num};

    front_end_send(&fe, type, request, &state, sizeof(state), NULL, 0);
}

static void send_region(uint32_t type, struct vhost_region region, const int *fds, unsigned nr_fds)
{
    const struct vhost_mem_reg reg = {.region = region};

    front_end_send(&fe, type, request, &reg, sizeof(reg), fds, nr_fds);
}

/* Of disk 0, with memory, and rings that are not started. */
static void set_up_memory(void)
{
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
    front_end_set_memory(&fe);
}

static void go_live(void)
{
    front_end_go_live(&fe, sockets.path[0]);
    ck_assert_uint_eq(read_sector(&fe, 0), VIRTIO_BLK_S_OK);
}

static void connect_only(void)
{
    front_end_connect(&fe, sockets.path[0]);
    front_end_negotiate(&fe);
}

static int some_fds[FRONT_END_FDS];

static const int *many_fds(void)
{
    for (unsigned i = 0; i < FRONT_END_FDS; i++) {
        some_fds[i] = fe.drv[0].kick_fd;
    }
    return some_fds;
}

/* --- the rows: sizes, versions, descriptors --- */

static void unknown_request(void)
{
    connect_only();
    front_end_send(&fe, 99, request, NULL, 0, NULL, 0);
}

static void request_zero(void)
{
    connect_only();
    front_end_send(&fe, 0, request, NULL, 0, NULL, 0);
}

static void request_between(void)
{
    connect_only();
    front_end_send(&fe, 6, request, NULL, 0, NULL, 0); /* SET_LOG_BASE, which was not offered */
}

static void wrong_version(void)
{
    connect_only();
    front_end_send(&fe, VHOST_GET_FEATURES, 2, NULL, 0, NULL, 0);
}

static void reply_as_request(void)
{
    connect_only();
    front_end_send(&fe, VHOST_GET_FEATURES, request | VHOST_FLAG_REPLY, NULL, 0, NULL, 0);
}

static void short_payload(void)
{
    const uint32_t half = 1;

    connect_only();
    front_end_send(&fe, VHOST_SET_FEATURES, request, &half, sizeof(half), NULL, 0);
}

static void long_payload(void)
{
    const uint64_t twice[2] = {1, 2};

    connect_only();
    front_end_send(&fe, VHOST_SET_FEATURES, request, twice, sizeof(twice), NULL, 0);
}

static void payload_of_get(void)
{
    connect_only();
    send_u64(VHOST_GET_FEATURES, 0, NULL, 0);
}

static void huge_payload(void)
{
    const struct vhost_header h = {
        .request = VHOST_SET_MEM_TABLE, .flags = request, .size = UINT32_MAX};

    connect_only();
    front_end_write(&fe, &h, sizeof(h), NULL, 0);
}

static void surplus_descriptor(void)
{
    connect_only();
    send_u64(VHOST_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1, many_fds(), 1);
}

static void nine_descriptors(void)
{
    connect_only();
    send_u64(VHOST_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1, many_fds(), 9);
}

static void descriptors_in_pieces(void)
{
    struct vhost_mem_table table;
    struct vhost_header h = {.request = VHOST_SET_MEM_TABLE, .flags = request};

    connect_only();
    h.size = (uint32_t)front_end_table(&fe, &table);
    front_end_write(&fe, &h, sizeof(h), many_fds(), 8);
    front_end_write(&fe, &table, h.size, many_fds(), 8);
}

static void features_not_offered(void)
{
    connect_only();
    send_u64(VHOST_SET_FEATURES, UINT64_MAX, NULL, 0);
}

static void legacy_driver(void)
{
    connect_only();
    send_u64(VHOST_SET_FEATURES, 0, NULL, 0);
}

static void protocol_features_not_offered(void)
{
    connect_only();
    send_u64(VHOST_SET_PROTOCOL_FEATURES, UINT64_MAX, NULL, 0);
}

static void status_too_large(void)
{
    connect_only();
    send_u64(VHOST_SET_STATUS, 256, NULL, 0);
}

/* --- configuration --- */

static void send_config(uint32_t type, uint32_t offset, uint32_t size, size_t bytes)
{
    const struct vhost_config c = {.offset = offset, .size = size};

    connect_only();
    front_end_send(&fe, type, request, &c, VHOST_CONFIG_HEADER + bytes, NULL, 0);
}

static void config_offset_huge(void)
{
    send_config(VHOST_GET_CONFIG, UINT32_MAX - 3, 8, 8);
}

static void config_offset_behind(void)
{
    send_config(VHOST_GET_CONFIG, VHOST_CONFIG_MAX, 1, 1);
}

static void config_size_huge(void)
{
    send_config(VHOST_GET_CONFIG, 0, UINT32_MAX, 8);
}

static void config_size_zero(void)
{
    send_config(VHOST_GET_CONFIG, 0, 0, 0);
}

static void config_size_is_not_the_messages(void)
{
    send_config(VHOST_GET_CONFIG, 0, 8, 16);
}

static void config_cut(void)
{
    connect_only();
    front_end_send(&fe, VHOST_GET_CONFIG, request, "1234", 4, NULL, 0);
}

static void config_write_behind(void)
{
    send_config(VHOST_SET_CONFIG, UINT32_MAX, 4, 4);
}

/* --- memory --- */

static void table_empty(void)
{
    const struct vhost_mem_table table = {.nr = 0};

    connect_only();
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, 8, NULL, 0);
}

static void table_of_no_bytes(void)
{
    connect_only();
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, NULL, 0, fe.mem_fd, 1);
}

static void table_too_large(void)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(&fe, &table);

    connect_only();
    table.nr = VHOST_TABLE_REGIONS + 1;
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, size, fe.mem_fd, RINGS);
}

static void table_longer_than_its_message(void)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(&fe, &table);

    connect_only();
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, size - sizeof(table.regions[0]),
                   fe.mem_fd, RINGS);
}

static void table_without_a_descriptor(void)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(&fe, &table);

    connect_only();
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, size, fe.mem_fd, RINGS - 1);
}

static void table_with_one_more_descriptor(void)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(&fe, &table);

    connect_only();
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, size, many_fds(), RINGS + 1);
}

static void send_second_region(struct vhost_region second)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(&fe, &table);

    connect_only();
    table.regions[1] = second;
    front_end_send(&fe, VHOST_SET_MEM_TABLE, request, &table, size, fe.mem_fd, RINGS);
}

static void regions_overlap_in_the_guest(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.gpa -= 4096;
    send_second_region(r);
}

static void regions_overlap_in_the_front_end(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.user_addr = front_end_region(&fe, 0).user_addr + FAKE_MEMORY_SIZE - 1;
    send_second_region(r);
}

static void region_wraps_in_the_guest(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.gpa = UINT64_MAX - 4095;
    send_second_region(r);
}

static void region_wraps_in_the_front_end(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.user_addr = UINT64_MAX - 4095;
    send_second_region(r);
}

static void region_of_no_bytes(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.size = 0;
    send_second_region(r);
}

static void region_longer_than_its_file(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.mmap_offset = 4096;
    send_second_region(r);
}

static void region_offset_wraps(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.mmap_offset = UINT64_MAX - 4095;
    send_second_region(r);
}

static void region_not_aligned(void)
{
    struct vhost_region r = front_end_region(&fe, 1);

    r.mmap_offset = 1;
    r.size -= 4096;
    send_second_region(r);
}

static void memory_is_no_file(void)
{
    connect_only();
    send_region(VHOST_ADD_MEM_REG, front_end_region(&fe, 0), &fe.drv[0].kick_fd, 1);
}

static void memory_is_a_directory(void)
{
    int fd = open(sockets.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    connect_only();
    send_region(VHOST_ADD_MEM_REG, front_end_region(&fe, 0), &fd, 1);
    close(fd);
}

static void slot_without_a_descriptor(void)
{
    connect_only();
    send_region(VHOST_ADD_MEM_REG, front_end_region(&fe, 0), NULL, 0);
}

static void slot_twice(void)
{
    set_up_memory();
    send_region(VHOST_ADD_MEM_REG, front_end_region(&fe, 0), fe.mem_fd, 1);
}

static void slot_that_is_not_there(void)
{
    struct vhost_region r = front_end_region(&fe, 0);

    set_up_memory();
    r.gpa += 4096;
    send_region(VHOST_REM_MEM_REG, r, NULL, 0);
}

static void too_many_slots(void)
{
    struct vhost_region r = front_end_region(&fe, 0);

    connect_only();
    r.size = 4096;
    for (unsigned i = 0; i < GUEST_MEMORY_REGIONS; i++, r.gpa += r.size, r.user_addr += r.size) {
        const struct vhost_mem_reg reg = {.region = r};

        front_end_set(&fe, VHOST_ADD_MEM_REG, &reg, sizeof(reg), fe.mem_fd, 1);
    }
    send_region(VHOST_ADD_MEM_REG, r, fe.mem_fd, 1);
}

static void memory_removed_under_a_ring(void)
{
    go_live();
    send_region(VHOST_REM_MEM_REG, front_end_region(&fe, 0), NULL, 0);
}

/* The I/O thread or the server finds out when it reads the ring. */
static void memory_cut_while_running(void)
{
    go_live();
    ck_assert_int_eq(ftruncate(fe.mem_fd[0], 0), 0);
    eventfd_write(fe.drv[0].kick_fd, 1);
}

static void memory_cut_before_the_ring_starts(void)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    set_up_memory();
    send_state(VHOST_SET_VRING_NUM, 0, RING_SIZE);
    front_end_send(&fe, VHOST_SET_VRING_ADDR, request, &addr, sizeof(addr), NULL, 0);
    ck_assert_int_eq(ftruncate(fe.mem_fd[0], 0), 0);
    send_u64(VHOST_SET_VRING_KICK, 0, &fe.drv[0].kick_fd, 1);
    send_state(VHOST_SET_VRING_ENABLE, 0, 1);
    eventfd_write(fe.drv[0].kick_fd, 1);
}

/* --- rings --- */

static void ring_index_too_large(void)
{
    set_up_memory();
    send_state(VHOST_SET_VRING_NUM, RINGS, RING_SIZE);
}

static void base_of_ring_index_too_large(void)
{
    set_up_memory();
    send_state(VHOST_GET_VRING_BASE, UINT32_MAX, 0);
}

static void kick_of_ring_index_too_large(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, 255, &fe.drv[0].kick_fd, 1);
}

static void addr_of_ring_index_too_large(void)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    set_up_memory();
    addr.index = RINGS;
    front_end_send(&fe, VHOST_SET_VRING_ADDR, request, &addr, sizeof(addr), NULL, 0);
}

static void kick_with_unknown_bits(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, 1ull << 9, &fe.drv[0].kick_fd, 1);
}

static void ring_size_zero(void)
{
    set_up_memory();
    send_state(VHOST_SET_VRING_NUM, 0, 0);
}

static void ring_size_too_large(void)
{
    set_up_memory();
    send_state(VHOST_SET_VRING_NUM, 0, 65536);
}

static void ring_size_above_queue_size(void)
{
    set_up_memory();
    send_state(VHOST_SET_VRING_NUM, 0, 512);
}

static void enable_neither_0_nor_1(void)
{
    set_up_memory();
    send_state(VHOST_SET_VRING_ENABLE, 0, 2);
}

static void send_addr(struct vhost_vring_addr addr)
{
    go_live();
    front_end_send(&fe, VHOST_SET_VRING_ADDR, request, &addr, sizeof(addr), NULL, 0);
}

static void desc_outside_memory(void)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    addr.desc = 0x1000;
    send_addr(addr);
}

static void avail_outside_memory(void)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    addr.avail = UINT64_MAX;
    send_addr(addr);
}

static void used_outside_memory(void)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    addr.used = 0;
    send_addr(addr);
}

static void kick_without_descriptor(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, 0, NULL, 0);
}

static void no_descriptor_with_one(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, VHOST_RING_NO_FD, &fe.drv[0].kick_fd, 1);
}

static void two_kick_descriptors(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, 0, many_fds(), 2);
}

static void kick_is_a_file(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_KICK, 0, fe.mem_fd, 1);
}

static void call_is_a_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    set_up_memory();
    send_u64(VHOST_SET_VRING_CALL, 0, &ends[1], 1);
    close(ends[0]);
    close(ends[1]);
}

static void err_is_a_socket(void)
{
    set_up_memory();
    send_u64(VHOST_SET_VRING_ERR, 0, &fe.fd, 1);
}

static void backend_socket_missing(void)
{
    connect_only();
    front_end_send(&fe, VHOST_SET_BACKEND_REQ_FD, request, NULL, 0, NULL, 0);
}

/* --- the record --- */

static void ask_for_record(unsigned queues, unsigned entries, size_t bytes)
{
    const struct vhost_inflight f = {.num_queues = (uint16_t)queues,
                                     .queue_size = (uint16_t)entries};

    connect_only();
    front_end_send(&fe, VHOST_GET_INFLIGHT_FD, request, &f, bytes, NULL, 0);
}

static void record_of_no_queues(void)
{
    ask_for_record(0, RING_SIZE, VHOST_INFLIGHT_SIZE);
}

static void record_of_too_many_queues(void)
{
    ask_for_record(RINGS + 1, RING_SIZE, VHOST_INFLIGHT_SIZE);
}

static void record_of_no_entries(void)
{
    ask_for_record(1, 0, VHOST_INFLIGHT_SIZE);
}

static void record_message_cut(void)
{
    ask_for_record(1, RING_SIZE, VHOST_INFLIGHT_SIZE - 1);
}

static void send_record(void)
{
    front_end_send(&fe, VHOST_SET_INFLIGHT_FD, request, &fe.inflight, sizeof(fe.inflight),
                   &fe.inflight_fd, 1);
}

static void record_too_small(void)
{
    connect_only();
    front_end_get_record(&fe, RING_SIZE);
    fe.inflight.mmap_size--;
    send_record();
}

static void record_behind_its_file(void)
{
    connect_only();
    front_end_get_record(&fe, RING_SIZE);
    fe.inflight.mmap_offset = 64;
    send_record();
}

static void record_offset_wraps(void)
{
    connect_only();
    front_end_get_record(&fe, RING_SIZE);
    fe.inflight.mmap_offset = UINT64_MAX - 63;
    send_record();
}

static void record_not_aligned(void)
{
    connect_only();
    front_end_get_record(&fe, 4 * RING_SIZE);
    fe.inflight.queue_size = RING_SIZE;
    fe.inflight.mmap_size /= 2;
    fe.inflight.mmap_offset = 1;
    send_record();
}

static void record_without_descriptor(void)
{
    connect_only();
    front_end_get_record(&fe, RING_SIZE);
    front_end_send(&fe, VHOST_SET_INFLIGHT_FD, request, &fe.inflight, sizeof(fe.inflight), NULL, 0);
}

static void record_smaller_than_the_ring(void)
{
    set_up_memory();
    front_end_get_record(&fe, RING_SIZE / 2);
    front_end_set_record(&fe);
    front_end_set_ring(&fe, 0);
    front_end_set_kick(&fe, 0);
    send_state(VHOST_SET_VRING_ENABLE, 0, 1);
}

/* --- the stream --- */

static void cut_in_the_middle(void)
{
    const struct vhost_header h = {.request = VHOST_SET_FEATURES, .flags = request, .size = 8};

    connect_only();
    front_end_write(&fe, &h, sizeof(h), NULL, 0);
    shutdown(fe.fd, SHUT_WR);
}

static void cut_in_the_header_with_descriptors(void)
{
    const struct vhost_header h = {.request = VHOST_SET_MEM_TABLE, .flags = request, .size = 8};

    connect_only();
    front_end_write(&fe, &h, sizeof(h) / 2, many_fds(), 3);
    shutdown(fe.fd, SHUT_WR);
}

/* Until the back end's replies fill the socket. */
static void replies_are_not_read(void)
{
    const struct vhost_header h = {.request = VHOST_GET_FEATURES, .flags = request};

    connect_only();
    while (send(fe.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h)) {
    }
    ck_assert(errno == EPIPE || errno == ECONNRESET);
}

/* --- the table --- */

#define ROW(f)                                                                                     \
    {                                                                                              \
#f, f, false                                                                               \
    }
#define ROW_LOSES(f)                                                                               \
    {                                                                                              \
#f, f, true                                                                                \
    }

/* clang-format off */
static const struct {
    const char *name;
    void (*misbehave)(void);
    bool loses; /* its memory: the I/O thread reads zeroes, and may find the ring broken */
} rows[] = {
    ROW(unknown_request),
    ROW(request_zero),
    ROW(request_between),
    ROW(wrong_version),
    ROW(reply_as_request),
    ROW(short_payload),
    ROW(long_payload),
    ROW(payload_of_get),
    ROW(huge_payload),
    ROW(surplus_descriptor),
    ROW(nine_descriptors),
    ROW(descriptors_in_pieces),
    ROW(features_not_offered),
    ROW(legacy_driver),
    ROW(protocol_features_not_offered),
    ROW(status_too_large),
    ROW(config_offset_huge),
    ROW(config_offset_behind),
    ROW(config_size_huge),
    ROW(config_size_zero),
    ROW(config_size_is_not_the_messages),
    ROW(config_cut),
    ROW(config_write_behind),
    ROW(table_empty),
    ROW(table_of_no_bytes),
    ROW(table_too_large),
    ROW(table_longer_than_its_message),
    ROW(table_without_a_descriptor),
    ROW(table_with_one_more_descriptor),
    ROW(regions_overlap_in_the_guest),
    ROW(regions_overlap_in_the_front_end),
    ROW(region_wraps_in_the_guest),
    ROW(region_wraps_in_the_front_end),
    ROW(region_of_no_bytes),
    ROW(region_longer_than_its_file),
    ROW(region_offset_wraps),
    ROW(region_not_aligned),
    ROW(memory_is_no_file),
    ROW(memory_is_a_directory),
    ROW(slot_without_a_descriptor),
    ROW(slot_twice),
    ROW(slot_that_is_not_there),
    ROW(too_many_slots),
    ROW(memory_removed_under_a_ring),
    ROW_LOSES(memory_cut_while_running),
    ROW_LOSES(memory_cut_before_the_ring_starts),
    ROW(ring_index_too_large),
    ROW(base_of_ring_index_too_large),
    ROW(kick_of_ring_index_too_large),
    ROW(addr_of_ring_index_too_large),
    ROW(kick_with_unknown_bits),
    ROW(ring_size_zero),
    ROW(ring_size_too_large),
    ROW(ring_size_above_queue_size),
    ROW(enable_neither_0_nor_1),
    ROW(desc_outside_memory),
    ROW(avail_outside_memory),
    ROW(used_outside_memory),
    ROW(kick_without_descriptor),
    ROW(no_descriptor_with_one),
    ROW(two_kick_descriptors),
    ROW(kick_is_a_file),
    ROW(call_is_a_pipe),
    ROW(err_is_a_socket),
    ROW(backend_socket_missing),
    ROW(record_of_no_queues),
    ROW(record_of_too_many_queues),
    ROW(record_of_no_entries),
    ROW(record_message_cut),
    ROW(record_too_small),
    ROW(record_behind_its_file),
    ROW(record_offset_wraps),
    ROW(record_not_aligned),
    ROW(record_without_descriptor),
    ROW(record_smaller_than_the_ring),
    ROW(cut_in_the_middle),
    ROW(cut_in_the_header_with_descriptors),
    ROW(replies_are_not_read),
};
/* clang-format on */
#define NR_ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* A good front end, after which the server has no connection and no descriptor of one. */
static void come_and_go(void)
{
    struct front_end good;

    front_end_init(&good, &(struct front_end_options){.ring_size = RING_SIZE});
    front_end_go_live(&good, sockets.path[0]);
    ck_assert_uint_eq(read_sector(&good, 2), VIRTIO_BLK_S_OK);
    front_end_destroy(&good);
}

/* The server has closed what a front end gave it when it answers the next one. */
static unsigned descriptors_at_rest(void)
{
    unsigned n;

    come_and_go();
    front_end_connect(&fe, sockets.path[0]);
    front_end_get_u64(&fe, VHOST_GET_QUEUE_NUM);
    n = open_descriptors();
    front_end_hang_up(&fe);
    return n;
}

START_TEST(the_connection_ends)
{
    unsigned before = descriptors_at_rest(), lines;

    rows[_i].misbehave();
    front_end_await_end(&fe);
    lines = vhost_back_end_lines(&back);
    ck_assert_msg(vhost_back_end_ends(&back) == 1 && lines <= 1u + rows[_i].loses,
                  "%s: %u lines of log, %s", rows[_i].name, lines, back.log);
    assert_neighbour_is_served();
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
    if (fe.inflight_fd >= 0) {
        close(fe.inflight_fd);
        fe.inflight_fd = -1;
    }
    ck_assert_msg(descriptors_at_rest() == before, "%s: descriptors leak", rows[_i].name);
}
END_TEST

/* --- front ends that keep their connection --- */

/* The server ends all the same. */
static void restart_back_end(void)
{
    vhost_back_end_destroy(&back);
    front_end_hang_up(&neighbour);
    front_end_hang_up(&fe);
    vhost_back_end_init(&back, &sockets, &options);
    front_end_begin(&neighbour);
    front_end_go_live(&neighbour, sockets.path[1]);
    assert_neighbour_is_served();
    come_and_go();
}

START_TEST(half_a_message_and_silence)
{
    const struct vhost_header h = {.request = VHOST_SET_MEM_TABLE, .flags = request, .size = 40};
    unsigned before = descriptors_at_rest();

    connect_only();
    front_end_write(&fe, &h, sizeof(h) - (_i ? 0 : 1), many_fds(), 3);
    assert_neighbour_is_served();
    restart_back_end();
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
    ck_assert_uint_eq(descriptors_at_rest(), before);
}
END_TEST

START_TEST(silence)
{
    unsigned before = descriptors_at_rest();

    if (_i == 0) {
        front_end_connect(&fe, sockets.path[0]);
    } else {
        go_live();
    }
    restart_back_end();
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
    front_end_begin(&fe);
    ck_assert_uint_eq(descriptors_at_rest(), before);
}
END_TEST

/* One at a time; the others wait, and are served or not when it has gone. */
START_TEST(many_front_ends_at_once)
{
    struct front_end others[8];

    go_live();
    for (unsigned i = 0; i < 8; i++) {
        others[i] = fe;
        front_end_connect(&others[i], sockets.path[0]);
        front_end_send(&others[i], VHOST_GET_QUEUE_NUM, request, NULL, 0, NULL, 0);
    }
    ck_assert_uint_eq(read_sector(&fe, 1), VIRTIO_BLK_S_OK);
    front_end_hang_up(&fe);
    for (unsigned i = 0; i < 8; i++) {
        union vhost_payload payload;

        others[i].backend_fd = -1;
        front_end_reply(&others[i], VHOST_GET_QUEUE_NUM, &payload, NULL);
        ck_assert_uint_eq(payload.u64, RINGS);
        front_end_hang_up(&others[i]);
    }
    ck_assert_uint_eq(vhost_back_end_lines(&back), 0);
}
END_TEST

#define RECONNECTIONS 2000

static void go_live_and_leave(void)
{
    front_end_begin(&fe);
    front_end_go_live(&fe, sockets.path[0]);
    front_end_hang_up(&fe);
}

static void leave_at_once(void)
{
    front_end_connect(&fe, sockets.path[0]);
    front_end_hang_up(&fe);
}

static void leave_without_reading(void)
{
    connect_only();
    send_u64(VHOST_SET_VRING_KICK, 0, &fe.drv[0].kick_fd, 1);
    front_end_send(&fe, VHOST_GET_FEATURES, request, NULL, 0, NULL, 0);
    front_end_hang_up(&fe);
}

static void leave_in_a_message(void)
{
    front_end_connect(&fe, sockets.path[0]);
    front_end_write(&fe, "half", 4, many_fds(), 8);
    front_end_hang_up(&fe);
}

START_TEST(many_reconnections)
{
    static void (*const ways[])(void) = {go_live_and_leave, leave_at_once, leave_without_reading,
                                         leave_in_a_message};
    unsigned before = descriptors_at_rest();

    for (unsigned i = 0; i < RECONNECTIONS; i++) {
        ways[i % 4]();
    }
    front_end_begin(&fe);
    ck_assert_uint_eq(descriptors_at_rest(), before);
    ck_assert_uint_le(vhost_back_end_lines(&back), 20); /* and then no more */
    assert_neighbour_is_served();
}
END_TEST

/* What a driver can do, too, breaks the device until its reset, not the connection. */

static void desc_crosses_the_end(struct vhost_vring_addr *addr)
{
    addr->desc = front_end_region(&fe, 0).user_addr + FAKE_MEMORY_SIZE - 16;
}

static void avail_crosses_the_end(struct vhost_vring_addr *addr)
{
    addr->avail = front_end_region(&fe, 0).user_addr + FAKE_MEMORY_SIZE - 2;
}

static void used_crosses_the_end(struct vhost_vring_addr *addr)
{
    addr->used = front_end_region(&fe, 0).user_addr + FAKE_MEMORY_SIZE - 4;
}

static void desc_is_not_aligned(struct vhost_vring_addr *addr)
{
    addr->desc++;
}

static void (*const wrong_rings[])(struct vhost_vring_addr *) = {
    desc_crosses_the_end, avail_crosses_the_end, used_crosses_the_end, desc_is_not_aligned};
#define NR_WRONG_RINGS ((int)(sizeof(wrong_rings) / sizeof(wrong_rings[0])))

static void assert_broken_until_reset(void)
{
    ck_assert_uint_eq(front_end_await_request(&fe), VHOST_BACKEND_CONFIG_CHANGE);
    ck_assert(front_end_get_u64(&fe, VHOST_GET_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
    ck_assert_uint_eq(vhost_back_end_lines(&back), 1);
    assert_neighbour_is_served();
    front_end_stop_ring(&fe, 0);
    front_end_set(&fe, VHOST_RESET_DEVICE, NULL, 0, NULL, 0);
    front_end_begin(&fe);
    front_end_start_ring(&fe, 0);
    ck_assert_uint_eq(read_sector(&fe, 1), VIRTIO_BLK_S_OK);
}

START_TEST(a_wrong_ring_needs_a_reset)
{
    struct vhost_vring_addr addr = front_end_addr(&fe, 0);

    set_up_memory();
    front_end_set_backend(&fe);
    front_end_set_ring(&fe, 0);
    wrong_rings[_i](&addr);
    front_end_set(&fe, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
    front_end_set_kick(&fe, 0);
    front_end_enable(&fe, 0, true);
    assert_broken_until_reset();
}
END_TEST

START_TEST(a_base_outside_a_packed_ring_needs_a_reset)
{
    front_end_destroy(&fe);
    front_end_init(&fe, &(struct front_end_options){.ring_size = RING_SIZE, .packed = true});
    set_up_memory();
    front_end_set_backend(&fe);
    fe.base[0] = 0x80008000u | (_i ? RING_SIZE << 16 : RING_SIZE);
    front_end_start_ring(&fe, 0);
    assert_broken_until_reset();
}
END_TEST

/* The back end's own requests fill the socket that the front end gave. */
START_TEST(requests_of_the_back_end_are_not_read)
{
    struct fake_driver *d = &fe.drv[0];
    int pair[2];

    go_live();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    while (send(pair[1], "fill", 4, MSG_DONTWAIT) > 0) {
    }
    front_end_set(&fe, VHOST_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
    close(pair[1]);
    fake_driver_kick(d,
                     fake_driver_chain(d, HDR(.type = VIRTIO_BLK_T_IN), IN_AT(16, 512), STATUS()));
    front_end_await_end(&fe);
    ck_assert_uint_eq(vhost_back_end_ends(&back), 1);
    assert_neighbour_is_served();
    close(pair[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vhost_hostile");
    TCase *table = tcase_create("table"), *others = tcase_create("others");

    tcase_add_checked_fixture(table, setup, teardown);
    tcase_add_loop_test(table, the_connection_ends, 0, NR_ROWS);
    suite_add_tcase(s, table);

    tcase_add_checked_fixture(others, setup, teardown);
    tcase_add_loop_test(others, half_a_message_and_silence, 0, 2);
    tcase_add_loop_test(others, silence, 0, 2);
    tcase_add_test(others, many_front_ends_at_once);
    tcase_add_test(others, many_reconnections);
    tcase_add_loop_test(others, a_wrong_ring_needs_a_reset, 0, NR_WRONG_RINGS);
    tcase_add_loop_test(others, a_base_outside_a_packed_ring_needs_a_reset, 0, 2);
    tcase_add_test(others, requests_of_the_back_end_are_not_read);
    suite_add_tcase(s, others);
    return suite_run(s);
}
