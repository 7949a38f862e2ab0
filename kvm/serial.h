// SPDX-License-Identifier: MIT
/*
 * A 16550A serial port (PC16550D data sheet), with a wire that never loses a character: output is
 * always sent at once, and what comes in waits in a queue behind the receive buffer until the guest
 * reads it. Baud rate, parity and modem lines are remembered and have no effect.
 */
#ifndef POLLUX_KVM_SERIAL_H
#define POLLUX_KVM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_INPUT_SIZE 4096

struct serial_ops {
    void (*transmit)(void *opaque, uint8_t byte); /* called without the port's lock */
    void (*interrupt)(void *opaque, bool level);  /* on changes only */
};

struct serial {
    const struct serial_ops *ops;
    void *opaque;
    pthread_mutex_t lock; /* all below */
    uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
    bool thr_empty_pending; /* the "transmitter empty" interrupt was not seen yet */
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
 * serial_receive - characters come in over the wire
 * Context: any thread. Return: how many were taken, the rest does not fit.
 */
size_t serial_receive(struct serial *s, const void *data, size_t len);

#endif
