// SPDX-License-Identifier: MIT
/*
 * An engine on libnbd: the image is an export of an NBD server.
 *
 * Each engine has a connection of its own. A read or write of several buffers becomes one command for
 * each part that is contiguous in memory, and the commands are in flight together. libnbd sends from
 * and receives into the buffers. A durable write has the FUA flag; without FUA on the server it is the
 * writes, then a flush. Without trim on the server a discard does nothing, without write zeroes the
 * engine sends zeroes, and without flush a flush does nothing: the server then has no write cache.
 *
 * When a connection is lost, a thread connects again (engine/nbd-connector.h), with a back-off.
 * Requests wait meanwhile, and all requests whose callback has not run are then sent again, each from
 * its beginning, in the order of their submission. So a flush goes to the new connection after every
 * write that was not acknowledged; and a durable write without FUA is never acknowledged for a write
 * on one connection and a flush on another. Writes acknowledged since the last flush are in the
 * server's cache: a server that ends and starts again without its host keeps them if it wrote them to
 * the host's page cache. If the host of the server has crashed they may be lost, and the next flush
 * does not tell. QEMU's driver keeps to the same rule.
 *
 * A request fails with -ETIMEDOUT once the server has not completed any command for reconnect_ns:
 * because there is no connection, because each new one is lost at once, or because the server is
 * silent. From then on requests fail at once, until there is a connection again. With reconnect_ns = 0
 * requests fail as soon as the connection is lost, and a silent server is waited for.
 *
 * A callback of libnbd runs inside a call of libnbd, where the handle must not be used. So the
 * callback only moves the request to a list, and the engine completes it after the call.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/nbd-connector.h"
#include "engine/submit.h"

#define COMMANDS_MAX 128
#define RANGE_MAX    (1u << 30)   /* bytes of a trim or write zeroes; the protocol has 32 bits */
#define ZEROES_SIZE  (256u << 10) /* bytes of a write of zeroes; a multiple of IMAGE_ALIGN_MAX */

#define LOOK_NS 500 /* recv() that finds nothing */

#define BACKOFF_MIN_NS 10000000ull
#define BACKOFF_MAX_NS 1000000000ull
/* A connection that lasted so long was a good one: the back-off begins anew. */
#define GOOD_NS 1000000000ull

/* In engine_req.priv. */
struct nbd_req {
    uint64_t at;        /* bytes given to the server */
    size_t iov_at;      /* of these, in the buffer @iov */
    int iov;            /* the next buffer */
    int error;          /* a positive errno of a command */
    unsigned in_flight; /* commands */
    bool all_sent;
    bool flushing;   /* the writes are done, their flush is not */
    bool flush_sent; /* a flush was given to the server */
};

_Static_assert(sizeof(struct nbd_req) <= sizeof(((struct engine_req *)0)->priv), "room for it");

struct nbd_engine;

/* A command in flight. */
struct nbd_command {
    struct nbd_engine *engine;
    struct engine_req *req;
    struct nbd_command *next_free;
};

struct nbd_engine {
    struct engine e;
    struct nbd_export *export;
    void (*log)(void *opaque, const char *line);
    void *log_opaque;
    char name[24];

    struct nbd_handle *nbd; /* NULL: no connection */
    struct nbd_export_info info;
    int fd;
    bool broken; /* the connection is of no use any more */
    struct aio_handler replies;
    struct aio_handler writable; /* while libnbd waits for room in the socket */
    int writable_fd;             /* the same socket */
    bool watched;                /* @writable is */
    unsigned nr_commands;        /* in flight */
    struct nbd_command commands[COMMANDS_MAX];
    struct nbd_command *free;
    uint8_t *zeroes;

    struct list waiting; /* not wholly given to the server */
    struct list sent;    /* wholly */
    struct list done;    /* the callback is to be called */
    struct aio_deferred issue;

