// SPDX-License-Identifier: MIT
/*
 * A vhost-user front end in C: the fake driver's memory is a memfd, which the back end maps, and its
 * rings and event descriptors go over the socket. A call for each message; a message that a good
 * front end would not send is made with front_end_send().
 *
 * Each ring has a fake driver and a memory region of its own.
 */
#ifndef POLLUX_TESTS_UNIT_VHOST_FRONT_END_H
#define POLLUX_TESTS_UNIT_VHOST_FRONT_END_H

#include "tests/unit/fake-driver.h"
#include "vhost/protocol.h"

#define FRONT_END_RINGS 4
#define FRONT_END_FDS   16 /* more than a message may have */

struct front_end_options {
    unsigned nr_rings; /* 0: 1 */
    unsigned ring_size;
    bool event_idx, packed;
};

struct front_end {
    int fd;
    int backend_fd; /* requests of the back end come here; -1: none */
    bool acks;      /* REPLY_ACK is negotiated: each message is sent with NEED_ACK */
    unsigned nr_rings;
    bool event_idx, packed;
    struct fake_driver drv[FRONT_END_RINGS];
    int mem_fd[FRONT_END_RINGS];
    uint32_t base[FRONT_END_RINGS]; /* where front_end_go_live() begins, as on the socket */

    int inflight_fd; /* -1: no record of requests in flight */
    struct vhost_inflight inflight;
};

/* front_end_init - guest memory and rings, no connection yet */
void front_end_init(struct front_end *fe, const struct front_end_options *options);
void front_end_destroy(struct front_end *fe);

void front_end_connect(struct front_end *fe, const char *path);
void front_end_hang_up(struct front_end *fe);

/* front_end_go_live - connect, negotiate, memory, record if there is one, all rings */
void front_end_go_live(struct front_end *fe, const char *path);

/* front_end_begin - the rings are empty, and front_end_go_live() begins at their start */
void front_end_begin(struct front_end *fe);

/* --- messages --- */

/* front_end_send - send a message as it is, with any flags */
void front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
                    size_t size, const int *fds, unsigned nr_fds);

/* front_end_write - send bytes that need not be a message, @nr_fds descriptors with the first one */
void front_end_write(struct front_end *fe, const void *bytes, size_t size, const int *fds,
                     unsigned nr_fds);

/* front_end_reply - wait for the reply to @request. Return: bytes of its payload; *@fd is a
 * descriptor that came with it or -1; NULL: none may come */
size_t front_end_reply(struct front_end *fe, uint32_t request, union vhost_payload *payload,
                       int *fd);

/* front_end_ack - wait for the answer to NEED_ACK, and expect success; nothing without REPLY_ACK */
void front_end_ack(struct front_end *fe, uint32_t request);

/* front_end_ask - send a message and do not wait; front_end_set - and wait for its ack */
void front_end_ask(struct front_end *fe, uint32_t request, const void *payload, size_t size,
                   const int *fds, unsigned nr_fds);
void front_end_set(struct front_end *fe, uint32_t request, const void *payload, size_t size,
                   const int *fds, unsigned nr_fds);

void front_end_set_u64(struct front_end *fe, uint32_t request, uint64_t value);
uint64_t front_end_get_u64(struct front_end *fe, uint32_t request);

/* front_end_negotiate - all features that the driver knows, all protocol features */
void front_end_negotiate(struct front_end *fe);

struct vhost_region front_end_region(const struct front_end *fe, unsigned i);
/* front_end_table - of all rings. Return: bytes of the message */
size_t front_end_table(const struct front_end *fe, struct vhost_mem_table *table);
void front_end_set_memory(struct front_end *fe);
void front_end_add_memory(struct front_end *fe, unsigned i);
void front_end_remove_memory(struct front_end *fe, unsigned i);

struct vhost_vring_addr front_end_addr(const struct front_end *fe, unsigned i);
/* front_end_set_ring - size, addresses, base and call descriptor; front_end_start_ring - that, the
 * kick descriptor and enable */
void front_end_set_ring(struct front_end *fe, unsigned i);
void front_end_start_ring(struct front_end *fe, unsigned i);
void front_end_set_kick(struct front_end *fe, unsigned i);
void front_end_set_call(struct front_end *fe, unsigned i, int fd);
void front_end_enable(struct front_end *fe, unsigned i, bool enable);

/* front_end_stop_ring - GET_VRING_BASE, which fe->base[i] becomes */
void front_end_stop_ring(struct front_end *fe, unsigned i);

/* front_end_get_record - let the back end make a record of requests in flight, and use it */
void front_end_get_record(struct front_end *fe, unsigned entries);
void front_end_set_record(struct front_end *fe);

/* front_end_set_backend - make a socket for the back end's requests */
void front_end_set_backend(struct front_end *fe);
/* front_end_await_request - wait for a request of the back end. Return: its number */
uint32_t front_end_await_request(struct front_end *fe);

/* front_end_await_end - wait until the back end has hung up */
void front_end_await_end(struct front_end *fe);

/* --- the driver --- */

/* front_end_do - offer a chain on ring @i and wait for it. Return: its status */
uint8_t front_end_do(struct front_end *fe, unsigned i, uint16_t head);

/* front_end_reap - wait for one request on ring @i. Return: its head */
uint16_t front_end_reap(struct front_end *fe, unsigned i);

#endif
