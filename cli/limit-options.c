// SPDX-License-Identifier: MIT
/* Limits of disks, as options gave them, and which disks share them. */
#include <errno.h>
#include <string.h>

#include "cli/limit-options.h"

/* Return: the first disk of the group of disk @i. */
static unsigned first_of_group(const struct disk_config *disks, unsigned i)
{
    unsigned first = 0;

    while (!disks[first].throttle_group ||
           strcmp(disks[first].throttle_group, disks[i].throttle_group) != 0) {
        first++;
    }
    return first;
}

/* The limits of disk @i become those of its group, whose first disk is @first. */
static int join(struct disk_config *disks, unsigned i, unsigned first, struct throttle_group *group,
                struct error *err)
{
    const struct throttle_limits *limits = &disks[i].device.limits, none = {.iops_size = 0};
    struct throttle_limits of_group;

    if (first == i) {
        throttle_group_init(group, &none);
    }
    disks[i].device.group = group;
    if (!throttle_limited(limits)) {
        return 0;
    }
    of_group = throttle_group_get(group);
    if (throttle_limited(&of_group) && memcmp(&of_group, limits, sizeof(of_group)) != 0) {
        return error_set(err, -EINVAL,
                         "--disk: %s has other limits than a disk before it in throttle-group=%s; "
                         "give them with one disk of the group",
                         disks[i].name, disks[i].throttle_group);
    }
    throttle_group_set(group, limits);
    return 0;
}

int limits_plan(struct disk_config *disks, unsigned nr, struct throttle_group *groups,
                struct error *err)
{
    for (unsigned i = 0; i < nr; i++) {
        int ret = throttle_check(&disks[i].device.limits, err);

        if (ret < 0) {
            return error_prefix(err, ret, "--disk: ");
        }
        if (disks[i].throttle_group) {
            unsigned first = first_of_group(disks, i);

            ret = join(disks, i, first, &groups[first], err);
            if (ret < 0) {
                return ret;
            }
        }
    }
    return 0;
}
