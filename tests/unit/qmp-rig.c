// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/listen.h"
#include "tests/unit/qmp-rig.h"

static void pause_guest(void *opaque)
{
    ((struct qmp_rig *)opaque)->paused = true;
}

static void resume_guest(void *opaque)
{
    ((struct qmp_rig *)opaque)->paused = false;
}

static bool guest_paused(void *opaque)
{
    return ((struct qmp_rig *)opaque)->paused;
}

static void press_power(void *opaque)
{
    ((struct qmp_rig *)opaque)->powerdowns++;
}

static void reset_guest(void *opaque)
{
    ((struct qmp_rig *)opaque)->resets++;
}

static int cpu_tid(void *opaque, unsigned cpu)
{
    return 1000 + (int)cpu;
}

static void quit(void *opaque)
{
    ((struct qmp_rig *)opaque)->quits++;
}

static int resized(void *opaque, unsigned i, struct error *err)
{
    struct qmp_rig *rig = opaque;

    rig->resizes++;
    return image_update_size(&rig->disks[i]->image, "disk0", err);
}

static const struct qmp_guest_ops guest_ops = {
    .pause = pause_guest,
    .resume = resume_guest,
    .paused = guest_paused,
    .powerdown = press_power,
    .reset = reset_guest,
    .cpu_tid = cpu_tid,
};

/* A file of 1 MiB, so that block_resize has something to resize. */
static void make_disk(struct qmp_rig *rig)
{
    const struct disk_log log = {0};
    struct error err = {""};
    static char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "%s/disk", rig->dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(ftruncate(fileno(f), 1 << 20), 0);
    fclose(f);
    rig->disk_config = (struct disk_config){
        .name = "disk0",
        .image = {.path = path, .raw = true},
        .engine = &engine_threads,
        .engine_named = true,
        .iothreads = {"io0"},
    };
    rig->disks[0] = &rig->disk;
    ck_assert_msg(disk_open(&rig->disk, &rig->disk_config, &log, &err) == 0, "%s", err.msg);
    ck_assert_msg(disk_make(&rig->disk, &rig->iothreads, rig->mem, NULL, NULL, &log, &err) == 0,
                  "%s", err.msg);
}

void qmp_rig_init(struct qmp_rig *rig, bool guest)
{
    struct poll_params block = {.policy = &poll_policy_block};
    struct error err = {""};
    struct qmp_target target = {.version = {1, 2, 3},
                                .iothread_configs = &rig->iothread_config,
                                .nr_iothreads = 1,
                                .disks = rig->disks,
                                .nr_disks = 1,
                                .guest = guest ? &guest_ops : NULL,
                                .nr_cpus = 2,
                                .quit = quit,
                                .resized = resized,
                                .opaque = rig};

    *rig = (struct qmp_rig){.dir = "/tmp/qmp-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof(rig->path), "%s/socket", rig->dir);
    rig->mem = calloc(1, sizeof(*rig->mem));
    rig->iothread_config = (struct iothread_config){.id = "io0"};
    poll_params_default(&rig->iothread_config.poll);
    ck_assert_int_eq(iothread_set_start(&rig->iothreads, &rig->iothread_config, 1, NULL, &err), 0);
    make_disk(rig);
    rig->loop = loop_new_with(0, block, virtual_clock);
    rig->listen_fd = listen_at_path(rig->path, 0600, &err);
    ck_assert_msg(rig->listen_fd >= 0, "%s", err.msg);
    target.iothreads = rig->iothreads.threads;
    ck_assert_int_eq(qmp_server_new(rig->loop, rig->listen_fd, &target, &rig->server, &err), 0);
}

void qmp_rig_destroy(struct qmp_rig *rig)
{
    char path[64];

    qmp_server_free(rig->server);
    close(rig->listen_fd);
    unlink(rig->path);
    disk_free_device(&rig->disk);
    iothread_set_stop(&rig->iothreads);
    disk_close(&rig->disk);
    snprintf(path, sizeof(path), "%s/disk", rig->dir);
    unlink(path);
    rmdir(rig->dir);
    free(rig->mem);
    loop_free(rig->loop);
}

void qmp_rig_step(struct qmp_rig *rig)
{
    loop_drain(rig->loop);
}

void qmp_connect_socket(struct qmp_rig *rig, int fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    strcpy(addr.sun_path, rig->path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    qmp_rig_step(rig);
}

int qmp_connect(struct qmp_rig *rig)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    qmp_connect_socket(rig, fd);
    return fd;
}

bool qmp_send(struct qmp_rig *rig, int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            return false;
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
        qmp_rig_step(rig);
    }
    return true;
}

