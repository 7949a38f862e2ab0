// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/msi-routes.h"

void msi_routes_init(struct msi_routes *r, const struct vm *vm)
{
    *r = (struct msi_routes){.vm = vm};
    pthread_mutex_init(&r->lock, NULL);
}

void msi_routes_destroy(struct msi_routes *r)
{
    free(r->routes);
    pthread_mutex_destroy(&r->lock);
    *r = (struct msi_routes){0};
}

int msi_routes_reserve(struct msi_routes *r, unsigned nr)
{
    unsigned all = r->nr_gsis + nr;
    struct vm_msi_route *routes = realloc(r->routes, all * sizeof(*routes));

    if (!routes) {
        return -ENOMEM;
    }
    r->routes = routes;
    r->nr_gsis = all;
    return (int)(VM_FIRST_MSI_GSI + all - nr);
}

/* The route of @gsi, which the caller writes; a new one if @gsi has none. */
static struct vm_msi_route *route_of(struct msi_routes *r, uint32_t gsi)
{
    for (unsigned i = 0; i < r->nr; i++) {
        if (r->routes[i].gsi == gsi) {
            return &r->routes[i];
        }
    }
    return &r->routes[r->nr++];
}

int msi_routes_set(struct msi_routes *r, const struct vm_msi_route *changes, unsigned nr)
{
    struct vm_msi_route *before;
    unsigned nr_before;
    int ret;

    pthread_mutex_lock(&r->lock);
    nr_before = r->nr;
    before = malloc((nr_before + 1) * sizeof(*before));
    if (!before) {
        pthread_mutex_unlock(&r->lock);
        return -ENOMEM;
    }
    memcpy(before, r->routes, nr_before * sizeof(*before));
    for (unsigned i = 0; i < nr; i++) {
        *route_of(r, changes[i].gsi) = changes[i];
    }
    ret = vm_set_routes(r->vm, r->routes, r->nr);
    if (ret < 0) {
        memcpy(r->routes, before, nr_before * sizeof(*before));
        r->nr = nr_before;
    }
    pthread_mutex_unlock(&r->lock);
    free(before);
    return ret;
}
