// SPDX-License-Identifier: MIT
/*
 * A vhost-user session under a front end that breaks rules: messages that are valid but for what an
 * operation changes in the next one, and a driver on the rings that is as in fuzz_blk.
 *
 * After each message: the session goes on, or ends with an error that has one line; a message that
 * asks for a reply gets one and no other does. At the end no descriptor is left open, no memory is
 * mapped, and another front end finds a device that works.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/device.h"
#include "vhost/session.h"

enum code {
    /* messages */
    FEATURES,
    PROTOCOL,
    MEM_TABLE,
    ADD_REGION,
    REMOVE_REGION,
    RING, /* size, addresses, base and descriptors */
    NUM,
    ADDR,
    BASE,
    GET_BASE,
    KICK_FD,
    CALL_FD,
    ERR_FD,
    ENABLE,
    BACKEND_FD,
    GET_CONFIG,
    SET_CONFIG,
    GET_INFLIGHT,
    SET_INFLIGHT,
    STATUS,
    SIMPLE,
    CHANGE, /* the next message is not as it should be */
    /* the driver, the disk and the host */
    REQUEST,
    REQUEST_AND_KICK,
    KICK,
    STEP,
    STEP_POLLING,
    BREAK,
    HOLD,
    ANSWER,
    CUT,
    CONFIG_CHANGED,
    HANG_UP,
    NR_CODES,
};

#define BIT(n)      (UINT64_C(1) << (n))
#define EXTRA_SIZE  0x4000 /* of a memory file that can be cut */
#define EXTRA_GPA   0x100000
#define USER(i)     (0x7f0000000000 + (i)*0x100000)
#define EXTRA       3 /* its index, behind the regions of the guest */
#define FDS_LOOKED  256
#define REPLIES_MAX 4096

#define ALL_PROTOCOL                                                                               \
    (BIT(VHOST_PROTOCOL_MQ) | BIT(VHOST_PROTOCOL_REPLY_ACK) | BIT(VHOST_PROTOCOL_BACKEND_REQ) |    \
     BIT(VHOST_PROTOCOL_CONFIG) | BIT(VHOST_PROTOCOL_INFLIGHT_SHMFD) |                             \
     BIT(VHOST_PROTOCOL_RESET_DEVICE) | BIT(VHOST_PROTOCOL_CONFIGURE_MEM_SLOTS) |                  \
     BIT(VHOST_PROTOCOL_STATUS))

struct message {
    struct vhost_header header;
    union vhost_payload payload;
    int fds[VHOST_FDS_MAX + 2];
    unsigned nr_fds;
};

/* Open for ever; the session gets copies of them. */
static struct {
    int kick[DEVICE_QUEUES], call, wake, pipe[2], backend[2], null;
} host;

static struct {
    struct fuzz_device *f;
    struct vhost_memory memory;
    struct vhost_session *session;
    int fd;         /* the front end's socket */
    bool lost_step; /* a message was not as long as it said: no reply can be expected */
    uint64_t features, protocol;
    int extra_fd, inflight_fd; /* -1: none */
    struct vhost_inflight inflight;
    struct fuzz_op change;
    bool has_change;
    struct error why; /* the session ended last */
} t;

/* --- the connection --- */

static void connect_session(void)
{
    int pair[2], ret;

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
               "socketpair");
    ret = vhost_session_new(pair[0], t.f->dev, &t.memory, host.wake, &t.session);
    FUZZ_CHECK(ret == 0, "%d", ret);
    t.fd = pair[1];
    t.features = t.protocol = 0;
    t.lost_step = false;
}

static void disconnect(void)
{
    vhost_session_free(t.session);
    close(t.fd);
    FUZZ_CHECK(t.memory.nr == 0 && t.memory.guest.nr == 0, "%u regions are mapped", t.memory.nr);
}

static void reconnect(void)
{
    disconnect();
    connect_session();
}

/* Return: whether the session goes on; otherwise there is a new one. */
static bool ended(int ret, const struct error *err)
{
    if (ret == 0) {
        return false;
    }
    FUZZ_CHECK(ret < 0, "%d", ret);
    FUZZ_CHECK(ret == -ECONNRESET || (err->msg[0] && !strchr(err->msg, '\n')), "%d: \"%s\"", ret,
               err->msg);
    t.why = *err;
    reconnect();
    return true;
}

