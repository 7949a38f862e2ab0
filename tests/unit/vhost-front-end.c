// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/vhost-front-end.h"

#define BIT(n) (UINT64_C(1) << (n))

#define PACKED_BEGIN 0x80008000u /* both wrap counters are 1 */

/* --- guest memory --- */

/* The memory of a fake driver becomes a file, at the same address. */
static int share_memory(struct fake_driver *d)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(fd, FAKE_MEMORY_SIZE), 0);
    ck_assert_ptr_eq(
        mmap(d->mem, FAKE_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
        d->mem);
    return fd;
}

void front_end_begin(struct front_end *fe)
{
    for (unsigned i = 0; i < fe->nr_rings; i++) {
        fake_driver_reset(&fe->drv[i]);
        fe->base[i] = fe->packed ? PACKED_BEGIN : 0;
    }
}

void front_end_init(struct front_end *fe, const struct front_end_options *options)
{
    *fe = (struct front_end){
        .fd = -1,
        .backend_fd = -1,
        .inflight_fd = -1,
        .nr_rings = options->nr_rings ? options->nr_rings : 1,
        .event_idx = options->event_idx,
        .packed = options->packed,
    };
    for (unsigned i = 0; i < fe->nr_rings; i++) {
        struct fake_driver *d = &fe->drv[i];

        fake_driver_init(d, options->ring_size, options->event_idx);
        fe->mem_fd[i] = share_memory(d);
        if (options->packed) {
            fake_driver_pack(d);
        }
        fake_driver_move(d, FAKE_MEMORY_GPA + i * FAKE_MEMORY_SIZE);
    }
    front_end_begin(fe);
}

void front_end_destroy(struct front_end *fe)
{
    front_end_hang_up(fe);
    for (unsigned i = 0; i < fe->nr_rings; i++) {
        fake_driver_destroy(&fe->drv[i]);
        close(fe->mem_fd[i]);
    }
    if (fe->inflight_fd >= 0) {
        close(fe->inflight_fd);
    }
}

/* --- the connection --- */

void front_end_connect(struct front_end *fe, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    fe->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fe->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    fe->acks = false;
}

void front_end_hang_up(struct front_end *fe)
{
    if (fe->fd >= 0) {
        close(fe->fd);
        fe->fd = -1;
    }
    if (fe->backend_fd >= 0) {
        close(fe->backend_fd);
        fe->backend_fd = -1;
    }
}

void front_end_write(struct front_end *fe, const void *bytes, size_t size, const int *fds,
                     unsigned nr_fds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FRONT_END_FDS)];
    } control = {.space = {0}};
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

    ck_assert_uint_le(nr_fds, FRONT_END_FDS);
    if (nr_fds) {
        struct cmsghdr *m;

        hdr.msg_control = &control;
        hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
        m = CMSG_FIRSTHDR(&hdr);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(m), fds, sizeof(int) * nr_fds);
    }
    ck_assert_int_eq(sendmsg(fe->fd, &hdr, MSG_NOSIGNAL), size);
}

void front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
                    size_t size, const int *fds, unsigned nr_fds)
{
    struct {
        struct vhost_header header;
        char payload[1024];
    } msg = {.header = {.request = request, .flags = flags, .size = (uint32_t)size}};

    ck_assert_uint_le(size, sizeof(msg.payload));
    if (size) {
        memcpy(msg.payload, payload, size);
    }
    front_end_write(fe, &msg, sizeof(msg.header) + size, fds, nr_fds);
}

size_t front_end_reply(struct front_end *fe, uint32_t request, union vhost_payload *payload,
                       int *fd)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct vhost_header h;
    struct iovec iov = {.iov_base = &h, .iov_len = sizeof(h)};
    struct msghdr hdr = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *m;

    fd_await(fe->fd);
    ck_assert_int_eq(recvmsg(fe->fd, &hdr, MSG_WAITALL | MSG_CMSG_CLOEXEC), sizeof(h));
    ck_assert_uint_eq(h.request, request);
    ck_assert_uint_eq(h.flags, VHOST_VERSION | VHOST_FLAG_REPLY);
    ck_assert_uint_le(h.size, sizeof(*payload));
    ck_assert_int_eq(recv(fe->fd, payload, h.size, MSG_WAITALL), h.size);
    m = CMSG_FIRSTHDR(&hdr);
    if (fd) {
        *fd = -1;
    }
    if (m) {
        ck_assert_ptr_nonnull(fd);
        memcpy(fd, CMSG_DATA(m), sizeof(*fd));
    }
    return h.size;
}

