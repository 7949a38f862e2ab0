// SPDX-License-Identifier: MIT
#include "tests/unit/nbd-server.h"

#include <check.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OPT_ABORT       2
#define OPT_GO          7
#define REP_ACK         1
#define REP_INFO        3
#define REP_UNSUPPORTED 0x80000001u
#define INFO_EXPORT     0
#define INFO_BLOCK_SIZE 3
#define NBD_ESHUTDOWN   108

struct __attribute__((packed)) request {
    uint32_t magic;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t len;
};

struct __attribute__((packed)) reply {
    uint32_t magic, error;
    uint64_t cookie;
};

/* Return: false at the end of the connection or of the server. */
static bool receive(struct nbd_server *s, int fd, void *buf, size_t len)
{
    while (len) {
        struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->end_fd, .events = POLLIN}};
        ssize_t n;

        poll(fds, 2, -1);
        if (fds[1].revents) {
            return false;
        }
        n = recv(fd, buf, len, 0);
        if (n <= 0) {
            return false;
        }
        buf = (uint8_t *)buf + n;
        len -= (size_t)n;
    }
    return true;
}

static bool transmit(int fd, const void *buf, size_t len)
{
    return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void await_end(struct nbd_server *s, int fd)
{
    char byte;

    while (receive(s, fd, &byte, 1)) {
    }
}

static bool option_reply(int fd, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
    struct __attribute__((packed)) {
        uint64_t magic;
        uint32_t option, type, len;
    } head = {htobe64(0x3e889045565a9), htobe32(option), htobe32(type), htobe32(len)};

    return transmit(fd, &head, sizeof(head)) && (!len || transmit(fd, data, len));
}

static bool go(struct nbd_server *s, int fd, uint64_t size)
{
    struct __attribute__((packed)) {
        uint16_t info;
        uint64_t size;
        uint16_t flags;
    } export = {htobe16(INFO_EXPORT), htobe64(size), htobe16((uint16_t)s->export_flags)};
    uint32_t max = s->max_block ? s->max_block : 1 << 20;
    uint32_t preferred = s->min_block > 4096 ? s->min_block : max < 4096 ? max : 4096;
    struct __attribute__((packed)) {
        uint16_t info;
        uint32_t min, preferred, max;
    } block = {htobe16(INFO_BLOCK_SIZE), htobe32(s->min_block), htobe32(preferred), htobe32(max)};

    if (!option_reply(fd, OPT_GO, REP_INFO, &export, sizeof(export)) ||
        (s->min_block && !option_reply(fd, OPT_GO, REP_INFO, &block, sizeof(block)))) {
        return false;
    }
    return option_reply(fd, OPT_GO, REP_ACK, NULL, 0);
}

static bool handshake(struct nbd_server *s, int fd)
{
    struct __attribute__((packed)) {
        uint64_t magic, option_magic;
        uint16_t flags;
    } hello = {htobe64(0x4e42444d41474943), htobe64(0x49484156454f5054), htobe16(3)};
    uint32_t client_flags;
    bool smaller;

    pthread_mutex_lock(&s->lock);
    smaller = s->fault == FAULT_SMALLER && s->connections > 1;
    if (s->fault == FAULT_NO_WELCOME && s->connections > 1) {
        pthread_mutex_unlock(&s->lock);
        await_end(s, fd);
        return false;
    }
    pthread_mutex_unlock(&s->lock);
    if (!transmit(fd, &hello, sizeof(hello)) ||
        !receive(s, fd, &client_flags, sizeof(client_flags))) {
        return false;
    }
    for (;;) {
        struct __attribute__((packed)) {
            uint64_t magic;
            uint32_t option, len;
        } head;
        uint8_t data[4096];
        uint32_t option, len;

        if (!receive(s, fd, &head, sizeof(head))) {
            return false;
        }
        option = be32toh(head.option);
        len = be32toh(head.len);
        if (len > sizeof(data) || !receive(s, fd, data, len)) {
            return false;
        }
        if (option == OPT_GO) {
            return go(s, fd, smaller ? s->size / 2 : s->size);
        }
        if (option == OPT_ABORT || !option_reply(fd, option, REP_UNSUPPORTED, NULL, 0)) {
            return false;
        }
    }
}

/* Return: how this command is to be answered. */
static enum nbd_server_fault note(struct nbd_server *s, const struct nbd_server_command *c,
                                  uint32_t *error)
{
    enum nbd_server_fault fault = FAULT_NONE;

    pthread_mutex_lock(&s->lock);
    if (s->nr_commands < sizeof(s->commands) / sizeof(s->commands[0])) {
        s->commands[s->nr_commands++] = *c;
    }
    if (s->fault_after) {
        s->fault_after--;
    } else if (s->fault_times) {
        s->fault_times--;
        fault = s->fault;
    }
    *error = s->error;
    pthread_mutex_unlock(&s->lock);
    return fault;
}

static bool answer(struct nbd_server *s, int fd, const struct request *r, bool read,
                   const struct nbd_server_command *c)
{
    struct reply reply = {.magic = htobe32(0x67446698), .cookie = r->cookie};
    uint32_t error, len;

    switch (note(s, c, &error)) {
    case FAULT_NONE:
    case FAULT_UNASKED:
        break;
    case FAULT_CLOSE:
    case FAULT_SMALLER:
    case FAULT_NO_WELCOME:
        return false;
    case FAULT_COOKIE:
        reply.cookie ^= 0x55;
        break;
    case FAULT_MAGIC:
        reply.magic ^= 0x55;
        break;
    case FAULT_SHORT:
        transmit(fd, &reply, sizeof(reply));
        if (read) {
            transmit(fd, s->data, c->len / 2);
        }
        return false;
    case FAULT_SHUTDOWN:
        error = NBD_ESHUTDOWN;
        break;
    case FAULT_SILENCE:
        await_end(s, fd);
        return false;
    }
    reply.error = htobe32(error);
    len = read && !error ? c->len : 0;
    return transmit(fd, &reply, sizeof(reply)) && (!len || transmit(fd, s->data + c->offset, len));
}

static bool serve_command(struct nbd_server *s, int fd, unsigned connection)
{
    struct nbd_server_command c = {.connection = connection};
    struct request r;
    bool goes_on;

    if (!receive(s, fd, &r, sizeof(r))) {
        return false;
    }
    c.type = be16toh(r.type);
    c.flags = be16toh(r.flags);
    c.offset = be64toh(r.offset);
    c.len = be32toh(r.len);
    if (c.type == CMD_DISC || c.offset > NBD_SERVER_SIZE || c.len > NBD_SERVER_SIZE - c.offset ||
        (c.type == CMD_WRITE && !receive(s, fd, s->data + c.offset, c.len))) {
        return false;
    }
    if (c.type == CMD_TRIM || c.type == CMD_ZEROES) {
        memset(s->data + c.offset, 0, c.len);
    }
    goes_on = answer(s, fd, &r, c.type == CMD_READ, &c);
    pthread_mutex_lock(&s->lock);
    if (goes_on && s->fault == FAULT_UNASKED && s->fault_times == 0) {
        struct reply again = {.magic = htobe32(0x67446698), .cookie = r.cookie};

        s->fault = FAULT_NONE;
        transmit(fd, &again, sizeof(again));
    }
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

static void *server_main(void *opaque)
{
    struct nbd_server *s = opaque;

    for (;;) {
        struct pollfd fds[2] = {{.fd = s->listen_fd, .events = POLLIN},
                                {.fd = s->end_fd, .events = POLLIN}};
        unsigned connection;
        int fd;

        poll(fds, 2, -1);
        if (fds[1].revents) {
            return NULL;
        }
        fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&s->lock);
        connection = ++s->connections;
        pthread_mutex_unlock(&s->lock);
        if (handshake(s, fd)) {
            while (serve_command(s, fd, connection)) {
            }
        }
        close(fd);
    }
}

void nbd_server_init(struct nbd_server *s)
{
    memset(s, 0, sizeof(*s));
    s->size = NBD_SERVER_SIZE;
    s->export_flags = EXPORT_ALL;
    s->min_block = 1;
    pthread_mutex_init(&s->lock, NULL);
    strcpy(s->dir, "/tmp/pollux-nbd-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
    snprintf(s->uri, sizeof(s->uri), "nbd+unix:///?socket=%s", s->path);
}

void nbd_server_start(struct nbd_server *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    strcpy(addr.sun_path, s->path);
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(s->listen_fd, 8), 0);
    s->end_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void nbd_server_stop(struct nbd_server *s)
{
    ck_assert_int_eq(eventfd_write(s->end_fd, 1), 0);
    pthread_join(s->thread, NULL);
    close(s->end_fd);
    close(s->listen_fd);
    unlink(s->path);
}

void nbd_server_destroy(struct nbd_server *s)
{
    rmdir(s->dir);
    pthread_mutex_destroy(&s->lock);
}

void nbd_server_set_fault(struct nbd_server *s, enum nbd_server_fault fault, unsigned after,
                          unsigned times)
{
    pthread_mutex_lock(&s->lock);
    s->fault = fault;
    s->fault_after = after;
    s->fault_times = times;
    pthread_mutex_unlock(&s->lock);
}
