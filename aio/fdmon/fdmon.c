// SPDX-License-Identifier: MIT
/* The table of monitors. */
#include <string.h>

#include "aio/fdmon/fdmon.h"

static const struct fdmon_ops *const monitors[] = {
    &fdmon_auto,
    &fdmon_ppoll,
    &fdmon_epoll,
    &fdmon_io_uring,
};

#define NR_MONITORS (sizeof(monitors) / sizeof(monitors[0]))

const char *aio_fdmon_name(unsigned i)
{
    return i < NR_MONITORS ? monitors[i]->name : NULL;
}

const struct fdmon_ops *fdmon_find(const char *name)
{
    for (unsigned i = 0; i < NR_MONITORS; i++) {
        if (!name || !strcmp(name, monitors[i]->name)) {
            return monitors[i];
        }
    }
    return NULL;
}
