// SPDX-License-Identifier: MIT
/* The keys of --iothread, and the configuration that they make. */
#include <errno.h>
#include <string.h>

#include "aio/policy/policy.h"
#include "cli/choices.h"
#include "cli/cpus.h"
#include "cli/iothread-options.h"

const struct option_key iothread_keys[] = {
    {.name = "id",
     .metavar = "ID",
     .help = "name of the thread, for --disk and for top -H",
     .more = "Up to 15 characters, none of them a colon.",
     .min = 1,
     .max = IOTHREAD_ID_MAX,
     OPTION_AT(struct iothread_args, io.id)},
    {.name = "cpus",
     .metavar = "LIST",
     .help = "CPUs of the host where the thread runs, as 0:2-5; default any",
     .more = "A range has a hyphen; a colon, or two commas, separate CPUs and ranges. Worker "
             "threads of "
             "its disks run there, too.",
     .min = 1,
     OPTION_AT(struct iothread_args, cpus)},
    {.name = "poll-policy",
     .kind = OPTION_CHOICE,
     .metavar = "POLICY",
     .help = "how long to poll before blocking; default cost",
     .more = "For the behaviour of QEMU: poll-policy=grow-shrink,poll-max-ns=32768.",
     .choice = choice_policy,
     .about = choice_policy_about,
     OPTION_AT(struct iothread_args, policy)},
    {.name = "poll-max-ns",
     .kind = OPTION_TIME,
     .metavar = "NS",
     .help = "poll at most so long; 0 never polls; default 200000",
     .max = POLL_MAX_NS_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.max_ns)},
    {.name = "poll-grow",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "multiply the time by N when polling longer would have paid; default 2",
     .max = POLL_FACTOR_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.grow)},
    {.name = "poll-shrink",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "divide it by N when the wait was too long; 0: to zero (weighted: N = 2)",
     .max = POLL_FACTOR_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.shrink)},
    {.name = "poll-weight",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "weighted: the newest interval counts 1/2^N; default 3",
     .max = POLL_WEIGHT_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.weight)},
    {.name = "poll-latency-weight",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help = "cost: ns of polling that one ns of latency is worth; default 7",
     .max = POLL_LATENCY_WEIGHT_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.latency_weight)},
    {.name = "poll-cpu-max",
     .kind = OPTION_NUMBER,
     .metavar = "PERCENT",
     .help = "of a CPU that polling may take in 100 ms; 0: no limit; default 0",
     .max = POLL_CPU_MAX_LIMIT,
     OPTION_AT(struct iothread_args, io.poll.cpu_max)},
    {.name = "poll-contention",
     .kind = OPTION_SWITCH,
     .metavar = "on|off",
     .help = "block on a busy host if that gets more done; default on",
     .more =
         "When polling comes with time in which the thread waits for a CPU, short trials compare "
         "polling with blocking by the requests that complete.",
     OPTION_AT(struct iothread_args, io.poll.contention)},
    {.name = "aio-max-batch",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .help =
         "most requests in one system call; default 0: 64 while they complete inside it, else 2",
     .more = "Requests complete inside the call where the file is in the page cache. "
             "Elsewhere the kernel keeps requests that are submitted together from the "
             "device until the last one is prepared.",
     .max = AIO_MAX_BATCH_LIMIT,
     OPTION_AT(struct iothread_args, io.max_batch)},
    {.name = "fdmon",
     .kind = OPTION_CHOICE,
     .metavar = "MONITOR",
     .help = "how the thread waits in the kernel; default auto: ppoll, epoll for many sources",
     .choice = aio_fdmon_name,
     OPTION_AT(struct iothread_args, fdmon)},
    {.name = "record",
     .metavar = "FILE",
     .help = "write how long the thread waited for what, for pollux replay",
     .min = 1,
     OPTION_AT(struct iothread_args, io.record)},
    {.name = NULL},
};

struct iothread_args *iothread_list_add(struct iothread_list *list, struct error *err)
{
    struct iothread_args *a;

    if (list->nr == IOTHREADS_MAX) {
        error_set(err, -EINVAL, "--iothread: at most %d are possible", IOTHREADS_MAX);
        return NULL;
    }
    a = &list->args[list->nr++];
    *a = (struct iothread_args){0};
    poll_params_default(&a->io.poll);
    a->policy = choice_index(choice_policy, a->io.poll.policy->name);
    return a;
}

static int plan_iothread(struct iothread_config *io, const struct iothread_list *list, unsigned i,
                         struct error *err)
{
    const struct iothread_args *from = &list->args[i];
    const char *id = from->io.id;

    if (!id) {
        return error_set(err, -EINVAL, "--iothread: id is missing: --iothread id=NAME");
    }
    if (strchr(id, ':')) {
        return error_set(err, -EINVAL,
                         "--iothread: id '%s' has a ':', which separates the threads of a disk "
                         "(--disk iothread=ID:ID)",
                         id);
    }
    for (unsigned j = 0; j < i; j++) {
        if (!strcmp(list->args[j].io.id, id)) {
            return error_set(err, -EINVAL, "--iothread: id '%s' is given twice", id);
        }
    }
    *io = from->io;
    io->fdmon = aio_fdmon_name(from->fdmon);
    io->poll.policy = poll_policy_at(from->policy);
    return from->cpus ? cpus_parse(from->cpus, "--iothread: cpus", "", &io->cpus, err) : 0;
}

int iothread_list_plan(const struct iothread_list *list, struct iothread_config out[IOTHREADS_MAX],
                       struct error *err)
{
    for (unsigned i = 0; i < list->nr; i++) {
        int ret = plan_iothread(&out[i], list, i, err);

        if (ret < 0) {
            return ret;
        }
    }
    if (list->nr == 0) {
        out[0] = (struct iothread_config){.id = IOTHREAD_DEFAULT};
        poll_params_default(&out[0].poll);
    }
    return list->nr ? (int)list->nr : 1;
}
