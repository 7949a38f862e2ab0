// SPDX-License-Identifier: MIT
/* Each access updates the registers and the interrupt line under the lock. */
#include <string.h>

#include "kvm/serial.h"

enum {
    REG_DATA = 0, /* receive and transmit buffer; with DLAB the divisor's low byte */
    REG_IER = 1,  /* interrupt enable; with DLAB the divisor's high byte */
    REG_IIR = 2,  /* read: interrupt identification; write: FIFO control */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,

    IER_RECEIVED = 1u << 0,
    IER_TRANSMIT_EMPTY = 1u << 1,
    IER_MASK = 0x0f,
    IIR_NONE = 0x01,
    IIR_TRANSMIT_EMPTY = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_FIFO = 0xc0,
    FCR_ENABLE = 1u << 0,
    LCR_DLAB = 1u << 7,
    MCR_DTR = 1u << 0,
    MCR_RTS = 1u << 1,
    MCR_OUT1 = 1u << 2,
    MCR_OUT2 = 1u << 3, /* on a PC, the gate of the interrupt line */
    MCR_LOOP = 1u << 4,
    MCR_MASK = 0x1f,
    LSR_DATA_READY = 1u << 0,
    LSR_TRANSMIT_EMPTY = 0x60, /* holding register and shift register */
    MSR_CTS = 1u << 4,
    MSR_DSR = 1u << 5,
    MSR_RI = 1u << 6,
    MSR_DCD = 1u << 7,
};

void serial_init(struct serial *s, const struct serial_ops *ops, void *opaque)
{
    memset(s, 0, sizeof(*s));
    s->ops = ops;
    s->opaque = opaque;
    s->dll = 12; /* 9600 baud, as at reset of a PC */
    pthread_mutex_init(&s->lock, NULL);
}

void serial_destroy(struct serial *s)
{
    pthread_mutex_destroy(&s->lock);
}

static uint8_t pending(const struct serial *s)
{
    if (s->ier & IER_RECEIVED && s->len) {
        return IIR_RECEIVED;
    }
    if (s->ier & IER_TRANSMIT_EMPTY && s->thr_empty_pending) {
        return IIR_TRANSMIT_EMPTY;
    }
    return IIR_NONE;
}

static void update_interrupt(struct serial *s)
{
    bool gate = s->mcr & MCR_OUT2 && !(s->mcr & MCR_LOOP);
    bool level = gate && pending(s) != IIR_NONE;

    if (level != s->level) {
        s->level = level;
        s->ops->interrupt(s->opaque, level);
    }
}

static bool push(struct serial *s, uint8_t byte)
{
    if (s->len == SERIAL_INPUT_SIZE) {
        return false;
    }
    s->input[(s->head + s->len++) % SERIAL_INPUT_SIZE] = byte;
    return true;
}

static uint8_t pop(struct serial *s)
{
    uint8_t byte = 0;

    if (s->len) {
        byte = s->input[s->head];
        s->head = (s->head + 1) % SERIAL_INPUT_SIZE;
        s->len--;
    }
    return byte;
}

static uint8_t modem_status(const struct serial *s)
{
    if (!(s->mcr & MCR_LOOP)) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (uint8_t)((s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static uint8_t identify_interrupt(struct serial *s)
{
    uint8_t iir = pending(s);

    if (iir == IIR_TRANSMIT_EMPTY) {
        s->thr_empty_pending = false; /* a read of IIR acknowledges it */
    }
    return (uint8_t)(iir | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static uint8_t read_register(struct serial *s, unsigned reg)
{
    bool dlab = s->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        return dlab ? s->dll : pop(s);
    case REG_IER:
        return dlab ? s->dlm : s->ier;
    case REG_IIR:
        return identify_interrupt(s);
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        return (uint8_t)(LSR_TRANSMIT_EMPTY | (s->len ? LSR_DATA_READY : 0));
    case REG_MSR:
        return modem_status(s);
    default:
        return s->scr;
    }
}

uint8_t serial_read(struct serial *s, unsigned reg)
{
    uint8_t value;

    pthread_mutex_lock(&s->lock);
    value = read_register(s, reg);
    update_interrupt(s);
    pthread_mutex_unlock(&s->lock);
    return value;
}

static void write_register(struct serial *s, unsigned reg, uint8_t value)
{
    bool dlab = s->lcr & LCR_DLAB;

    switch (reg) {
    case REG_IER:
        if (dlab) {
            s->dlm = value;
            break;
        }
        if (value & ~s->ier & IER_TRANSMIT_EMPTY) {
            s->thr_empty_pending = true; /* enabling the interrupt while empty raises it */
        }
        s->ier = value & IER_MASK;
        break;
    case REG_IIR:
        s->fcr =
            value; /* "clear receiver" keeps the queue: it models characters not yet received */
        break;
    case REG_LCR:
        s->lcr = value;
        break;
    case REG_MCR:
        s->mcr = value & MCR_MASK;
        break;
    case REG_SCR:
        s->scr = value;
        break;
    default:
        break; /* LSR and MSR are read-only */
    }
}

/* Return: true if @value is to be transmitted. */
static bool write_data(struct serial *s, uint8_t value)
{
    if (s->lcr & LCR_DLAB) {
        s->dll = value;
        return false;
    }
    s->thr_empty_pending = true; /* the byte is sent at once */
    if (s->mcr & MCR_LOOP) {
        push(s, value);
        return false;
    }
    return true;
}

void serial_write(struct serial *s, unsigned reg, uint8_t value)
{
    bool transmit = false;

    pthread_mutex_lock(&s->lock);
    if (reg == REG_DATA) {
        transmit = write_data(s, value);
    } else {
        write_register(s, reg, value);
    }
    update_interrupt(s);
    pthread_mutex_unlock(&s->lock);
    if (transmit) {
        s->ops->transmit(s->opaque, value);
    }
}

size_t serial_receive(struct serial *s, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t n = 0;

    pthread_mutex_lock(&s->lock);
    while (n < len && push(s, p[n])) {
        n++;
    }
    update_interrupt(s);
    pthread_mutex_unlock(&s->lock);
    return n;
}
