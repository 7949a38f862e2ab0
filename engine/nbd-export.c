// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/barrier.h"
#include "engine/format-helper.h"
#include "engine/nbd-export.h"
#include "engine/sector.h"

#define ANSWER_MS 10000 /* for a server to complete the handshake */

/* The protocol's limits for a server that does not state its own. */
#define DEFAULT_MIN_BLOCK SECTOR_SIZE
#define DEFAULT_MAX_BLOCK (32u << 20)

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* libnbd's text begins with the name of its function, which helps nobody. */
static int libnbd_error(const char *uri, struct error *err)
{
    const char *text = nbd_get_error(), *colon = text ? strstr(text, ": ") : NULL;
    int num = nbd_get_errno();

    num = num ? num : EIO;
    return error_set(err, -num, "NBD server %s: %s", uri,
                     colon  ? colon + 2
                     : text ? text
                            : strerror(num));
}

/* Waits until the socket of @nbd is ready, and lets libnbd go on. */
static int step(struct nbd_handle *nbd, const char *uri, int cancel_fd, int64_t deadline,
                struct error *err)
{
    unsigned dir = nbd_aio_get_direction(nbd);
    struct pollfd fds[2] = {
        {.fd = nbd_aio_get_fd(nbd),
         .events = (short)((dir & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                           (dir & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0))},
        {.fd = cancel_fd, .events = POLLIN},
    };
    int64_t left = deadline - now_ms();
    int ret = left > 0 ? poll(fds, 2, (int)left) : 0;

    if (ret < 0) {
        return errno == EINTR ? 0 : error_set(err, -errno, "poll: %s", strerror(errno));
    }
    if (ret == 0) {
        return error_set(err, -ETIMEDOUT, "NBD server %s does not answer", uri);
    }
    if (fds[1].revents) {
        return error_set(err, -ECANCELED, "NBD server %s: the connection is not needed any more",
                         uri);
    }
    if ((dir & LIBNBD_AIO_DIRECTION_READ) && (fds[0].revents & (POLLIN | POLLHUP | POLLERR))) {
        ret = nbd_aio_notify_read(nbd);
    } else {
        ret = nbd_aio_notify_write(nbd);
    }
    return ret < 0 ? libnbd_error(uri, err) : 0;
}

static int handshake(struct nbd_handle *nbd, const char *uri, int cancel_fd, struct error *err)
{
    int64_t deadline = now_ms() + ANSWER_MS;
    int ret;

    nbd_set_uri_allow_local_file(nbd, true); /* the user named the files of TLS keys */
    nbd_set_pread_initialize(nbd, false);
    if (nbd_aio_connect_uri(nbd, uri) < 0) {
        return libnbd_error(uri, err);
    }
    while (nbd_aio_is_connecting(nbd)) {
        ret = step(nbd, uri, cancel_fd, deadline, err);
        if (ret < 0) {
            return ret;
        }
    }
    return nbd_aio_is_ready(nbd)
               ? 0
               : error_set(err, -ENOTCONN, "NBD server %s has closed the connection", uri);
}

static bool is_power_of_2(int64_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static int get_info(struct nbd_handle *nbd, const char *uri, struct nbd_export_info *info,
                    struct error *err)
{
    int64_t size = nbd_get_size(nbd), min = nbd_get_block_size(nbd, LIBNBD_SIZE_MINIMUM);
    int64_t preferred = nbd_get_block_size(nbd, LIBNBD_SIZE_PREFERRED);
    int64_t max = nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM);

    if (size < 0) {
        return libnbd_error(uri, err);
    }
    min = min > 0 ? min : DEFAULT_MIN_BLOCK;
    if (!is_power_of_2(min) || min > IMAGE_ALIGN_MAX) {
        return error_set(err, -EINVAL,
                         "NBD server %s takes blocks of at least %" PRId64 " bytes; up to %d are "
                         "possible",
                         uri, min, IMAGE_ALIGN_MAX);
    }
    max = max > 0 && max < DEFAULT_MAX_BLOCK ? max - max % min : DEFAULT_MAX_BLOCK;
    if (max == 0) {
        return error_set(err, -EINVAL, "NBD server %s takes no request of a whole block", uri);
    }
    *info = (struct nbd_export_info){
        .size = (uint64_t)size,
        .min_block = (unsigned)min,
        .preferred =
            is_power_of_2(preferred) && preferred < DEFAULT_MAX_BLOCK ? (unsigned)preferred : 0,
        .max_block = (uint32_t)max,
        .readonly = nbd_is_read_only(nbd) > 0,
        .can_flush = nbd_can_flush(nbd) > 0,
        .can_fua = nbd_can_fua(nbd) > 0,
        .can_trim = nbd_can_trim(nbd) > 0,
        .can_zero = nbd_can_zero(nbd) > 0,
        .multi_conn = nbd_can_multi_conn(nbd) > 0,
    };
    return 0;
}

static int connect_to(const char *uri, bool readonly, int cancel_fd, struct nbd_connection *out,
                      struct error *err)
{
    struct nbd_handle *nbd = nbd_create();
    int ret;

