// SPDX-License-Identifier: MIT
/*
 * The table of poll policies, their parameters, and the memory of their instances.
 */
#include "aio/policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct poll_policy_ops *const policies[] = {
    &poll_policy_block,    &poll_policy_fixed, &poll_policy_grow_shrink,
    &poll_policy_weighted, &poll_policy_cost,
};

const struct poll_policy_ops *poll_policy_at(unsigned i)
{
    return i < sizeof(policies) / sizeof(policies[0]) ? policies[i] : NULL;
}

void poll_params_default(struct poll_params *p)
{
    *p = (struct poll_params){
        .policy = &poll_policy_cost,
        .max_ns = POLL_MAX_NS_DEFAULT,
        .contention = true,
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
    list_init(&p->counted);
    list_init(&p->ready);
    p->data = malloc(data_size());
    if (!p->data) {
        return -ENOMEM;
    }
    poll_contention_init(&p->contention);
    poll_policy_change(p, params);
    return 0;
}

void poll_policy_change(struct poll_policy *p, const struct poll_params *params)
{
    p->ops = params->policy;
    p->params = *params;
    p->asked = false;
    poll_budget_init(&p->budget, params->cpu_max);
    poll_contention_reset(&p->contention);
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

uint64_t poll_policy_window(struct poll_policy *p, uint64_t now)
{
    uint64_t window;

    p->asked = p->params.max_ns && !list_empty(&p->sources);
    if (!p->asked) {
        return 0;
    }
    window = p->ops->window(p, now);
    if (window > p->params.max_ns) {
        window = p->params.max_ns;
    }
    window = poll_budget_cut(&p->budget, now, window);
    return poll_contention_cut(&p->contention, window);
}

void poll_policy_event(struct poll_policy *p, struct poll_source *s)
{
    s->was_polled = !list_empty(&s->node);
    list_add_tail(&p->ready, &s->ready_node);
}

void poll_policy_wait_done(struct poll_policy *p, const struct poll_wait *w)
{
    poll_budget_spend(&p->budget, w->polled_ns);
    poll_contention_spend(&p->contention, w->polled_ns);
    while (!list_empty(&p->ready)) {
        struct poll_source *s = list_entry(p->ready.next, struct poll_source, ready_node);

        list_del(&s->ready_node);
        if (p->asked && p->ops->event) {
            p->ops->event(p, s, w);
        }
    }
    if (p->asked && p->ops->wait_done) {
        p->ops->wait_done(p, w);
    }
    p->asked = false;
}

void poll_policy_progress(struct poll_policy *p, uint64_t now, const struct poll_progress *progress)
{
    poll_contention_sample(&p->contention, now, progress);
}

uint64_t poll_policy_wake_ns(const struct poll_policy *p)
{
    return p->ops->wake_ns ? p->ops->wake_ns(p) : 0;
}

int poll_policy_describe(const struct poll_policy *p, char *buf, size_t len)
{
    const struct poll_contention *c = &p->contention;
    int n = p->ops->describe ? p->ops->describe(p, buf, len) : snprintf(buf, len, "%s", "");

    if (n >= 0 && (size_t)n < len && c->state != POLL_FREE) {
        n += snprintf(buf + n, len - (size_t)n, "%sbusy host: %s", n ? "; " : "",
                      c->state == POLL_TRIAL ? "trial of polling"
                      : c->block             ? "blocking"
                                             : "polling");
    }
    return n;
}

int poll_source_init(struct poll_source *s, struct poll_policy *p, const unsigned *in_flight)
{
    list_init(&s->node);
    list_init(&s->counted_node);
    list_init(&s->ready_node);
    s->in_flight = in_flight;
    s->look_ns = 0;
    s->record_id = 0;
    s->was_polled = false;
    s->data = calloc(1, source_data_size());
    if (!s->data) {
        return -ENOMEM;
    }
    if (in_flight) {
        list_add_tail(&p->counted, &s->counted_node);
    }
    return 0;
}

void poll_source_reset(struct poll_source *s)
{
    memset(s->data, 0, source_data_size());
}

void poll_source_join(struct poll_source *s, struct poll_policy *p)
{
    list_add_tail(&p->sources, &s->node);
}

void poll_source_leave(struct poll_source *s)
{
    list_del(&s->node);
}

void poll_source_destroy(struct poll_source *s)
{
    list_del(&s->node);
    list_del(&s->counted_node);
    list_del(&s->ready_node);
    free(s->data);
    s->data = NULL;
}