static bool look_around(void)
{
    struct error err = {.msg = ""};
    char drop[4096];
    eventfd_t n;

    while (recv(host.backend[1], drop, sizeof(drop), MSG_DONTWAIT) > 0) {
    }
    eventfd_read(host.wake, &n);
    return ended(vhost_session_check(t.session, &err), &err);
}

static void keep_inflight(const struct vhost_inflight *f, int fd)
{
    if (t.inflight_fd >= 0) {
        close(t.inflight_fd);
    }
    t.inflight_fd = fd;
    t.inflight = *f;
}

/* Return: how many replies have come; each is one of @request. */
static unsigned take_replies(uint32_t request, uint64_t *value)
{
    static char data[REPLIES_MAX];
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {data, sizeof(data)};
    struct msghdr hdr = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(t.fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct vhost_header h;
    unsigned n = 0;
    int fd = -1;

    *value = 0;
    if (size <= 0) {
        return 0;
    }
    if (CMSG_FIRSTHDR(&hdr)) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
    }
    for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof(h) + h.size)) {
        FUZZ_CHECK(size - at >= (ssize_t)sizeof(h), "half a reply");
        memcpy(&h, data + at, sizeof(h));
        FUZZ_CHECK(h.size <= size - at - sizeof(h), "a reply of %u bytes", h.size);
        FUZZ_CHECK(h.flags == (VHOST_VERSION | VHOST_FLAG_REPLY), "flags 0x%x", h.flags);
        FUZZ_CHECK(t.lost_step || h.request == request, "a reply to %u, not to %u", h.request,
                   request);
        if (h.size == sizeof(*value)) {
            memcpy(value, data + at + sizeof(h), sizeof(*value));
        }
        if (h.request == VHOST_GET_INFLIGHT_FD && fd >= 0) {
            struct vhost_inflight f = {0};

            memcpy(&f, data + at + sizeof(h), h.size < sizeof(f) ? h.size : sizeof(f));
            keep_inflight(&f, fd);
            fd = -1;
        }
        n++;
    }
    FUZZ_CHECK(fd < 0, "a descriptor with a reply to %u", request);
    return n;
}

/* --- messages --- */

static bool replies_by_itself(uint32_t request)
{
    switch (request) {
    case VHOST_GET_FEATURES:
    case VHOST_GET_VRING_BASE:
    case VHOST_GET_PROTOCOL_FEATURES:
    case VHOST_GET_QUEUE_NUM:
    case VHOST_GET_CONFIG:
    case VHOST_GET_INFLIGHT_FD:
    case VHOST_GET_MAX_MEM_SLOTS:
    case VHOST_GET_STATUS:
        return true;
    default:
        return false;
    }
}

static int some_fd(unsigned i)
{
    const int fds[] = {host.kick[0],      host.call,    host.pipe[0],      host.null,
                       t.f->guest.fds[0], t.extra_fd,   t.f->guest.fds[1], host.backend[0],
                       host.pipe[1],      host.kick[1], t.f->guest.fds[2]};

    return fds[i % (sizeof(fds) / sizeof(fds[0]))];
}

static uint64_t edge(uint32_t c)
{
    static const uint64_t edges[] = {
        0,  1,  UINT64_MAX, 0x1000,     0xfff,   UINT32_MAX, INT64_MAX, UINT64_MAX - 0xfff,
        64, 65, GUEST_GPA,  EXTRA_SIZE, BIT(63), 256,        8,         0x80008000};

    return c & 0x80 ? c >> 8 : edges[c % (sizeof(edges) / sizeof(edges[0]))];
}

/* @a: what is changed. @b: where. @c: to what. */
static void change(struct message *m)
{
    const struct fuzz_op *op = &t.change;
    uint64_t value = edge(op->c);
    unsigned size = 1u << (op->b >> 14), at = op->b % sizeof(m->payload);

    switch (op->a % 8) {
    case 0:
    case 1: /* a field: a word */
    case 2:
        at = at % (m->header.size + 8) & ~(size - 1);
        memcpy((char *)&m->payload + (at > sizeof(m->payload) - 8 ? 0 : at), &value, size);
        break;
    case 3:
        m->header.size = (uint32_t)(op->b & 1 ? m->header.size + op->c % 16 - 8 : value);
        break;
    case 4:
        m->nr_fds = op->b % (VHOST_FDS_MAX + 3);
        for (unsigned i = 0; i < m->nr_fds; i++) {
            m->fds[i] = some_fd(op->c + i);
        }
        break;
    case 5:
        m->fds[op->b % (m->nr_fds + 1)] = some_fd(op->c);
        break;
    case 6:
        m->header.flags ^= 1u << (op->b % 4 ? 3 : op->c % 32);
        break;
    default:
        m->header.request = op->b & 1 ? op->c % 44 : op->c;
        break;
    }
}

