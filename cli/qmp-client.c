// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/plain-text.h"
#include "cli/qmp-client.h"

/* --- bytes --- */

/* Return: 0 when @fd is ready for @events, -EINTR, or -ETIMEDOUT and @err. */
static int wait_for(const struct qmp_connection *c, short events, uint64_t deadline,
                    struct error *err)
{
    struct pollfd fds[] = {{.fd = c->fd, .events = events}, {.fd = c->cancel_fd, .events = POLLIN}};

    for (;;) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        /* Also of a server that sends events without end. */
        if (now >= deadline) {
            return error_set(err, -ETIMEDOUT, "%s does not answer", c->path);
        }
        if (poll(fds, 2, (int)((deadline - now) / 1000000) + 1) > 0) {
            return fds[1].revents ? -EINTR : 0;
        }
    }
}

static int ended(const struct qmp_connection *c, struct error *err)
{
    if (*c->reason) {
        return error_set(err, -EPIPE, "the process of %s has ended: %s", c->path, c->reason);
    }
    return error_set(err, -EPIPE, "the process of %s has ended, or has closed the connection",
                     c->path);
}

static int grow(struct qmp_connection *c, struct error *err)
{
    size_t size = c->size ? 2 * c->size : 64 << 10;
    char *buf;

    if (c->size >= QMP_ANSWER_MAX) {
        return error_set(err, -EMSGSIZE, "%s sends a line of more than %u MiB", c->path,
                         QMP_ANSWER_MAX >> 20);
    }
    buf = realloc(c->buf, size);
    if (!buf) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    c->buf = buf;
    c->size = size;
    return 0;
}

/* The next line is at the start of c->buf, c->line bytes with its end, until the next call. */
static int read_line(struct qmp_connection *c, uint64_t deadline, struct error *err)
{
    memmove(c->buf, c->buf + c->line, c->used - c->line);
    c->used -= c->line;
    c->line = 0;
    c->seen = 0;
    for (;;) {
        const char *end = memchr(c->buf + c->seen, '\n', c->used - c->seen);
        ssize_t n;
        int ret = 0;

        if (end) {
            c->line = (size_t)(end - c->buf) + 1;
            return 0;
        }
        c->seen = c->used;
        if (c->used == c->size) {
            ret = grow(c, err);
        }
        if (ret == 0) {
            ret = wait_for(c, POLLIN, deadline, err);
        }
        if (ret < 0) {
            return ret;
        }
        n = recv(c->fd, c->buf + c->used, c->size - c->used, MSG_DONTWAIT);
        if (n > 0) {
            c->used += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return ended(c, err);
        }
    }
}

static int send_all(struct qmp_connection *c, const char *text, uint64_t deadline,
                    struct error *err)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EPIPE) {
            return 0; /* what was received before has the reason */
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return ended(c, err);
        } else {
            int ret = wait_for(c, POLLOUT, deadline, err);

            if (ret < 0) {
                return ret;
            }
        }
    }
    return 0;
}

/* --- messages --- */

static int read_message(struct qmp_connection *c, uint64_t deadline, json_t **message,
                        struct error *err)
{
    int ret = read_line(c, deadline, err);

    if (ret < 0) {
        return ret;
    }
    *message = json_loadb(c->buf, c->line, 0, NULL);
    if (!json_is_object(*message)) {
        json_decref(*message);
        return error_set(err, -EPROTO, "%s does not speak QMP", c->path);
    }
    return 0;
}

static void note_event(struct qmp_connection *c, const json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "event"));

    if (name && !strcmp(name, "SHUTDOWN")) {
        const json_t *data = json_object_get(message, "data");

        plain_text(c->reason, sizeof(c->reason),
                   json_string_value(json_object_get(data, "reason")));
    }
}

static int error_of(const struct qmp_connection *c, const json_t *error, const char *doing,
                    struct error *err)
{
    const char *class = json_string_value(json_object_get(error, "class"));
    int num = class && !strcmp(class, "CommandNotFound") ? -ENOSYS : -EPROTO;
    char desc[200];

    plain_text(desc, sizeof(desc), json_string_value(json_object_get(error, "desc")));
    return error_set(err, num, "%s: %s: %s", c->path, doing, desc);
}

int qmp_connection_ask(struct qmp_connection *c, const char *command, json_t **result,
                       struct error *err)
{
    uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + c->limit_ns;
    char text[128];
    int ret;

    *result = NULL;
    snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);
    ret = send_all(c, text, deadline, err);
    while (ret == 0 && !*result) {
        const json_t *error;
        json_t *message;

        ret = read_message(c, deadline, &message, err);
        if (ret < 0) {
            break;
        }
        note_event(c, message);
        error = json_object_get(message, "error");
        *result = json_incref(json_object_get(message, "return"));
        ret = error ? error_of(c, error, command, err) : 0;
        json_decref(message);
    }
    return ret;
}

/* --- connecting --- */

static int connect_to(struct qmp_connection *c, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(c->path) >= sizeof(addr.sun_path)) {
        return error_set(err, -ENAMETOOLONG, "%s: the path of a socket has at most %zu characters",
                         c->path, sizeof(addr.sun_path) - 1);
    }
    strcpy(addr.sun_path, c->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
    }
    if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
        return 0;
    }
    switch (errno) {
    case ECONNREFUSED:
        return stat(c->path, &st) == 0 && !S_ISSOCK(st.st_mode)
                   ? error_set(err, -ENOTSOCK, "%s is no socket", c->path)
                   : error_set(err, -ECONNREFUSED, "no process listens at %s", c->path);
    case EAGAIN:
        return error_set(err, -errno, "%s accepts no connection now: too many wait", c->path);
    case EPROTOTYPE:
        return error_set(err, -errno, "%s is no stream socket", c->path);
    default:
        return error_set(err, -errno, "cannot connect to %s: %s", c->path, strerror(errno));
    }
}

static int greet(struct qmp_connection *c, struct error *err)
{
    json_t *message;
    int ret = read_message(c, clock_ns(CLOCK_MONOTONIC) + c->limit_ns, &message, err);

    if (ret == 0) {
        const json_t *error = json_object_get(message, "error");

        if (error) {
            ret = error_of(c, error, "refused", err);
        } else if (!json_object_get(message, "QMP")) {
            ret = error_set(err, -EPROTO, "%s does not speak QMP", c->path);
        }
        json_decref(message);
    }
    return ret;
}

int qmp_connection_open(struct qmp_connection *c, const char *path, int cancel_fd,
                        uint64_t limit_ns, struct error *err)
{
    static const char prefix[] = "unix:";
    json_t *result;
    int ret;

    *c = (struct qmp_connection){
        .path = strncmp(path, prefix, strlen(prefix)) ? path : path + strlen(prefix),
        .fd = -1,
        .cancel_fd = cancel_fd,
        .limit_ns = limit_ns ? limit_ns : QMP_ANSWER_NS,
    };
    ret = grow(c, err);
    if (ret == 0) {
        ret = connect_to(c, err);
    }
    if (ret == 0) {
        ret = greet(c, err);
    }
    if (ret == 0) {
        ret = qmp_connection_ask(c, "qmp_capabilities", &result, err);
        json_decref(result);
    }
    return ret;
}

void qmp_connection_close(struct qmp_connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->buf);
    *c = (struct qmp_connection){.fd = -1};
}
