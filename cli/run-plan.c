// SPDX-License-Identifier: MIT
/* From the options of `pollux run` to a machine: what they say about each other, and defaults. */
#include <errno.h>
#include <string.h>

#include "base/output-file.h"
#include "cli/run-options.h"

/* An output is opened, and truncated, before the files of the machine. */
static int check_output(const struct run_config *c, const char *option, const char *path,
                        struct error *err)
{
    bool used = output_file_same(path, c->kernel) || output_file_same(path, c->initrd);

    for (unsigned i = 0; i < c->nr_disks; i++) {
        used |= output_file_same(path, c->disks[i].disk.image.path);
    }
    return used ? error_set(err, -EINVAL,
                            "%s: '%s' is a file of this machine, which would be overwritten",
                            option, path)
                : 0;
}

static int check_outputs(const struct run_config *c, struct error *err)
{
    int ret = check_output(c, "--trace", c->trace, err);

    for (unsigned i = 0; i < c->iothreads.nr && ret == 0; i++) {
        ret = check_output(c, "record", c->iothreads.args[i].io.record, err);
    }
    return ret;
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
    return 0;
}