    struct nbd_connector connector;
    struct aio_timer retry, patience;
    bool patience_armed;
    bool progress;         /* a command has completed since @alive_ns */
    uint64_t alive_ns;     /* when the server last completed a command, or became idle */
    uint64_t connected_ns; /* when the connection was made */
    uint64_t backoff_ns;
    bool gave_up; /* requests fail at once */
    char why[ERROR_MSG_MAX];
};

static struct nbd_engine *nbd_of(struct engine *e)
{
    return container_of(e, struct nbd_engine, e);
}

static struct nbd_req *priv_of(struct engine_req *req)
{
    return (struct nbd_req *)req->priv;
}

static struct engine_req *first_of(struct list *l)
{
    return list_entry(l->next, struct engine_req, node);
}

__attribute__((format(printf, 2, 3))) static void log_line(struct nbd_engine *n, const char *fmt,
                                                           ...)
{
    char line[ERROR_MSG_MAX];
    int len = snprintf(line, sizeof(line), "%s: ", n->name);
    va_list ap;

    if (n->log) {
        va_start(ap, fmt);
        vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, ap);
        va_end(ap);
        n->log(n->log_opaque, line);
    }
}

/* --- the end of a request --- */

static void set_up(struct engine_req *req)
{
    *priv_of(req) = (struct nbd_req){0};
}

static void complete_done(struct nbd_engine *n)
{
    struct list batch;

    list_take(&batch, &n->done);
    while (!list_empty(&batch)) {
        struct engine_req *req = first_of(&batch);
        const struct nbd_req *r = priv_of(req);

        list_del(&req->node);
        engine_complete(&n->e, req,
                        r->error                                            ? -r->error
                        : req->op == ENGINE_READ || req->op == ENGINE_WRITE ? (ssize_t)r->at
                                                                            : 0);
    }
}

static bool is_durable(const struct engine_req *req)
{
    return req->durable && (req->op == ENGINE_WRITE || req->op == ENGINE_WRITE_ZEROES);
}

/* All commands of the request have completed. */
static void commands_done(struct nbd_engine *n, struct engine_req *req)
{
    struct nbd_req *r = priv_of(req);

    list_del(&req->node);
    if (is_durable(req) && !n->info.can_fua && !r->flushing && !r->error) {
        r->flushing = true;
        r->all_sent = false;
        list_add_tail(n->waiting.next, &req->node);
        aio_defer(n->e.ctx, &n->issue);
    } else {
        list_add_tail(&n->done, &req->node);
    }
}

/*
 * A callback of libnbd. Commands of a connection that is lost end with ENOTCONN: their requests are
 * sent again. 1: libnbd forgets the command.
 */
static int command_done(void *opaque, int *error)
{
    struct nbd_command *c = opaque;
    struct nbd_engine *n = c->engine;
    struct engine_req *req = c->req;
    struct nbd_req *r = priv_of(req);

    if (*error == ENOTCONN || *error == ESHUTDOWN) {
        n->broken = true;
        return 1;
    }
    c->next_free = n->free;
    n->free = c;
    n->nr_commands--;
    n->progress = true;
    r->in_flight--;
    if (*error && !r->error && !(req->op == ENGINE_DISCARD && *error == EOPNOTSUPP)) {
        r->error = *error;
    }
    if (r->all_sent && r->in_flight == 0) {
        commands_done(n, req);
    }
    return 1;
}

/* --- from a request to commands --- */

struct piece {
    uint8_t *buf;
    size_t len;
};

/* The next part of the buffers that is contiguous in memory. Return: false if there is none. */
static bool next_of_buffers(const struct nbd_engine *n, struct engine_req *req, struct piece *p)
{
    struct nbd_req *r = priv_of(req);

    p->len = 0;
    while (r->iov < req->iovcnt && p->len < n->info.max_block) {
        const struct iovec *iov = &req->iov[r->iov];
        uint8_t *buf = (uint8_t *)iov->iov_base + r->iov_at;
        size_t room = n->info.max_block - p->len, len = iov->iov_len - r->iov_at;

        if (p->len && len && buf != p->buf + p->len) {
            break;
        }
        p->buf = p->len ? p->buf : buf;
        if (len > room) {
            p->len += room;
            r->iov_at += room;
            break;
        }
        p->len += len;
        r->iov_at = 0;
        r->iov++;
    }
    return p->len;
}