static void send_bytes(const char *data, size_t size, const int *fds, unsigned nr_fds)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * (VHOST_FDS_MAX + 2))];
    } control = {.space = {0}};
    struct iovec iov = {(void *)data, size};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (nr_fds) {
        struct cmsghdr *c = (struct cmsghdr *)&control;

        hdr.msg_control = &control;
        hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nr_fds);
    }
    n = sendmsg(t.fd, &hdr, MSG_NOSIGNAL);
    FUZZ_CHECK(n == (ssize_t)size, "sent %zd of %zu", n, size);
}

/* Return: did it do what it should, as far as the front end can see? */
static bool send_message(struct message *m)
{
    static char wire[sizeof(m->header) + sizeof(m->payload)];
    size_t size = sizeof(m->header) + m->header.size;
    struct error err = {.msg = ""};
    uint64_t value;
    unsigned replies;
    bool acks;
    int ret;

    m->header.flags |= VHOST_VERSION;
    if (t.has_change) {
        change(m);
    }
    memcpy(wire, &m->header, sizeof(m->header));
    memcpy(wire + sizeof(m->header), &m->payload, sizeof(m->payload));
    if (t.has_change) {
        t.has_change = false;
        if (t.change.a & 0x80) { /* the session sees the first part of it */
            size_t part = t.change.c % size;

            if (part) {
                send_bytes(wire, part, m->fds, m->nr_fds);
                if (ended(vhost_session_receive(t.session, &err), &err)) {
                    return false;
                }
                send_bytes(wire + part, size - part, NULL, 0);
                size = 0;
            }
        }
        t.lost_step |= t.change.a % 8 == 3;
    }
    if (size) {
        send_bytes(wire, size, m->fds, m->nr_fds);
    }
    acks = (m->header.flags & VHOST_FLAG_NEED_ACK) &&
           (t.protocol & BIT(VHOST_PROTOCOL_REPLY_ACK)) && !replies_by_itself(m->header.request);
    ret = vhost_session_receive(t.session, &err);
    replies = take_replies(m->header.request, &value);
    if (ended(ret, &err)) {
        return false;
    }
    if (!t.lost_step) {
        FUZZ_CHECK(replies == (acks || replies_by_itself(m->header.request)),
                   "request %u has %u replies", m->header.request, replies);
        FUZZ_CHECK(!acks || value == 0, "request %u fails, and the session goes on",
                   m->header.request);
        if (m->header.request == VHOST_SET_PROTOCOL_FEATURES) {
            t.protocol = m->payload.u64;
        }
        if (m->header.request == VHOST_SET_FEATURES) {
            t.features = m->payload.u64;
        }
    }
    return !look_around();
}

static bool send_u64(uint32_t request, uint64_t value)
{
    struct message m = {.header = {.request = request, .size = sizeof(value)}};

    m.payload.u64 = value;
    return send_message(&m);
}

static bool send_state(uint32_t request, uint32_t index, uint32_t num)
{
    struct message m = {.header = {.request = request, .size = sizeof(m.payload.state)}};

    m.payload.state = (struct vhost_vring_state){index, num};
    return send_message(&m);
}

static bool send_fd(uint32_t request, unsigned i, int fd)
{
    struct message m = {.header = {.request = request, .size = sizeof(uint64_t)}};

    m.payload.u64 = i | (fd < 0 ? VHOST_RING_NO_FD : 0);
    m.fds[0] = fd;
    m.nr_fds = fd >= 0;
    return send_message(&m);
}

static bool send_features(const struct fuzz_op *op)
{
    uint64_t features = (t.f->dev->device_features & ~BIT(VIRTIO_BLK_F_CONFIG_WCE)) |
                        BIT(VHOST_F_PROTOCOL_FEATURES);

    features &= op->a & 1 ? UINT64_MAX : ~BIT(VIRTIO_F_RING_PACKED);
    features &= op->a & 2 ? UINT64_MAX : ~BIT(VIRTIO_RING_F_EVENT_IDX);
    features &= op->a & 4 ? ~BIT(VIRTIO_RING_F_INDIRECT_DESC) : UINT64_MAX;
    features &= op->a & 8 ? ~BIT(VHOST_F_PROTOCOL_FEATURES) : UINT64_MAX;
    return send_u64(VHOST_SET_FEATURES, features);
}

