// SPDX-License-Identifier: MIT
/*
 * console.c - text out, a byte at a time, to the debug port or to COM1
 */
#include <stdarg.h>

#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"

#define COM1_DATA   0x3f8
#define COM1_STATUS 0x3fd
#define COM1_THRE   0x20

static bool serial;

void console_use_serial(void)
{
    serial = true;
}

static void put(char c)
{
    if (!serial) {
        outb(BENCH_PORT_DEBUG, (uint8_t)c);
        return;
    }
    while (!(inb(COM1_STATUS) & COM1_THRE)) {
        ;
    }
    outb(COM1_DATA, (uint8_t)c);
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[20];
    unsigned n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n) {
        put(digits[--n]);
    }
}

static void vsay(const char *format, va_list args)
{
    bool wide;

    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        wide = *++format == 'l';
        format += wide;
        switch (*format) {
        case 's':
            for (const char *s = va_arg(args, const char *); *s; s++) {
                put(*s);
            }
            break;
        case 'u':
            put_number(wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), 10);
            break;
        case 'x':
            put_number(wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), 16);
            break;
        default:
            put(*format);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay(format, args);
    va_end(args);
}

void fail(int code, const char *format, ...)
{
    va_list args;

    say("error=");
    va_start(args, format);
    vsay(format, args);
    va_end(args);
    say("\n");
    leave(code);
}
