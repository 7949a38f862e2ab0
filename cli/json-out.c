// SPDX-License-Identifier: MIT
#include <errno.h>

#include "cli/json-out.h"

int json_print(const json_t *root, FILE *out)
{
    int ret = root ? json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : -1;

    fputc('\n', out);
    return ret < 0 && !ferror(out) ? -ENOMEM : 0;
}