json_t *qmp_read(int fd)
{
    static char line[1 << 20];
    json_error_t why;
    json_t *json;
    size_t len = 0;

    while (len < sizeof(line) && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n') {
        len++;
    }
    if (len == 0) {
        return NULL;
    }
    ck_assert_int_eq(line[len - 1], '\r');
    json = json_loadb(line, len, 0, &why);
    ck_assert_msg(json != NULL, "%s: %.*s", why.text, (int)len, line);
    return json;
}

bool qmp_ended(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

json_t *qmp_say(struct qmp_rig *rig, int fd, const char *message)
{
    json_t *line;

    ck_assert(qmp_send(rig, fd, message, strlen(message)));
    line = qmp_read(fd);
    ck_assert_msg(line != NULL, "no answer to %s", message);
    return line;
}

json_t *qmp_ask(struct qmp_rig *rig, int fd, const char *command, const char *arguments)
{
    json_t *line, *result;
    char message[1024];

    snprintf(message, sizeof(message), "{\"execute\":\"%s\"%s%s}", command,
             arguments ? ",\"arguments\":" : "", arguments ? arguments : "");
    line = qmp_say(rig, fd, message);
    result = json_incref(json_object_get(line, "return"));
    ck_assert_msg(result != NULL, "%s: %s", message,
                  json_string_value(json_object_get(json_object_get(line, "error"), "desc")));
    json_decref(line);
    return result;
}

void qmp_do(struct qmp_rig *rig, int fd, const char *command, const char *arguments)
{
    json_t *result = qmp_ask(rig, fd, command, arguments);

    ck_assert(json_is_object(result) && json_object_size(result) == 0);
    json_decref(result);
}

int qmp_open(struct qmp_rig *rig)
{
    int fd = qmp_connect(rig);
    json_t *greeting = qmp_read(fd);

    ck_assert_ptr_nonnull(json_object_get(greeting, "QMP"));
    json_decref(greeting);
    qmp_do(rig, fd, "qmp_capabilities", NULL);
    return fd;
}

void qmp_assert_error(struct qmp_rig *rig, int fd, const char *message, const char *class,
                      const char *desc)
{
    json_t *line = qmp_say(rig, fd, message), *error = json_object_get(line, "error");
    const char *text = json_string_value(json_object_get(error, "desc"));

    ck_assert_msg(error != NULL, "%.100s succeeded", message);
    ck_assert_str_eq(json_string_value(json_object_get(error, "class")), class);
    ck_assert_msg(strstr(text, desc) != NULL, "%.100s: \"%s\", not \"%s\"", message, text, desc);
    json_decref(line);
}

json_t *qmp_assert_event(struct qmp_rig *rig, int fd, const char *name)
{
    json_t *line, *data, *stamp;

    qmp_rig_step(rig);
    line = qmp_read(fd);
    ck_assert_msg(line != NULL, "no event, not %s", name);
    ck_assert_str_eq(json_string_value(json_object_get(line, "event")), name);
    stamp = json_object_get(line, "timestamp");
    ck_assert(json_integer_value(json_object_get(stamp, "seconds")) > 0);
    ck_assert(json_is_integer(json_object_get(stamp, "microseconds")));
    data = json_incref(json_object_get(line, "data"));
    json_decref(line);
    return data;
}
