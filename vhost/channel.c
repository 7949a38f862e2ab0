// SPDX-License-Identifier: MIT
/* Messages of vhost-user with descriptors, on a stream socket. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost/channel.h"

void vhost_channel_init(struct vhost_channel *c, int fd)
{
    *c = (struct vhost_channel){.fd = fd};
}

void vhost_message_close_fds(struct vhost_message *msg)
{
    for (unsigned i = 0; i < msg->nr_fds; i++) {
        if (msg->fds[i] >= 0) {
            close(msg->fds[i]);
        }
    }
    msg->nr_fds = 0;
}

int vhost_message_take_fd(struct vhost_message *msg, unsigned i)
{
    int fd = msg->fds[i];

    msg->fds[i] = -1;
    return fd;
}

void vhost_channel_close(struct vhost_channel *c)
{
    vhost_message_close_fds(&c->msg);
    close(c->fd);
    c->fd = -1;
}

/* Return: 0, or -EPROTO: there are more than a message may have. */
static int take_fds(struct vhost_message *msg, struct msghdr *hdr, struct error *err)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(hdr); m; m = CMSG_NXTHDR(hdr, m)) {
        size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
            if (msg->nr_fds == VHOST_FDS_MAX) {
                close(fd);
                hdr->msg_flags |= MSG_CTRUNC;
            } else {
                msg->fds[msg->nr_fds++] = fd;
            }
        }
    }
    return hdr->msg_flags & MSG_CTRUNC
               ? error_set(err, -EPROTO, "a message has more than %d descriptors", VHOST_FDS_MAX)
               : 0;
}

/* Up to @size bytes to @to. Return: how many, 0 if none are there, -errno. */
static ssize_t receive(struct vhost_channel *c, void *to, size_t size, struct error *err)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * VHOST_FDS_MAX)];
    } control;
    struct iovec iov = {.iov_base = to, .iov_len = size};
    struct msghdr hdr = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    int ret;

    do {
        n = recvmsg(c->fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        ret = -errno;
        return ret == -EAGAIN ? 0 : error_set(err, ret, "cannot receive: %s", strerror(-ret));
    }
    if (n == 0) {
        return c->got ? error_set(err, -EPROTO, "the connection ended in the middle of a message")
                      : -ECONNRESET;
    }
    ret = take_fds(&c->msg, &hdr, err);
    return ret < 0 ? ret : n;
}

static int check_header(const struct vhost_header *h, struct error *err)
{
    if ((h->flags & VHOST_VERSION_MASK) != VHOST_VERSION || (h->flags & VHOST_FLAG_REPLY)) {
        return error_set(err, -EPROTO, "flags 0x%x are not those of a request of version 1",
                         h->flags);
    }
    if (h->size > sizeof(union vhost_payload)) {
        return error_set(err, -EPROTO, "request %u with %u bytes: none has so many", h->request,
                         h->size);
    }
    return 0;
}

int vhost_channel_receive(struct vhost_channel *c, struct error *err)
{
    const size_t header = sizeof(c->msg.header);

    if (c->got == 0) {
        memset(&c->msg, 0, sizeof(c->msg));
    }
    for (;;) {
        bool in_header = c->got < header;
        size_t left = in_header ? header - c->got : header + c->msg.header.size - c->got;
        char *to = in_header ? (char *)&c->msg.header + c->got
                             : (char *)&c->msg.payload + (c->got - header);
        ssize_t n;

        if (left == 0) {
            c->got = 0;
            return 1;
        }
        n = receive(c, to, left, err);
        if (n <= 0) {
            return (int)n;
        }
        c->got += (size_t)n;
        if (in_header && c->got == header) {
            int ret = check_header(&c->msg.header, err);

            if (ret < 0) {
                return ret;
            }
        }
    }
}

int vhost_channel_reply(struct vhost_channel *c, const void *payload, size_t size, int fd,
                        struct error *err)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct vhost_header header = {
        .request = c->msg.header.request,
        .flags = VHOST_VERSION | VHOST_FLAG_REPLY,
        .size = (uint32_t)size,
    };
    struct iovec iov[2] = {{.iov_base = &header, .iov_len = sizeof(header)},
                           {.iov_base = (void *)payload, .iov_len = size}};
    struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *m;

        hdr.msg_control = &control;
        hdr.msg_controllen = sizeof(control);
        m = CMSG_FIRSTHDR(&hdr);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(m), &fd, sizeof(fd));
    }
    do {
        n = sendmsg(c->fd, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        int ret = -errno;

        return ret == -EAGAIN ? error_set(err, ret, "the front end does not read its replies")
                              : error_set(err, ret, "cannot reply: %s", strerror(-ret));
    }
    return (size_t)n == sizeof(header) + size
               ? 0
               : error_set(err, -EAGAIN, "the front end does not read its replies");
}
