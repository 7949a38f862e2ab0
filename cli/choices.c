// SPDX-License-Identifier: MIT
#include <string.h>

#include "aio/engine.h"
#include "aio/policy.h"
#include "cli/choices.h"

const char *choice_policy(unsigned i)
{
    const struct poll_policy_ops *ops = poll_policy_at(i);

    return ops ? ops->name : NULL;
}

const char *choice_policy_about(unsigned i)
{
    return poll_policy_at(i)->summary;
}

const char *choice_engine(unsigned i)
{
    const struct engine_ops *ops = engine_at(i);

    return ops ? ops->name : NULL;
}

const char *choice_engine_about(unsigned i)
{
    return engine_at(i)->summary;
}

unsigned choice_index(const char *(*choice)(unsigned i), const char *name)
{
    unsigned i = 0;

    while (strcmp(choice(i), name)) {
        i++;
    }
    return i;
}