static struct vhost_region region_of(unsigned i)
{
    struct vhost_region r = {.gpa = EXTRA_GPA, .size = EXTRA_SIZE, .user_addr = USER(i)};

    if (i < EXTRA) {
        r.gpa = guest_regions[i].gpa;
        r.size = guest_regions[i].size;
    }
    return r;
}

static int fd_of(unsigned i)
{
    return i < EXTRA ? t.f->guest.fds[i] : t.extra_fd;
}

static bool send_table(unsigned n)
{
    struct message m = {
        .header = {.request = VHOST_SET_MEM_TABLE,
                   .size = (uint32_t)(8 + n * sizeof(struct vhost_region))},
        .nr_fds = n,
    };

    m.payload.table.nr = n;
    for (unsigned i = 0; i < n; i++) {
        m.payload.table.regions[i] = region_of(i);
        m.fds[i] = fd_of(i);
    }
    return send_message(&m);
}

static bool send_region(uint32_t request, unsigned i)
{
    struct message m = {.header = {.request = request, .size = sizeof(m.payload.region)}};

    m.payload.region.region = region_of(i);
    m.fds[0] = fd_of(i);
    m.nr_fds = request == VHOST_ADD_MEM_REG;
    return send_message(&m);
}

static bool send_addr(unsigned i)
{
    const struct fuzz_driver *d = &t.f->drv[i];
    struct message m = {
        .header = {.request = VHOST_SET_VRING_ADDR, .size = sizeof(m.payload.addr)}};
    uint64_t offset = USER(0) - GUEST_GPA;

    m.payload.addr = (struct vhost_vring_addr){
        .index = i, .desc = d->desc + offset, .avail = d->avail + offset, .used = d->used + offset};
    return send_message(&m);
}

static bool send_config(uint32_t request, const struct fuzz_op *op)
{
    struct message m = {.header = {.request = request}};
    unsigned size = 1 + op->b % VHOST_CONFIG_MAX;

    m.payload.config.offset = op->a % (VHOST_CONFIG_MAX + 1 - size);
    m.payload.config.size = size;
    memset(m.payload.config.data, (int)op->c, size);
    m.header.size = VHOST_CONFIG_HEADER + size;
    return send_message(&m);
}

static bool send_inflight(uint32_t request, const struct fuzz_op *op)
{
    struct message m = {.header = {.request = request, .size = VHOST_INFLIGHT_SIZE}};

    m.header.size += op->a & 1 ? 4 : 0;
    m.payload.inflight = (struct vhost_inflight){.num_queues = (uint16_t)t.f->dev->nr_queues,
                                                 .queue_size = op->a & 2 ? (uint16_t)(op->b % 300)
                                                                         : DEVICE_QUEUE_SIZE};
    if (request == VHOST_SET_INFLIGHT_FD) {
        m.payload.inflight = t.inflight;
        m.fds[0] = t.inflight_fd >= 0 ? t.inflight_fd : t.extra_fd;
        m.nr_fds = 1;
    }
    return send_message(&m);
}

/* A ring as a driver sets it up: empty, the descriptors behind. @a: no kick descriptor. @b: size */
static bool send_ring(unsigned i, const struct fuzz_op *op)
{
    static const uint16_t sizes[] = {64, 4, 1, 2, 8, 16, 32, 5};
    bool packed = t.features & BIT(VIRTIO_F_RING_PACKED);
    uint16_t size = sizes[op->b % 8];

    size = packed || !(size & (size - 1)) ? size : 64;
    if (!send_state(VHOST_GET_VRING_BASE, i, 0)) {
        return false;
    }
    driver_reset(&t.f->drv[i], &t.f->guest, i * 0x1000, size, packed,
                 t.features & BIT(VIRTIO_RING_F_EVENT_IDX),
                 t.features & BIT(VIRTIO_RING_F_INDIRECT_DESC));
    return send_state(VHOST_SET_VRING_NUM, i, size) &&
           send_state(VHOST_SET_VRING_BASE, i, packed ? 0x80008000 : 0) && send_addr(i) &&
           send_fd(VHOST_SET_VRING_KICK, i, op->a & 1 ? -1 : host.kick[i]) &&
           send_fd(VHOST_SET_VRING_CALL, i, op->a & 2 ? -1 : host.call) &&
           send_state(VHOST_SET_VRING_ENABLE, i, 1);
}

