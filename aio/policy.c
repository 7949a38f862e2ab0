// SPDX-License-Identifier: MIT
/*
 * What all poll policies share: the table of them, parameters, and the memory of instances.
 */
#include "aio/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct poll_policy_ops *const policies[] = {
    &poll_policy_block,
    &poll_policy_fixed,
    &poll_policy_grow_shrink,
    &poll_policy_weighted,
};

const struct poll_policy_ops *poll_policy_at(unsigned i)
{
    return i < sizeof(policies) / sizeof(policies[0]) ? policies[i] : NULL;
}

const struct poll_policy_ops *poll_policy_find(const char *name)
{
    const struct poll_policy_ops *ops;

    for (unsigned i = 0; (ops = poll_policy_at(i)); i++) {
        if (!strcmp(ops->name, name)) {
            return ops;
        }
    }
    return NULL;
}

void poll_params_default(struct poll_params *p)
{
    *p = (struct poll_params){
        .policy = &poll_policy_grow_shrink,
        .max_ns = POLL_MAX_NS_DEFAULT,
    };
}

static int zalloc(size_t size, void **out)
{
    *out = size ? calloc(1, size) : NULL;
    return size && !*out ? -ENOMEM : 0;
}

int poll_policy_init(struct poll_policy *p, const struct poll_params *params)
{
    p->ops = params->policy;
    p->params = *params;
    list_init(&p->sources);
    if (zalloc(p->ops->size, &p->data) < 0) {
        return -ENOMEM;
    }
    if (p->ops->init) {
        p->ops->init(p);
    }
    return 0;
}

void poll_policy_destroy(struct poll_policy *p)
{
    free(p->data);
    p->data = NULL;
}

int poll_source_init(struct poll_source *s, const struct poll_policy *p, const unsigned *expected)
{
    list_init(&s->node);
    s->expected = expected;
    return zalloc(p->ops->source_size, &s->data);
}

void poll_source_destroy(struct poll_source *s)
{
    list_del(&s->node);
    free(s->data);
    s->data = NULL;
}
