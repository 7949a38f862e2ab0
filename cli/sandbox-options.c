// SPDX-License-Identifier: MIT
#include "cli/sandbox-options.h"

const struct option_key user_keys[] = {
    {.name = "user", .metavar = "NAME", .min = 1, OPTION_AT(struct sandbox_args, user)},
    {.name = NULL},
};
