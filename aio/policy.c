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

/*
 * Data is allocated at the largest size that any policy wants, so that changing the policy of a
 * running loop can't fail half way.
 */
static size_t data_size(void)
{
    size_t size = 1;

    for (unsigned i = 0; poll_policy_at(i); i++) {
        size = poll_policy_at(i)->size > size ? poll_policy_at(i)->size : size;
    }
    return size;
}

static size_t source_data_size(void)
{
    size_t size = 1;

    for (unsigned i = 0; poll_policy_at(i); i++) {
        size = poll_policy_at(i)->source_size > size ? poll_policy_at(i)->source_size : size;
    }
    return size;
}

int poll_policy_init(struct poll_policy *p, const struct poll_params *params)
{
    list_init(&p->sources);
    p->data = malloc(data_size());
    if (!p->data) {
        return -ENOMEM;
    }
    poll_policy_change(p, params);
    return 0;
}

void poll_policy_change(struct poll_policy *p, const struct poll_params *params)
{
    p->ops = params->policy;
    p->params = *params;
    memset(p->data, 0, data_size());
    if (p->ops->init) {
        p->ops->init(p);
    }
}

void poll_policy_destroy(struct poll_policy *p)
{
    free(p->data);
    p->data = NULL;
}

int poll_source_init(struct poll_source *s, const unsigned *expected)
{
    list_init(&s->node);
    s->expected = expected;
    s->data = calloc(1, source_data_size());
    return s->data ? 0 : -ENOMEM;
}

void poll_source_reset(struct poll_source *s)
{
    memset(s->data, 0, source_data_size());
}

void poll_source_destroy(struct poll_source *s)
{
    list_del(&s->node);
    free(s->data);
    s->data = NULL;
}