static bool next_of_range(const struct nbd_engine *n, struct engine_req *req, struct piece *p)
{
    uint64_t left = req->len - priv_of(req)->at, max = RANGE_MAX;

    p->buf = NULL;
    if (req->op == ENGINE_WRITE_ZEROES && !n->info.can_zero) {
        p->buf = n->zeroes;
        max = n->info.max_block < ZEROES_SIZE ? n->info.max_block : ZEROES_SIZE;
    }
    p->len = left < max ? left : max;
    return p->len && (req->op != ENGINE_DISCARD || n->info.can_trim);
}

static bool next_piece(const struct nbd_engine *n, struct engine_req *req, struct piece *p)
{
    struct nbd_req *r = priv_of(req);

    if (req->op == ENGINE_FLUSH || r->flushing) {
        *p = (struct piece){0};
        return !r->flush_sent && n->info.can_flush;
    }
    return req->iovcnt ? next_of_buffers(n, req, p) : next_of_range(n, req, p);
}

static int64_t send_command(struct nbd_engine *n, struct engine_req *req, const struct piece *p,
                            struct nbd_command *c)
{
    const nbd_completion_callback cb = {.callback = command_done, .user_data = c};
    uint32_t fua = is_durable(req) && n->info.can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
    uint64_t at = req->offset + priv_of(req)->at;

