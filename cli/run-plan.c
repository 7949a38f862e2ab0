// SPDX-License-Identifier: MIT
/* From the options of `pollux run` to a machine: what they say about each other, and defaults. */
#include <errno.h>
#include <string.h>

#include "cli/cpus.h"
#include "cli/limit-options.h"
#include "cli/outputs.h"
#include "cli/run-options.h"

static int check_outputs(const struct run_config *c, struct error *err)
{
    const char *files[2 + MACHINE_DISKS_MAX] = {c->kernel, c->initrd};

    for (unsigned i = 0; i < c->nr_disks; i++) {
        files[2 + i] = c->disks[i].disk.image.path;
    }
    return outputs_check(c->trace, &c->iothreads, files, 2 + c->nr_disks, err);
}

int run_plan_init(struct run_plan *plan, const struct run_config *c, struct error *err)
{
    int ret;

    if (!c->kernel) {
        return error_set(err, -EINVAL, "--kernel FILE is missing: what is to be booted?");
    }
    if (c->memory.size % 4096) {
        return error_set(err, -EINVAL, "--memory: size must be a multiple of 4K");
    }
    ret = check_outputs(c, err);
    if (ret < 0) {
        return ret;
    }
    memset(plan, 0, sizeof(*plan));
    plan->machine = (struct machine_config){
        .cpus = (unsigned)c->cpus,
        .memory = c->memory.size,
        .memory_shared = c->memory.shared,
        .kernel = c->kernel,
        .initrd = c->initrd,
        .append = c->append,
        .iothreads = plan->iothreads,
        .disks = plan->disks,
        .nr_disks = c->nr_disks,
    };
    if (c->vcpu_cpus) {
        ret = cpus_parse(c->vcpu_cpus, "--vcpu-cpus", "", &plan->machine.vcpu_cpus, err);
        if (ret < 0) {
            return ret;
        }
    }
    ret = iothread_list_plan(&c->iothreads, plan->iothreads, err);
    if (ret < 0) {
        return ret;
    }
    plan->machine.nr_iothreads = (unsigned)ret;
    for (unsigned i = 0; i < c->nr_disks; i++) {
        ret = disk_args_plan(&c->disks[i], i, plan->iothreads, plan->machine.nr_iothreads,
                             plan->names[i], &plan->disks[i], err);
        if (ret < 0) {
            return ret;
        }
    }
    return limits_plan(plan->disks, c->nr_disks, plan->throttle_groups, err);
}
