// SPDX-License-Identifier: MIT
/*
 * A 16550A serial port (PC16550D data sheet) without overruns: the transmitter is always empty, and
 * received characters wait in a queue behind the receive buffer until the guest reads them. Baud
 * rate, parity and modem control can be read back and have no effect.
 */
#ifndef POLLUX_KVM_SERIAL_H
#define POLLUX_KVM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_INPUT_SIZE 4096

struct serial_ops {
    void (*transmit)(void *opaque, uint8_t byte); /* called without the lock */
    void (*interrupt)(void *opaque, bool level);  /* on changes only */
};

struct serial {
    const struct serial_ops *ops;
    void *opaque;
    pthread_mutex_t lock; /* all below */
    uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
    bool thr_empty_pending; /* the guest has not acknowledged "transmitter empty" */
    bool level;             /* of the interrupt line */
    size_t head, len;
    uint8_t input[SERIAL_INPUT_SIZE];
};

void serial_init(struct serial *s, const struct serial_ops *ops, void *opaque);
void serial_destroy(struct serial *s);

/**
 * serial_read, serial_write - the guest accesses register @reg, 0..7
 * Context: any vCPU thread.
 */
uint8_t serial_read(struct serial *s, unsigned reg);
void serial_write(struct serial *s, unsigned reg, uint8_t value);

/**
 * serial_receive - put characters into the receive queue
 * Context: any thread. Return: the number queued; the others do not fit.
 */
size_t serial_receive(struct serial *s, const void *data, size_t len);

#endif
