// SPDX-License-Identifier: MIT
/* The I/O threads of a process: start, stop, find by id. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iothread/iothread-set.h"

struct iothread *iothread_set_find(const struct iothread_set *set, const char *id)
{
    for (unsigned i = 0; i < set->nr; i++) {
        if (strcmp(iothread_id(set->threads[i]), id) == 0) {
            return set->threads[i];
        }
    }
    return NULL;
}

int iothread_set_start(struct iothread_set *set, const struct iothread_config *configs, unsigned nr,
                       struct trace *trace, struct error *err)
{
    *set = (struct iothread_set){.threads = calloc(nr + 1, sizeof(set->threads[0]))};
    if (!set->threads) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < nr; i++) {
        struct iothread_config config = configs[i];
        int ret;

        config.trace = trace;
        if (iothread_set_find(set, config.id)) {
            return error_set(err, -EEXIST, "I/O thread %s: there are two of this id", config.id);
        }
        ret = iothread_new(&config, &set->threads[i], err);
        if (ret < 0) {
            return ret;
        }
        set->nr++;
    }
    return 0;
}

int iothread_set_end_records(const struct iothread_set *set, struct error *err)
{
    int ret = 0;

    for (unsigned i = 0; i < set->nr; i++) {
        struct error ignored = {.msg = ""};
        int r = iothread_end_record(set->threads[i], ret < 0 ? &ignored : err);

        ret = ret < 0 ? ret : r;
    }
    return ret;
}

void iothread_set_stop(struct iothread_set *set)
{
    for (unsigned i = 0; i < set->nr; i++) {
        iothread_free(set->threads[i]);
    }
    free(set->threads);
    *set = (struct iothread_set){0};
}
