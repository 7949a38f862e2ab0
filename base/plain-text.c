// SPDX-License-Identifier: MIT
#include "base/plain-text.h"

void plain_text(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text && text[n] && n + 1 < size; n++) {
        out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    }
    out[n] = '\0';
}