static bool send_simple(const struct fuzz_op *op)
{
    static const uint32_t requests[] = {
        VHOST_GET_FEATURES, VHOST_GET_PROTOCOL_FEATURES, VHOST_GET_QUEUE_NUM, VHOST_SET_OWNER,
        VHOST_RESET_DEVICE, VHOST_GET_MAX_MEM_SLOTS,     VHOST_GET_STATUS,    VHOST_RESET_OWNER};
    struct message m = {.header = {.request = requests[op->a % 8]}};

    return send_message(&m);
}

static bool send_backend(void)
{
    struct message m = {
        .header = {.request = VHOST_SET_BACKEND_REQ_FD}, .fds = {host.backend[0]}, .nr_fds = 1};

    return send_message(&m);
}

/* --- steps --- */

static void kick(void *opaque, unsigned i)
{
    eventfd_write(host.kick[i], 1);
}

/* The file of the extra region, or of the record, ends earlier. */
static void cut(const struct fuzz_op *op)
{
    if (ftruncate(op->a & 1 && t.inflight_fd >= 0 ? t.inflight_fd : t.extra_fd,
                  op->b % EXTRA_SIZE) < 0) {
        /* the record is sealed */
    }
}

static void step(const struct fuzz_op *op)
{
    struct fuzz_device *f = t.f;
    unsigned i = (op->c >> 31) % f->dev->nr_queues;
    bool polled = op->a & 1;

    switch (op->code % NR_CODES) {
    case FEATURES:
        send_features(op);
        break;
    case PROTOCOL:
        send_u64(VHOST_SET_PROTOCOL_FEATURES, op->a & 1 ? op->b & ALL_PROTOCOL : ALL_PROTOCOL);
        break;
    case MEM_TABLE:
        send_table(1 + op->a % (EXTRA + 1));
        break;
    case ADD_REGION:
        send_region(VHOST_ADD_MEM_REG, op->a % (EXTRA + 1));
        break;
    case REMOVE_REGION:
        send_region(VHOST_REM_MEM_REG, op->a % (EXTRA + 1));
        break;
    case RING:
        send_ring(i, op);
        break;
    case NUM:
        send_state(VHOST_SET_VRING_NUM, i, op->b);
        break;
    case ADDR:
        send_addr(i);
        break;
    case BASE:
        send_state(VHOST_SET_VRING_BASE, i, op->a & 1 ? op->c & INT32_MAX : op->b);
        break;
    case GET_BASE:
        send_state(VHOST_GET_VRING_BASE, i, 0);
        break;
    case KICK_FD:
        send_fd(VHOST_SET_VRING_KICK, i, polled ? -1 : host.kick[i]);
        break;
    case CALL_FD:
        send_fd(VHOST_SET_VRING_CALL, i, polled ? -1 : host.call);
        break;
    case ERR_FD:
        send_fd(VHOST_SET_VRING_ERR, i, polled ? -1 : host.call);
        break;
    case ENABLE:
        send_state(VHOST_SET_VRING_ENABLE, i, op->a & 1);
        break;
    case BACKEND_FD:
        send_backend();
        break;
    case GET_CONFIG:
        send_config(VHOST_GET_CONFIG, op);
        break;
    case SET_CONFIG:
        send_config(VHOST_SET_CONFIG, op);
        break;
    case GET_INFLIGHT:
        send_inflight(VHOST_GET_INFLIGHT_FD, op);
        break;
    case SET_INFLIGHT:
        send_inflight(VHOST_SET_INFLIGHT_FD, op);
        break;
    case STATUS:
        send_u64(VHOST_SET_STATUS, op->a & 0xf);
        break;
    case SIMPLE:
        send_simple(op);
        break;
    case CHANGE:
        t.change = *op;
        t.has_change = true;
        break;
    case REQUEST:
        device_request(f, i, op);
        break;
    case REQUEST_AND_KICK:
        device_request(f, i, op);
        kick(NULL, i);
        break;
    case KICK:
        kick(NULL, i);
        break;
    case STEP:
        device_step(f, false);
        look_around();
        break;
    case STEP_POLLING:
        device_step(f, true);
        look_around();
        break;
    case BREAK:
        driver_break(&f->drv[i], op);
        break;
    case HOLD:
        f->hold = op->a & 1;
        break;
    case ANSWER:
        device_answer(f, op->a);
        break;
    case CUT:
        cut(op);
        break;
    case CONFIG_CHANGED:
        virtio_config_changed(f->dev);
        look_around();
        break;
    default:
        reconnect();
        break;
    }
}

