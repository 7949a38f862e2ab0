// SPDX-License-Identifier: MIT
/* Formatting of error messages. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int error_prefix(struct error *err, int num, const char *fmt, ...)
{
    char message[ERROR_MSG_MAX];
    size_t len;
    va_list ap;

    if (err) {
        strcpy(message, err->msg);
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
        len = strlen(err->msg);
        snprintf(err->msg + len, sizeof(err->msg) - len, "%s", message);
    }
    return num;
}
