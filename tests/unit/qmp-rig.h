// SPDX-License-Identifier: MIT
/*
 * A QMP server with a fake guest, an I/O thread and a disk without a file, on a loop that the test
 * steps by hand, and clients that connect to it.
 */
#ifndef POLLUX_TESTS_UNIT_QMP_RIG_H
#define POLLUX_TESTS_UNIT_QMP_RIG_H

#include <jansson.h>

#include "control/qmp.h"
#include "tests/unit/loop-fixture.h"

struct qmp_rig {
    AioContext *loop;
    char dir[32], path[64];
    int listen_fd;
    struct iothread_set iothreads;
    struct iothread_config iothread_config;
    struct disk disk;
    struct disk_config disk_config;
    struct disk *disks[1];
    struct guest_memory *mem;
    struct qmp_server *server;

    /* The fake guest, and what was asked of it. */
    bool paused;
    unsigned powerdowns, resets, quits, resizes;
};

/* @guest: with a guest, as `pollux run`; else as `pollux vhost-user` */
void qmp_rig_init(struct qmp_rig *rig, bool guest);
void qmp_rig_destroy(struct qmp_rig *rig);

/* qmp_rig_step - run the loop until it has nothing to do */
void qmp_rig_step(struct qmp_rig *rig);

/* qmp_connect - Return: a non-blocking socket, connected; the greeting is not read */
int qmp_connect(struct qmp_rig *rig);

/* qmp_connect_socket - the same with a socket of the caller */
void qmp_connect_socket(struct qmp_rig *rig, int fd);

/* qmp_open - connect, read the greeting, negotiate */
int qmp_open(struct qmp_rig *rig);

/* qmp_send - send @len bytes and let the server have them. Return: false if it has hung up */
bool qmp_send(struct qmp_rig *rig, int fd, const void *data, size_t len);

/* qmp_read - the next line from the server, as JSON; NULL: there is none now */
json_t *qmp_read(int fd);

/* qmp_ended - has the server hung up, with nothing left to read? */
bool qmp_ended(int fd);

/* qmp_say - send a message. Return: the next line from the server */
json_t *qmp_say(struct qmp_rig *rig, int fd, const char *message);

/* qmp_ask - run a command; asserts success. Return: what it returned, a new reference */
json_t *qmp_ask(struct qmp_rig *rig, int fd, const char *command, const char *arguments);

/* qmp_do - the same, and nothing but an empty object is returned */
void qmp_do(struct qmp_rig *rig, int fd, const char *command, const char *arguments);

/* qmp_assert_error - send a message; asserts that the answer is an error with @class and @desc in it */
void qmp_assert_error(struct qmp_rig *rig, int fd, const char *message, const char *class,
                      const char *desc);

/* qmp_assert_event - asserts that the next line is this event. Return: its data, new or NULL */
json_t *qmp_assert_event(struct qmp_rig *rig, int fd, const char *name);

#endif
