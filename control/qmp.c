// SPDX-License-Identifier: MIT
/* The server: it accepts clients, answers their messages and sends them events. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json-text.h"
#include "control/command.h"
#include "control/qmp.h"

#define ACCEPT_AGAIN_NS 1000000000

static void accept_client(void *opaque, int revents);

static const struct aio_handler_ops listener_ops = {.ready = accept_client};

/* --- clients --- */

static json_t *error_reply(const char *class, const char *desc)
{
    return json_pack("{s:{s:s,s:o}}", "error", "class", class, "desc", json_text(desc));
}

static const char *class_of(int ret)
{
    return ret == -ENOSYS ? "CommandNotFound" : ret == -ENODEV ? "DeviceNotFound" : "GenericError";
}

static json_t *answer_object(struct qmp_server *s, struct qmp_client *c, json_t *message)
{
    json_t *result = NULL, *id = json_object_get(message, "id"), *reply;
    struct error err = {""};
    int ret = qmp_command_run(s, c, message, &result, &err);

    if (ret < 0) {
        reply = error_reply(class_of(ret), err.msg);
    } else {
        reply = json_pack("{s:o}", "return", result ? result : json_object());
    }
    if (id && json_object_set(reply, "id", id) < 0) {
        json_decref(reply);
        reply = NULL;
    }
    return reply;
}

static json_t *answer(void *opaque, struct qmp_client *c, const char *text, size_t len,
                      const char *error)
{
    json_error_t why;
    json_t *message = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &why) : NULL, *reply;
    char desc[JSON_ERROR_TEXT_LENGTH + 32];

    if (!text) {
        return error_reply("GenericError", error);
    }
    if (!message) {
        snprintf(desc, sizeof(desc), "Invalid JSON: %s", why.text);
        return error_reply("GenericError", desc);
    }
    reply = json_is_object(message)
                ? answer_object(opaque, c, message)
                : error_reply("GenericError", "QMP input must be a JSON object");
    json_decref(message);
    return reply;
}

static void gone(void *opaque, struct qmp_client *c)
{
    struct qmp_server *s = opaque;

    for (unsigned i = 0; i < s->nr_clients; i++) {
        if (s->clients[i] == c) {
            s->clients[i] = s->clients[--s->nr_clients];
            return;
        }
    }
}

static const struct qmp_client_ops client_ops = {.answer = answer, .gone = gone};

/* From the last to the first: a client that is disconnected leaves its place to the last. */
static void send_event(void *opaque, const json_t *event)
{
    struct qmp_server *s = opaque;
    char *text = json_dumps(event, JSON_COMPACT);

    for (unsigned i = s->nr_clients; text && i-- > 0;) {
        qmp_client_event(s->clients[i], text);
    }
    free(text);
}

/* --- listening --- */

static json_t *greeting(const struct qmp_server *s)
{
    return json_pack("{s:{s:o,s:[]}}", "QMP", "version", qmp_version(s), "capabilities");
}

static void listen_again(void *opaque)
{
    struct qmp_server *s = opaque;

    s->listening = aio_handler_add(s->loop, &s->listener, s->listen_fd, POLLIN, &listener_ops, s,
                                   "control socket", NULL) == 0;
    if (!s->listening) {
        aio_timer_arm(&s->listen_again, aio_now(s->loop) + ACCEPT_AGAIN_NS);
    }
}

static void pause_listening(struct qmp_server *s)
{
    aio_handler_remove(&s->listener);
    s->listening = false;
    aio_timer_arm(&s->listen_again, aio_now(s->loop) + ACCEPT_AGAIN_NS);
}

static void refuse(int fd)
{
    static const char text[] =
        "{\"error\":{\"class\":\"GenericError\",\"desc\":\"there are too many "
        "clients of this control socket\"}}\r\n";

    send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
    close(fd);
}

static void accept_client(void *opaque, int revents)
{
    struct qmp_server *s = opaque;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    json_t *hello;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_listening(s); /* the connection would keep the loop awake */
        }
        return;
    }
    if (s->nr_clients == QMP_CLIENTS_MAX) {
        refuse(fd);
        return;
    }
    hello = greeting(s);
    if (!hello) {
        close(fd);
        return;
    }
    if (qmp_client_new(s->loop, fd, hello, &client_ops, s, &s->clients[s->nr_clients]) == 0) {
        s->nr_clients++;
    }
    json_decref(hello);
}

/* --- the server --- */

int qmp_server_new(AioContext *loop, int listen_fd, const struct qmp_target *target,
                   struct qmp_server **out, struct error *err)
{
    struct qmp_server *s = calloc(1, sizeof(*s));
    struct qmp_iothread *iothreads = calloc(target->nr_iothreads + 1, sizeof(*iothreads));
    int ret;

    if (!s || !iothreads) {
        free(s);
        free(iothreads);
        return error_set(err, -ENOMEM, "out of memory for the control socket");
    }
    json_object_seed(0); /* reads /dev/urandom, now: the sandbox lets no file be opened later */
    s->loop = loop;
    s->listen_fd = listen_fd;
    s->target = *target;
    s->iothreads = iothreads;
    for (unsigned i = 0; i < target->nr_iothreads; i++) {
        iothreads[i].io = target->iothreads[i];
        iothreads[i].poll = target->iothread_configs[i].poll;
    }
    qmp_events_init(&s->events, loop, &s->target, send_event, s);
    aio_timer_init(loop, &s->listen_again, listen_again, s);
    ret = aio_handler_add(loop, &s->listener, listen_fd, POLLIN, &listener_ops, s, "control socket",
                          NULL);
    s->listening = ret == 0;
    if (ret < 0) {
        qmp_server_free(s);
        return error_set(err, ret, "cannot watch the control socket: %s", strerror(-ret));
    }
    *out = s;
    return 0;
}

static void disconnect_all(struct qmp_server *s)
{
    while (s->nr_clients) {
        qmp_client_free(s->clients[--s->nr_clients]);
    }
    if (s->listening) {
        aio_handler_remove(&s->listener);
        s->listening = false;
    }
    aio_timer_cancel(&s->listen_again);
}

void qmp_server_stop(struct qmp_server *s, const struct qmp_shutdown *why)
{
    if (s) {
        qmp_events_shutdown(&s->events, why);
        disconnect_all(s);
    }
}

void qmp_server_free(struct qmp_server *s)
{
    if (s) {
        disconnect_all(s);
        qmp_events_destroy(&s->events);
        free(s->iothreads);
        free(s);
    }
}

void qmp_guest_changed(struct qmp_server *s)
{
    if (s) {
        aio_bh_schedule(&s->events.bh);
    }
}

void qmp_powerdown(struct qmp_server *s)
{
    s->target.guest->powerdown(s->target.opaque);
    s->events.powerdown = true;
    aio_bh_schedule(&s->events.bh);
}

void qmp_io_error(struct qmp_server *s, const struct blk_io_error *e)
{
    if (s) {
        qmp_events_note_error(&s->events, e);
    }
}
