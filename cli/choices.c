// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "aio/policy/policy.h"
#include "cli/choices.h"
#include "engine/engine.h"

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

static const struct {
    const char *name;
    int number;
} errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EAGAIN", EAGAIN}, {"ETIMEDOUT", ETIMEDOUT}};

const char *choice_errno(unsigned i)
{
    return i < sizeof(errors) / sizeof(errors[0]) ? errors[i].name : NULL;
}

int choice_errno_number(unsigned i)
{
    return errors[i].number;
}

unsigned choice_index(const char *(*choice)(unsigned i), const char *name)
{
    unsigned i = 0;

    while (strcmp(choice(i), name)) {
        i++;
    }
    return i;
}