void front_end_ack(struct front_end *fe, uint32_t request)
{
    union vhost_payload payload;

    if (fe->acks) {
        ck_assert_uint_eq(front_end_reply(fe, request, &payload, NULL), sizeof(payload.u64));
        ck_assert_msg(payload.u64 == 0, "request %u is refused", request);
    }
}

void front_end_ask(struct front_end *fe, uint32_t request, const void *payload, size_t size,
                   const int *fds, unsigned nr_fds)
{
    front_end_send(fe, request, VHOST_VERSION | (fe->acks ? VHOST_FLAG_NEED_ACK : 0), payload, size,
                   fds, nr_fds);
}

void front_end_set(struct front_end *fe, uint32_t request, const void *payload, size_t size,
                   const int *fds, unsigned nr_fds)
{
    front_end_ask(fe, request, payload, size, fds, nr_fds);
    front_end_ack(fe, request);
}

void front_end_set_u64(struct front_end *fe, uint32_t request, uint64_t value)
{
    front_end_set(fe, request, &value, sizeof(value), NULL, 0);
}

uint64_t front_end_get_u64(struct front_end *fe, uint32_t request)
{
    union vhost_payload payload;

    front_end_ask(fe, request, NULL, 0, NULL, 0);
    ck_assert_uint_eq(front_end_reply(fe, request, &payload, NULL), sizeof(payload.u64));
    return payload.u64;
}

void front_end_await_end(struct front_end *fe)
{
    char byte[256];
    ssize_t n;

    do {
        fd_await(fe->fd);
        n = recv(fe->fd, byte, sizeof(byte), 0);
    } while (n > 0);
    ck_assert(n == 0 || errno == ECONNRESET);
    front_end_hang_up(fe);
}

/* --- set-up --- */

void front_end_negotiate(struct front_end *fe)
{
    uint64_t features = front_end_get_u64(fe, VHOST_GET_FEATURES);
    uint64_t protocol = front_end_get_u64(fe, VHOST_GET_PROTOCOL_FEATURES);

    front_end_set_u64(fe, VHOST_SET_PROTOCOL_FEATURES, protocol);
    fe->acks = protocol & BIT(VHOST_PROTOCOL_REPLY_ACK);
    front_end_set(fe, VHOST_SET_OWNER, NULL, 0, NULL, 0);
    if (!fe->event_idx) {
        features &= ~BIT(VIRTIO_RING_F_EVENT_IDX);
    }
    if (!fe->packed) {
        features &= ~BIT(VIRTIO_F_RING_PACKED);
    }
    front_end_set_u64(fe, VHOST_SET_FEATURES, features);
}

/* The addresses of the front end are those of this process, and differ from the guest's. */
struct vhost_region front_end_region(const struct front_end *fe, unsigned i)
{
    return (struct vhost_region){
        .gpa = fe->drv[i].gpa,
        .size = FAKE_MEMORY_SIZE,
        .user_addr = (uintptr_t)fe->drv[i].mem,
    };
}

size_t front_end_table(const struct front_end *fe, struct vhost_mem_table *table)
{
    *table = (struct vhost_mem_table){.nr = fe->nr_rings};
    for (unsigned i = 0; i < fe->nr_rings; i++) {
        table->regions[i] = front_end_region(fe, i);
    }
    return offsetof(struct vhost_mem_table, regions) + fe->nr_rings * sizeof(table->regions[0]);
}

void front_end_set_memory(struct front_end *fe)
{
    struct vhost_mem_table table;
    size_t size = front_end_table(fe, &table);

    front_end_set(fe, VHOST_SET_MEM_TABLE, &table, size, fe->mem_fd, fe->nr_rings);
}

void front_end_add_memory(struct front_end *fe, unsigned i)
{
    struct vhost_mem_reg reg = {.region = front_end_region(fe, i)};

    front_end_set(fe, VHOST_ADD_MEM_REG, &reg, sizeof(reg), &fe->mem_fd[i], 1);
}

