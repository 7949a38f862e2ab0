// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "control/json-stream.h"

struct qmp_client {
    AioContext *loop;
    const struct qmp_client_ops *ops;
    void *opaque;
    int fd;
    bool negotiated;
    bool closing; /* no more input; gone when the output is sent */

    struct aio_handler handler;
    int events; /* that the handler waits for */

    char in[4096];
    size_t in_len, in_at;
    struct json_stream stream;

    char *out;
    size_t out_len, out_at;
    struct aio_timer stall; /* armed while output waits */
};

static void ready(void *opaque, int revents);

static const struct aio_handler_ops handler_ops = {.ready = ready};

static void gone(struct qmp_client *c)
{
    c->ops->gone(c->opaque, c);
    qmp_client_free(c);
}

static void stalled(void *opaque)
{
    gone(opaque);
}

static bool output_waits(const struct qmp_client *c)
{
    return c->out_at < c->out_len;
}

/* Return: false if the client is gone. */
static bool watch(struct qmp_client *c, int events)
{
    if (events == c->events) {
        return true;
    }
    if (c->events) {
        aio_handler_remove(&c->handler);
    }
    c->events = events;
    if (aio_handler_add(c->loop, &c->handler, c->fd, events, &handler_ops, c, "control client",
                        NULL) < 0) {
        c->events = 0;
        gone(c);
        return false;
    }
    return true;
}

static int append(struct qmp_client *c, const char *text)
{
    size_t len = strlen(text), waits = c->out_len - c->out_at;
    char *out;

    if (waits) {
        memmove(c->out, c->out + c->out_at, waits);
    }
    c->out_at = 0;
    c->out_len = waits;
    out = realloc(c->out, waits + len + 2);
    if (!out) {
        return -ENOMEM;
    }
    memcpy(out + waits, text, len);
    memcpy(out + waits + len, "\r\n", 2);
    c->out = out;
    c->out_len += len + 2;
    return 0;
}

/* Return: 0, with output that may wait, or -errno. */
static int flush(struct qmp_client *c)
{
    while (output_waits(c)) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return errno == EAGAIN ? 0 : -errno;
        }
        if (n > 0) {
            c->out_at += (size_t)n;
        }
    }
    aio_timer_cancel(&c->stall);
    free(c->out);
    c->out = NULL;
    c->out_at = c->out_len = 0;
    return 0;
}

static int put(struct qmp_client *c, const char *text)
{
    bool waited = output_waits(c);
    int ret = append(c, text);

    if (ret == 0 && !waited) {
        aio_timer_arm(&c->stall, aio_now(c->loop) + QMP_STALL_NS);
    }
    return ret == 0 ? flush(c) : ret;
}

/* Return: 0 or -errno: the client is to be disconnected. */
static int answer(struct qmp_client *c, const char *message, size_t len, const char *error)
{
    json_t *json = c->ops->answer(c->opaque, c, message, len, error);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    int ret = text ? put(c, text) : -ENOMEM;

    free(text);
    json_decref(json);
    return ret;
}

/* Answer the messages of @in as long as no output waits. Return: as answer(). */
static int serve_input(struct qmp_client *c)
{
    int ret = 0;

    while (ret == 0 && c->in_at < c->in_len && !output_waits(c) && !c->closing) {
        size_t used;
        enum json_stream_result result =
            json_stream_feed(&c->stream, c->in + c->in_at, c->in_len - c->in_at, &used);

        c->in_at += used;
        if (result == JSON_STREAM_MESSAGE) {
            ret = answer(c, c->stream.buf, c->stream.len, NULL);
        } else if (result != JSON_STREAM_MORE) {
            c->closing = true;
            ret = answer(c, NULL, 0, json_stream_error(result));
        }
    }
    return ret;
}

static int receive(struct qmp_client *c)
{
    ssize_t n = recv(c->fd, c->in, sizeof(c->in), 0);

    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    c->closing = n == 0;
    c->in_at = 0;
    c->in_len = (size_t)n;
    return 0;
}

static void ready(void *opaque, int revents)
{
    struct qmp_client *c = opaque;
    int ret = flush(c);

    if (ret == 0 && !output_waits(c) && c->in_at == c->in_len && !c->closing) {
        ret = receive(c);
    }
    if (ret == 0) {
        ret = serve_input(c);
    }
    if (ret < 0 || (c->closing && !output_waits(c))) {
        gone(c);
        return;
    }
    watch(c, output_waits(c) ? POLLOUT : POLLIN);
}

int qmp_client_new(AioContext *loop, int fd, const json_t *greeting,
                   const struct qmp_client_ops *ops, void *opaque, struct qmp_client **out)
{
    struct qmp_client *c = calloc(1, sizeof(*c));
    char *text = json_dumps(greeting, JSON_COMPACT);
    int ret = -ENOMEM;

    if (!c || !text) {
        close(fd);
        free(c);
        free(text);
        return ret;
    }
    c->loop = loop;
    c->fd = fd;
    c->ops = ops;
    c->opaque = opaque;
    aio_timer_init(loop, &c->stall, stalled, c);
    ret = put(c, text);
    free(text);
    if (ret == 0) {
        ret =
            aio_handler_add(loop, &c->handler, fd, POLLIN, &handler_ops, c, "control client", NULL);
    }
    if (ret < 0) {
        qmp_client_free(c);
        return ret;
    }
    c->events = POLLIN;
    *out = c;
    return 0;
}

void qmp_client_free(struct qmp_client *c)
{
    if (c->events) {
        aio_handler_remove(&c->handler);
    }
    aio_timer_cancel(&c->stall);
    close(c->fd);
    free(c->out);
    free(c);
}

void qmp_client_event(struct qmp_client *c, const char *text)
{
    if (!c->negotiated) {
        return;
    }
    if (c->out_len - c->out_at > QMP_EVENTS_MAX || put(c, text) < 0) {
        gone(c);
        return;
    }
    if (output_waits(c)) {
        watch(c, POLLOUT);
    }
}

bool qmp_client_negotiated(const struct qmp_client *c)
{
    return c->negotiated;
}

void qmp_client_negotiate(struct qmp_client *c)
{
    c->negotiated = true;
}