/* A front end by the rules. @op: as for send_features() */
static void set_up(const struct fuzz_op *op)
{
    struct fuzz_op by_rule = {.a = op->a & 7};
    bool good = send_features(&by_rule) && send_u64(VHOST_SET_PROTOCOL_FEATURES, ALL_PROTOCOL) &&
                send_backend() && send_table(EXTRA);

    for (unsigned i = 0; i < t.f->dev->nr_queues; i++) {
        good = good && send_ring(i, &(struct fuzz_op){.a = op->a >> 4});
    }
    FUZZ_CHECK(good, "a front end by the rules is not served: %s", t.why.msg);
}

/* --- a run --- */

static void open_host(void)
{
    if (host.call) {
        return;
    }
    host.call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    host.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    host.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
        host.kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    FUZZ_CHECK(host.call > 0 && host.wake > 0 && host.null > 0 &&
                   pipe2(host.pipe, O_CLOEXEC) == 0 &&
                   socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, host.backend) == 0,
               "descriptors");
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < FDS_LOOKED; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static void run(const uint8_t *data, size_t size)
{
    static const struct fuzz_op plain = {.a = 0};
    struct fuzz_op ops[FUZZ_OPS_MAX];
    unsigned n = fuzz_ops(data, size, ops), before;

    open_host();
    t.f = device_init(n ? &ops[0] : &plain);
    device_memory(t.f, &t.memory.guest);
    before = open_fds();
    t.extra_fd = memfd_create("extra", MFD_CLOEXEC);
    t.inflight_fd = -1;
    t.inflight =
        (struct vhost_inflight){.mmap_size = EXTRA_SIZE, .num_queues = 1, .queue_size = 64};
    t.has_change = false;
    FUZZ_CHECK(t.extra_fd >= 0 && ftruncate(t.extra_fd, EXTRA_SIZE) == 0, "memfd");
    connect_session();
    for (unsigned i = 0; i < t.f->dev->nr_queues; i++) {
        driver_reset(&t.f->drv[i], &t.f->guest, i * 0x1000, DEVICE_QUEUE_SIZE, false, false, false);
    }
    if (n > 1 && (ops[1].a & 0x80)) {
        set_up(&ops[1]);
    }
    for (unsigned i = 2; i < n; i++) {
        step(&ops[i]);
    }
    t.has_change = false;
    device_settle(t.f);
    reconnect();
    set_up(&plain);
    for (unsigned i = 0; i < t.f->dev->nr_queues; i++) {
        device_works(t.f, i, kick, NULL);
    }
    disconnect();
    close(t.extra_fd);
    if (t.inflight_fd >= 0) {
        close(t.inflight_fd);
    }
    FUZZ_CHECK(open_fds() == before, "%u descriptors before, %u after", before, open_fds());
    device_end(t.f);
}

/* --- inputs --- */

#define LIFE(device, live)                                                                         \
    {.a = (device)}, {.a = (live)}, {FEATURES, (live)&7}, {PROTOCOL}, {GET_INFLIGHT},              \
        {SET_INFLIGHT}, {MEM_TABLE, 2}, {RING}, {REQUEST_AND_KICK, 0, 1, 1}, {STEP},               \
        {ADD_REGION, 3}, {HOLD, 1}, {REQUEST_AND_KICK, 1, 0x41, 9}, {STEP}, {CHANGE, 6, 1},        \
        {GET_BASE}, {KICK_FD}, {ENABLE, 1}, {BACKEND_FD}, {CONFIG_CHANGED}, {GET_CONFIG, 0, 59},   \
        {REMOVE_REGION, 3}, {STATUS}, {CHANGE, 6, 1}, {RING, 1}, {REQUEST, 0, 1}, {HANG_UP},       \
        {FEATURES, (live)&7}, {SIMPLE, 4},                                                         \
    {                                                                                              \
        CALL_FD                                                                                    \
    }

static const struct fuzz_op seeds[][30] = {
    {LIFE(0, 0)}, {LIFE(7, 0x82)}, {LIFE(3, 0x91)}, {LIFE(15, 3)}};

const struct fuzz_target fuzz_target = {FUZZ_OPS(seeds, NR_CODES), .run = run};
