// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json-out.h"

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

int json_print(const json_t *root, FILE *out)
{
    int ret = root ? json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : -1;

    fputc('\n', out);
    return ret < 0 && !ferror(out) ? -ENOMEM : 0;
}
