// SPDX-License-Identifier: MIT
/* The 16550, driven by a guest and by hand. */
#include <string.h>

#include "kvm/serial.h"
#include "tests/vm/guest.h"

/* Echo what comes in until a 'q', by polling the line status register. */
GUEST_CODE(echo, "1: movw $0x3fd, %dx; inb %dx, %al; testb $1, %al; jz 1b;"
                 "movw $0x3f8, %dx; inb %dx, %al; cmpb $'q', %al; je 2f; outb %al, %dx; jmp 1b;"
                 "2: " GUEST_POWEROFF "3: jmp 3b");

START_TEST(guest_echoes_what_is_typed)
{
    struct guest_run run;

    guest_init(&run);
    run.input = "hello, serial port\nq";
    GUEST_CODE_RUN(&run, echo);
    ck_assert_int_eq(run.end, MACHINE_POWEROFF);
    ck_assert_str_eq(run.console, "hello, serial port\n");
}
END_TEST

/* A burst, then the end at once. */
GUEST_CODE(flood, "movl $7000, %ecx; movw $0x3f8, %dx; movb $'x', %al;"
                  "1: outb %al, %dx; decl %ecx; jnz 1b;" GUEST_POWEROFF "2: jmp 2b");

START_TEST(nothing_of_the_last_output_is_lost)
{
    struct guest_run run;

    guest_init(&run);
    GUEST_CODE_RUN(&run, flood);
    ck_assert_int_eq(run.end, MACHINE_POWEROFF);
    ck_assert_uint_eq(run.console_len, 7000);
    ck_assert_uint_eq(strspn(run.console, "x"), 7000);
}
END_TEST

/* --- by hand --- */

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

struct wire {
    struct serial s;
    char sent[64];
    unsigned nr_sent;
    bool level;
    unsigned edges; /* to high */
};

static void transmit(void *opaque, uint8_t byte)
{
    struct wire *w = opaque;

    w->sent[w->nr_sent++] = (char)byte;
}

static void interrupt(void *opaque, bool level)
{
    struct wire *w = opaque;

    ck_assert(level != w->level);
    w->level = level;
    w->edges += level;
}

static const struct serial_ops ops = {.transmit = transmit, .interrupt = interrupt};
static struct wire wire;

static void set_up(void)
{
    memset(&wire, 0, sizeof(wire));
    serial_init(&wire.s, &ops, &wire);
}

static void tear_down(void)
{
    serial_destroy(&wire.s);
}

START_TEST(divisor_latch_hides_data_and_interrupt_enable)
{
    serial_write(&wire.s, IER, 0x05);
    serial_write(&wire.s, LCR, 0x83);
    serial_write(&wire.s, DATA, 0x01);
    serial_write(&wire.s, IER, 0x02);
    ck_assert_uint_eq(serial_read(&wire.s, DATA), 0x01);
    ck_assert_uint_eq(serial_read(&wire.s, IER), 0x02);
    serial_write(&wire.s, LCR, 0x03);
    ck_assert_uint_eq(serial_read(&wire.s, IER), 0x05);
    ck_assert_uint_eq(wire.nr_sent, 0);
}
END_TEST

START_TEST(fifo_control_makes_it_a_16550a)
{
    ck_assert_uint_eq(serial_read(&wire.s, IIR), 0x01);
    serial_write(&wire.s, IIR, 0x01);
    ck_assert_uint_eq(serial_read(&wire.s, IIR), 0xc1);
    serial_write(&wire.s, SCR, 0xa5);
    ck_assert_uint_eq(serial_read(&wire.s, SCR), 0xa5);
}
END_TEST

