// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/json-text.h"

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    char *ascii = string ? NULL : strdup(text);

    for (char *c = ascii; c && *c; c++) {
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    }
    string = ascii ? json_string(ascii) : string;
    free(ascii);
    return string;
}
