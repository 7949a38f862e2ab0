// SPDX-License-Identifier: MIT
#include "cli/sandbox-options.h"
#include "sandbox/sandbox.h"

static const char *choice_mode(unsigned i)
{
    static const char *const names[] = {
        [SANDBOX_ON] = "on", [SANDBOX_LOG] = "log", [SANDBOX_OFF] = "off"};

    return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

const struct option_key sandbox_keys[] = {
    {.name = "sandbox",
     .kind = OPTION_CHOICE,
     .metavar = "MODE",
     .choice = choice_mode,
     OPTION_AT(struct sandbox_args, mode)},
    {.name = NULL},
};

const struct option_key user_keys[] = {
    {.name = "user", .metavar = "NAME", .min = 1, OPTION_AT(struct sandbox_args, user)},
    {.name = NULL},
};
