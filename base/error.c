// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

int error_set(struct error *err, int num, const char *fmt, ...)
{
    va_list ap;

    if (err) {
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
    }
    return num;
}