    if (p->len == 0) {
        return nbd_aio_flush(n->nbd, cb, 0);
    }
    if (req->op == ENGINE_READ) {
        return nbd_aio_pread(n->nbd, p->buf, p->len, at, cb, 0);
    }
    if (req->op == ENGINE_DISCARD) {
        return nbd_aio_trim(n->nbd, p->len, at, cb, 0);
    }
    if (p->buf) {
        return nbd_aio_pwrite(n->nbd, p->buf, p->len, at, cb, fua);
    }
    return nbd_aio_zero(n->nbd, p->len, at, cb,
                        fua | (req->may_unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
}

static bool is_usable(const struct nbd_engine *n)
{
    return !n->broken && !nbd_aio_is_dead(n->nbd) && !nbd_aio_is_closed(n->nbd);
}

/* Gives the next command of the first waiting request to the server, or finds that it has none left. */
static void issue_next(struct nbd_engine *n)
{
    struct engine_req *req = first_of(&n->waiting);
    struct nbd_req *r = priv_of(req);
    struct nbd_command *c = n->free;
    struct piece p;

    if (r->error || !next_piece(n, req, &p)) {
        list_del(&req->node);
        list_add_tail(&n->sent, &req->node);
        r->all_sent = true;
        if (r->in_flight == 0) {
            commands_done(n, req);
        }
        return;
    }
    n->free = c->next_free;
    c->req = req;
    r->in_flight++;
    n->nr_commands++;
    aio_count_syscall(&n->replies);
    if (send_command(n, req, &p, c) < 0) {
        int num = nbd_get_errno();

        c->next_free = n->free;
        n->free = c;
        r->in_flight--;
        n->nr_commands--;
        n->broken = !is_usable(n);
        r->error = n->broken ? 0 : num > 0 ? num : EIO;
        return;
    }
    r->at += p.len;
    r->flush_sent |= p.len == 0;
}

/* --- the connection --- */

static void lose(struct nbd_engine *n, const char *why);
static void drop_connection(struct nbd_engine *n);
static void send_again(struct nbd_engine *n);
static void be_patient(struct nbd_engine *n);

static const struct aio_handler_ops writable_ops;

/* A socket with no room for a command is watched until it has some. */
static void watch_writable(struct nbd_engine *n)
{
    bool want = nbd_aio_get_direction(n->nbd) & LIBNBD_AIO_DIRECTION_WRITE;

    if (!want && n->watched) {
        aio_handler_remove(&n->writable);
        n->watched = false;
    } else if (want && !n->watched) {
        n->watched = aio_handler_add(n->e.ctx, &n->writable, n->writable_fd, POLLOUT, &writable_ops,
                                     n, "nbd send", NULL) == 0;
        n->broken = !n->watched;
    }
}

/* After calls of libnbd. @ret: the result of the last one. */
static void look_at_connection(struct nbd_engine *n, int ret)
{
    const char *text = ret < 0 ? nbd_get_error() : NULL;

    if (ret < 0 || !is_usable(n)) {
        lose(n, text ? text : "the server has closed it");
        return;
    }
    watch_writable(n);
    if (n->broken) {
        lose(n, "out of memory");
        return;
    }
    if (n->progress) {
        n->progress = false;
        n->alive_ns = aio_now(n->e.ctx);
    }
}

static void fail_all(struct nbd_engine *n)
{
    while (!list_empty(&n->waiting)) {
        struct engine_req *req = first_of(&n->waiting);

        priv_of(req)->error = ETIMEDOUT;
        list_del(&req->node);
        list_add_tail(&n->done, &req->node);
    }
}

static void try_to_connect(void *opaque);

/* A server states the size once for each connection, and takes no request beyond it. */
static void replace_connection(struct nbd_engine *n)
{
    log_line(n, "the export of NBD server %s has grown: connecting again", n->export->uri);
    nbd_aio_disconnect(n->nbd, 0);
    drop_connection(n);
    send_again(n);
    n->alive_ns = aio_now(n->e.ctx);
    be_patient(n);
    try_to_connect(n);
}

static void issue(void *opaque)
{
    struct nbd_engine *n = opaque;

    if (n->nbd && n->info.size < export_size(n->export)) {
        replace_connection(n);
    } else if (n->nbd) {
        bool was_idle = n->nr_commands == 0;

        while (!list_empty(&n->waiting) && n->free && !n->broken) {
            issue_next(n);
        }
        if (was_idle && n->nr_commands) {
            aio_handler_in_flight(&n->replies);
        }
        look_at_connection(n, 0);
    } else if (n->gave_up) {
        fail_all(n);
    }
    complete_done(n);
}

static bool has_input(const struct nbd_engine *n)
{
    char byte;

    return recv(n->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EINTR);
}

/*
 * All that has arrived is read: some monitors report it once. libnbd must not be told of input that
 * is not there: it would wait for a reply, and not send the rest of a command meanwhile.
 */
static void read_replies(void *opaque)
{
    struct nbd_engine *n = opaque;
    int ret;

    do {
        aio_count_syscall(&n->replies);
        ret = nbd_aio_get_direction(n->nbd) & LIBNBD_AIO_DIRECTION_READ
                  ? nbd_aio_notify_read(n->nbd)
                  : nbd_aio_notify_write(n->nbd);
    } while (ret == 0 && is_usable(n) && n->nr_commands && has_input(n));
    if (!list_empty(&n->waiting)) {
        aio_defer(n->e.ctx, &n->issue); /* there is room for further commands */
    }
    look_at_connection(n, ret);
    complete_done(n);
}

static void replies_ready(void *opaque, int revents)
{
    struct nbd_engine *n = opaque;

    if (has_input(n)) { /* not if it was polled for meanwhile */
        read_replies(n);
    }
}

static bool replies_poll(void *opaque)
{
    const struct nbd_engine *n = opaque;

    return n->nr_commands && has_input(n);
}

static const struct aio_handler_ops replies_ops = {
    .ready = replies_ready,
    .poll = replies_poll,
    .poll_ready = read_replies,
    .look_ns = LOOK_NS,
};

static void writable_ready(void *opaque, int revents)
{
    struct nbd_engine *n = opaque;
    int ret = nbd_aio_get_direction(n->nbd) & LIBNBD_AIO_DIRECTION_WRITE
                  ? nbd_aio_notify_write(n->nbd)
                  : 0;

    look_at_connection(n, ret);
    complete_done(n);
}

static const struct aio_handler_ops writable_ops = {.ready = writable_ready};

static void forget_commands(struct nbd_engine *n)
{
    n->nr_commands = 0;
    n->free = NULL;
    for (unsigned i = COMMANDS_MAX; i--;) {
        n->commands[i].engine = n;
        n->commands[i].next_free = n->free;
        n->free = &n->commands[i];
    }
}

static void drop_connection(struct nbd_engine *n)
{
    aio_handler_remove(&n->replies);
    if (n->watched) {
        aio_handler_remove(&n->writable);
        n->watched = false;
    }
    close(n->writable_fd);
    nbd_close(n->nbd);
    n->nbd = NULL;
    forget_commands(n);
}

/* All requests that the lost connection has not completed wait again, in the order of submission. */
static void send_again(struct nbd_engine *n)
{
    struct list all, *at;

    while (!list_empty(&n->waiting)) {
        struct engine_req *req = first_of(&n->waiting);

        list_del(&req->node);
        list_add_tail(&n->sent, &req->node);
    }
    list_take(&all, &n->sent);
    while (!list_empty(&all)) {
        at = all.next;
        list_del(at);
        list_add_tail(&n->waiting, at);
        set_up(list_entry(at, struct engine_req, node));
    }
}

static void be_patient(struct nbd_engine *n)
{
    if (n->export->reconnect_ns && !n->patience_armed) {
        n->patience_armed = true;
        aio_timer_arm(&n->patience, n->alive_ns + n->export->reconnect_ns);
    }
}

static void give_up(struct nbd_engine *n)
{
    if (!n->gave_up) {
        n->gave_up = true;
        log_line(n, "requests to NBD server %s fail until it answers again%s%s", n->export->uri,
                 n->why[0] ? ": " : "", n->why);
    }
    fail_all(n);
}

static void connect_later(struct nbd_engine *n)
{
    aio_timer_arm(&n->retry, aio_now(n->e.ctx) + n->backoff_ns);
    n->backoff_ns = n->backoff_ns * 2 < BACKOFF_MAX_NS ? n->backoff_ns * 2 : BACKOFF_MAX_NS;
}

static void lose(struct nbd_engine *n, const char *why)
{
    uint64_t now = aio_now(n->e.ctx);

    snprintf(n->why, sizeof(n->why), "%s", why);
    log_line(n, "the connection to NBD server %s is lost: %s", n->export->uri, why);
    if (list_empty(&n->waiting) && list_empty(&n->sent)) {
        n->alive_ns = now;
    }
    drop_connection(n);
    send_again(n);
    if (now - n->connected_ns >= GOOD_NS) {
        n->backoff_ns = BACKOFF_MIN_NS;
    }
    connect_later(n);
    if (n->export->reconnect_ns == 0) {
        give_up(n);
    } else {
        be_patient(n);
    }
}

/* Return: 0 or -errno; then there is no connection. */
static int adopt(struct nbd_engine *n, const struct nbd_connection *c)
{
    int ret;

    n->nbd = c->nbd;
    n->info = c->info;
    n->fd = nbd_aio_get_fd(c->nbd);
    n->writable_fd = c->writable_fd;
    n->broken = n->progress = false;
    ret = aio_handler_add(n->e.ctx, &n->replies, n->fd, POLLIN, &replies_ops, n, "nbd",
                          &n->nr_commands);
    if (ret < 0) {
        close(n->writable_fd);
        nbd_close(n->nbd);
        n->nbd = NULL;
        return ret;
    }
    n->connected_ns = aio_now(n->e.ctx);
    if (n->gave_up) {
        n->gave_up = false;
        n->alive_ns = n->connected_ns;
    }
    be_patient(n);
    aio_defer(n->e.ctx, &n->issue);
    return 0;
}

static void attempt_ended(void *opaque)
{
    struct nbd_engine *n = opaque;
    const struct nbd_connector *c = &n->connector;
    int ret = c->ret;

    if (ret == 0) {
        ret = adopt(n, &c->connection);
        snprintf(n->why, sizeof(n->why), "%s", ret < 0 ? strerror(-ret) : "");
    } else {
        snprintf(n->why, sizeof(n->why), "%s", c->err.msg);
    }
    if (ret == -EOWNERDEAD || (ret < 0 && n->export->reconnect_ns == 0)) {
        give_up(n);
        complete_done(n);
    }
    if (ret < 0 && ret != -EOWNERDEAD) {
        connect_later(n);
    } else if (ret == 0) {
        log_line(n, "connected to NBD server %s", n->export->uri);
    }
}

static void try_to_connect(void *opaque)
{
    struct nbd_engine *n = opaque;

    if (connector_start(&n->connector) < 0) {
        connect_later(n);
    }
}

/* The server has had reconnect_ns to complete a command. */
static void patience_over(void *opaque)
{
    struct nbd_engine *n = opaque;
    bool idle = list_empty(&n->waiting) && list_empty(&n->sent);

    n->patience_armed = false;
    if (n->nbd && idle) {
        return;
    }
    if (aio_now(n->e.ctx) < n->alive_ns + n->export->reconnect_ns) {
        be_patient(n);
        return;
    }
    if (n->nbd) {
        lose(n, "the server is silent");
    }
    give_up(n);
    complete_done(n);
}

/* --- the engine --- */

static int nbd_engine_submit(struct engine *e, struct engine_req *req)
{
    struct nbd_engine *n = nbd_of(e);

    set_up(req);
    if (n->nbd && list_empty(&n->waiting) && list_empty(&n->sent)) {
        n->alive_ns = aio_now(e->ctx);
        be_patient(n);
    }
    list_add_tail(&n->waiting, &req->node);
    aio_defer(e->ctx, &n->issue);
    return 0;
}

static int nbd_engine_open(AioContext *ctx, const struct image *image,
                           const struct engine_config *config, struct engine **out,
                           struct error *err)
{
    struct nbd_engine *n = calloc(1, sizeof(*n));
    struct nbd_connection first;
    int ret;

    if (!n || !(n->zeroes = calloc(1, ZEROES_SIZE))) {
        free(n);
        return error_set(err, -ENOMEM, "out of memory for an engine");
    }
    n->e.ctx = ctx;
    n->export = image->nbd;
    n->log = config->log;
    n->log_opaque = config->log_opaque;
    snprintf(n->name, sizeof(n->name), "%s", config->name ? config->name : "nbd");
    n->backoff_ns = BACKOFF_MIN_NS;
    n->alive_ns = aio_now(ctx);
    list_init(&n->waiting);
    list_init(&n->sent);
    list_init(&n->done);
    aio_deferred_init(&n->issue, issue, n);
    aio_timer_init(ctx, &n->retry, try_to_connect, n);
    aio_timer_init(ctx, &n->patience, patience_over, n);
    forget_commands(n);
    ret = connector_init(&n->connector, ctx, n->export, attempt_ended, n);
    if (ret < 0) {
        goto free_engine;
    }
    if (export_take(n->export, &first)) {
        ret = export_dup_fd(&first);
        ret = ret < 0 ? ret : adopt(n, &first);
    } else {
        try_to_connect(n);
        be_patient(n);
    }
    if (ret < 0) {
        goto destroy_connector;
    }
    *out = &n->e;
    return 0;

destroy_connector:
    connector_destroy(&n->connector);
free_engine:
    free(n->zeroes);
    free(n);
    return error_set(err, ret, "cannot watch a connection: %s", strerror(-ret));
}

static void nbd_engine_close(struct engine *e)
{
    struct nbd_engine *n = nbd_of(e);

    aio_timer_cancel(&n->retry);
    aio_timer_cancel(&n->patience);
    aio_deferred_cancel(&n->issue);
    connector_destroy(&n->connector);
    if (n->nbd) {
        nbd_aio_disconnect(n->nbd, 0);
        drop_connection(n);
    }
    free(n->zeroes);
    free(n);
}

const struct engine_ops engine_nbd = {
    .name = "nbd",
    .summary = "an export of an NBD server, through libnbd",
    .open = nbd_engine_open,
    .submit = nbd_engine_submit,
    .close = nbd_engine_close,
};