void front_end_remove_memory(struct front_end *fe, unsigned i)
{
    struct vhost_mem_reg reg = {.region = front_end_region(fe, i)};

    front_end_set(fe, VHOST_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
}

static uint64_t user_addr(const struct front_end *fe, unsigned i, uint64_t gpa)
{
    return (uintptr_t)fe->drv[i].mem + (gpa - fe->drv[i].gpa);
}

struct vhost_vring_addr front_end_addr(const struct front_end *fe, unsigned i)
{
    const struct fake_driver *d = &fe->drv[i];

    return (struct vhost_vring_addr){
        .index = i,
        .desc = user_addr(fe, i, d->desc_gpa),
        .avail = user_addr(fe, i, d->avail_gpa),
        .used = user_addr(fe, i, d->used_gpa),
    };
}

static void set_state(struct front_end *fe, uint32_t request, unsigned i, uint32_t num)
{
    const struct vhost_vring_state state = {.index = i, .num = num};

    front_end_set(fe, request, &state, sizeof(state), NULL, 0);
}

void front_end_set_kick(struct front_end *fe, unsigned i)
{
    uint64_t index = i;

    front_end_set(fe, VHOST_SET_VRING_KICK, &index, sizeof(index), &fe->drv[i].kick_fd, 1);
}

void front_end_set_call(struct front_end *fe, unsigned i, int fd)
{
    uint64_t value = fd < 0 ? i | VHOST_RING_NO_FD : i;

    front_end_set(fe, VHOST_SET_VRING_CALL, &value, sizeof(value), &fd, fd >= 0);
}

void front_end_enable(struct front_end *fe, unsigned i, bool enable)
{
    set_state(fe, VHOST_SET_VRING_ENABLE, i, enable);
}

void front_end_set_ring(struct front_end *fe, unsigned i)
{
    const struct vhost_vring_addr addr = front_end_addr(fe, i);

    set_state(fe, VHOST_SET_VRING_NUM, i, fe->drv[i].size);
    set_state(fe, VHOST_SET_VRING_BASE, i, fe->base[i]);
    front_end_set(fe, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
    front_end_set_call(fe, i, fe->drv[i].call_fd);
}

void front_end_start_ring(struct front_end *fe, unsigned i)
{
    front_end_set_ring(fe, i);
    front_end_set_kick(fe, i);
    front_end_enable(fe, i, true);
}

void front_end_stop_ring(struct front_end *fe, unsigned i)
{
    const struct vhost_vring_state ask = {.index = i};
    union vhost_payload payload;

    front_end_ask(fe, VHOST_GET_VRING_BASE, &ask, sizeof(ask), NULL, 0);
    ck_assert_uint_eq(front_end_reply(fe, VHOST_GET_VRING_BASE, &payload, NULL),
                      sizeof(payload.state));
    ck_assert_uint_eq(payload.state.index, i);
    fe->base[i] = payload.state.num;
}

void front_end_go_live(struct front_end *fe, const char *path)
{
    front_end_connect(fe, path);
    front_end_negotiate(fe);
    front_end_set_memory(fe);
    if (fe->inflight_fd >= 0) {
        front_end_set_record(fe);
    }
    for (unsigned i = 0; i < fe->nr_rings; i++) {
        front_end_start_ring(fe, i);
    }
}

/* --- the record, and requests of the back end --- */

void front_end_get_record(struct front_end *fe, unsigned entries)
{
    const struct vhost_inflight ask = {.num_queues = (uint16_t)fe->nr_rings,
                                       .queue_size = (uint16_t)entries};
    union vhost_payload payload;

    front_end_ask(fe, VHOST_GET_INFLIGHT_FD, &ask, sizeof(ask), NULL, 0);
    ck_assert_uint_eq(front_end_reply(fe, VHOST_GET_INFLIGHT_FD, &payload, &fe->inflight_fd),
                      sizeof(ask));
    ck_assert_int_ge(fe->inflight_fd, 0);
    fe->inflight = payload.inflight;
}

void front_end_set_record(struct front_end *fe)
{
    front_end_set(fe, VHOST_SET_INFLIGHT_FD, &fe->inflight, sizeof(fe->inflight), &fe->inflight_fd,
                  1);
}

void front_end_set_backend(struct front_end *fe)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    front_end_set(fe, VHOST_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
    close(pair[1]);
    fe->backend_fd = pair[0];
}

uint32_t front_end_await_request(struct front_end *fe)
{
    struct vhost_header h;

    fd_await(fe->backend_fd);
    ck_assert_int_eq(recv(fe->backend_fd, &h, sizeof(h), MSG_WAITALL), sizeof(h));
    ck_assert_uint_eq(h.flags, VHOST_VERSION);
    ck_assert_uint_eq(h.size, 0);
    return h.request;
}

/* --- the driver --- */

uint16_t front_end_reap(struct front_end *fe, unsigned i)
{
    fake_driver_await(&fe->drv[i], 1);
    return fe->drv[i].last;
}

uint8_t front_end_do(struct front_end *fe, unsigned i, uint16_t head)
{
    uint8_t status;

    fake_driver_kick(&fe->drv[i], head);
    ck_assert_uint_eq(front_end_reap(fe, i), head);
    status = fake_driver_status(&fe->drv[i], head);
    fake_driver_release(&fe->drv[i], head);
    return status;
}