START_TEST(receive_interrupt_lasts_until_all_is_read)
{
    serial_write(&wire.s, MCR, 0x08);
    serial_write(&wire.s, IER, 0x01);
    ck_assert(!wire.level);
    ck_assert_uint_eq(serial_receive(&wire.s, "ab", 2), 2);
    ck_assert(wire.level);
    ck_assert_uint_eq(serial_read(&wire.s, IIR), 0x04);
    ck_assert_uint_eq(serial_read(&wire.s, LSR), 0x61);
    ck_assert_uint_eq(serial_read(&wire.s, DATA), 'a');
    ck_assert(wire.level);
    ck_assert_uint_eq(serial_read(&wire.s, DATA), 'b');
    ck_assert(!wire.level);
    ck_assert_uint_eq(serial_read(&wire.s, LSR), 0x60);
    ck_assert_uint_eq(wire.edges, 1);
}
END_TEST

START_TEST(transmit_interrupt_is_acknowledged_by_reading_its_cause)
{
    serial_write(&wire.s, MCR, 0x08);
    serial_write(&wire.s, IER, 0x02); /* empty already: raises */
    ck_assert_uint_eq(wire.edges, 1);
    ck_assert_uint_eq(serial_read(&wire.s, IIR), 0x02);
    ck_assert(!wire.level);
    ck_assert_uint_eq(serial_read(&wire.s, IIR), 0x01);
    serial_write(&wire.s, DATA, 'x');
    ck_assert_uint_eq(wire.edges, 2);
    ck_assert_uint_eq(wire.nr_sent, 1);
    ck_assert_int_eq(wire.sent[0], 'x');
}
END_TEST

START_TEST(interrupts_pass_only_the_open_gate)
{
    serial_write(&wire.s, IER, 0x01);
    serial_receive(&wire.s, "a", 1);
    ck_assert(!wire.level);
    serial_write(&wire.s, MCR, 0x08); /* OUT2 */
    ck_assert(wire.level);
    serial_write(&wire.s, MCR, 0x18); /* loopback closes it */
    ck_assert(!wire.level);
}
END_TEST

START_TEST(loopback_returns_data_and_modem_lines)
{
    serial_write(&wire.s, MCR, 0x10 | 0x0a); /* RTS and OUT2, what Linux probes with */
    ck_assert_uint_eq(serial_read(&wire.s, MSR) & 0xf0, 0x90);
    serial_write(&wire.s, DATA, 'z');
    ck_assert_uint_eq(wire.nr_sent, 0);
    ck_assert_uint_eq(serial_read(&wire.s, DATA), 'z');
}
END_TEST

START_TEST(input_that_does_not_fit_is_refused_not_lost)
{
    static char lot[SERIAL_INPUT_SIZE + 10];

    ck_assert_uint_eq(serial_receive(&wire.s, lot, sizeof(lot)), SERIAL_INPUT_SIZE);
    ck_assert_uint_eq(serial_receive(&wire.s, "x", 1), 0);
    serial_read(&wire.s, DATA);
    ck_assert_uint_eq(serial_receive(&wire.s, "xy", 2), 1);
    for (unsigned i = 0; i < SERIAL_INPUT_SIZE - 1; i++) {
        ck_assert_uint_eq(serial_read(&wire.s, DATA), 0);
    }
    ck_assert_uint_eq(serial_read(&wire.s, DATA), 'x');
}
END_TEST

int main(void)
{
    Suite *s = suite_create("serial");
    TCase *guest = tcase_create("guest");
    TCase *hand = tcase_create("registers");

    tcase_add_test(guest, guest_echoes_what_is_typed);
    tcase_add_test(guest, nothing_of_the_last_output_is_lost);
    suite_add_tcase(s, guest);
    tcase_add_checked_fixture(hand, set_up, tear_down);
    tcase_add_test(hand, divisor_latch_hides_data_and_interrupt_enable);
    tcase_add_test(hand, fifo_control_makes_it_a_16550a);
    tcase_add_test(hand, receive_interrupt_lasts_until_all_is_read);
    tcase_add_test(hand, transmit_interrupt_is_acknowledged_by_reading_its_cause);
    tcase_add_test(hand, interrupts_pass_only_the_open_gate);
    tcase_add_test(hand, loopback_returns_data_and_modem_lines);
    tcase_add_test(hand, input_that_does_not_fit_is_refused_not_lost);
    suite_add_tcase(s, hand);
    return guest_main(s);
}
