// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <errno.h>

#include "engine/rbd-api.h"

#define LIBRARY "librbd.so.1"

/* librbd is linked with librados, whose functions are found through it. */
int rbd_api_load(struct rbd_api *api, struct error *err)
{
    /* Its threads may live as long as the process: it is never unloaded. */
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!lib) {
        return error_set(err, -ENOPKG,
                         "a disk with rbd= needs librbd: install the package librbd1 (%s)",
                         dlerror());
    }
#define FIND(result, name, parameters)                                                             \
    *(void **)&api->name = dlsym(lib, #name);                                                      \
    if (!api->name) {                                                                              \
        return error_set(err, -ENOPKG,                                                             \
                         LIBRARY " has no function " #name ": install librbd1 16 or newer");       \
    }
    RBD_API(FIND)
#undef FIND
    return 0;
}