    out->nbd = NULL;
    if (!nbd) {
        return libnbd_error(uri, err);
    }
    ret = handshake(nbd, uri, cancel_fd, err);
    if (ret == 0) {
        ret = get_info(nbd, uri, &out->info, err);
    }
    if (ret == 0 && out->info.readonly && !readonly) {
        ret = error_set(err, -EROFS, "NBD server %s offers its export read-only: add readonly=on",
                        uri);
    }
    if (ret < 0) {
        nbd_close(nbd);
        return ret;
    }
    out->nbd = nbd;
    return 0;
}

int export_open(struct nbd_export *export, const char *uri, bool readonly, uint64_t reconnect_ns,
                struct error *err)
{
    struct nbd_connection c;
    int ret = connect_to(uri, readonly, -1, &c, err);

    *export = (struct nbd_export){.uri = uri, .readonly = readonly, .reconnect_ns = reconnect_ns};
    if (ret == 0) {
        export->info = c.info;
        export->size = c.info.size;
        export->first = c.nbd;
    }
    return ret;
}

int export_dup_fd(struct nbd_connection *c)
{
    int ret = 0;

    c->writable_fd = fcntl(nbd_aio_get_fd(c->nbd), F_DUPFD_CLOEXEC, 0);
    if (c->writable_fd < 0) {
        ret = -errno;
        nbd_close(c->nbd);
        c->nbd = NULL;
    }
    return ret;
}

bool export_take(struct nbd_export *export, struct nbd_connection *out)
{
    out->info = export->info;
    out->nbd = exchange_acq_rel(&export->first, NULL);
    return out->nbd;
}

int export_connect(const struct nbd_export *export, int cancel_fd, struct nbd_connection *out,
                   struct error *err)
{
    const struct nbd_export_info *was = &export->info;
    int ret = connect_to(export->uri, export->readonly, cancel_fd, out, err);

    if (ret < 0 && export->helper && helper_has_ended(export->helper)) {
        char line[ERROR_MSG_MAX / 2];

        helper_last_line(export->helper, line, sizeof(line));
        return error_set(err, -EOWNERDEAD, "qemu-nbd has ended%s%s", line[0] ? ": " : "", line);
    }
    if (ret < 0) {
        return ret;
    }
    if (out->info.size < export_size(export)) {
        ret = error_set(err, -EINVAL,
                        "NBD server %s has an export of %" PRIu64 " bytes now; it had %" PRIu64,
                        export->uri, out->info.size, export_size(export));
    } else if (out->info.min_block > was->min_block) {
        ret = error_set(err, -EINVAL, "NBD server %s takes blocks of %u bytes now; it took %u",
                        export->uri, out->info.min_block, was->min_block);
    }
    if (ret == 0 && was->multi_conn && !out->info.multi_conn && !export->readonly) {
        ret = error_set(err, -EINVAL,
                        "NBD server %s does not offer several connections any more: a flush on one "
                        "would not cover the writes on another",
                        export->uri);
    }
    if (ret < 0) {
        nbd_close(out->nbd);
        out->nbd = NULL;
    }
    return ret;
}

uint64_t export_size(const struct nbd_export *export)
{
    return load_relaxed(&export->size);
}

int export_look(struct nbd_export *export, int cancel_fd)
{
    struct nbd_connection c;
    struct error err = {.msg = ""};
    int ret = connect_to(export->uri, export->readonly, cancel_fd, &c, &err);

    if (ret < 0) {
        return ret;
    }
    ret = c.info.size != export_size(export);
    store_relaxed(&export->size, c.info.size);
    nbd_aio_disconnect(c.nbd, 0);
    nbd_close(c.nbd);
    return ret;
}

/* In a callback of libnbd. 1: libnbd forgets the command. */
static int flushed(void *opaque, int *error)
{
    *(int *)opaque = *error;
    return 1;
}

int export_flush(const struct nbd_export *export, struct error *err)
{
    struct nbd_handle *nbd = export->first;
    int64_t deadline = now_ms() + ANSWER_MS;
    int num = -1;

    if (!export->info.can_flush) {
        return 0;
    }
    if (nbd_aio_flush(nbd, (nbd_completion_callback){.callback = flushed, .user_data = &num}, 0) <
        0) {
        return libnbd_error(export->uri, err);
    }
    while (num < 0) {
        int ret = step(nbd, export->uri, -1, deadline, err);

        if (ret < 0) {
            return ret;
        }
    }
    return num ? error_set(err, -num, "NBD server %s cannot flush: %s", export->uri, strerror(num))
               : 0;
}

void export_close(struct nbd_export *export)
{
    struct nbd_connection c;

    if (export_take(export, &c)) {
        nbd_aio_disconnect(c.nbd, 0);
        nbd_close(c.nbd);
    }
}
