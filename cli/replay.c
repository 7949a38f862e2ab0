// SPDX-License-Identifier: MIT
/* pollux replay: what each poll policy would have done with recorded waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "aio/waits/replay.h"
#include "cli/choices.h"
#include "cli/command.h"

#define CAPS_MAX     OPTION_LIST_MAX
#define POLICIES_MAX OPTION_LIST_MAX

struct replay_config {
    struct option_list policies, max_ns;
    uint64_t latency_weight, cpu_max;
};

/* One policy with one cap, over all files. */
struct contender {
    struct poll_params params;
    double regret_sum, regret_worst;
};

#define KEY(...)                                                                                   \
    (const struct option_key[])                                                                    \
    {                                                                                              \
        {__VA_ARGS__}, {.name = NULL},                                                             \
    }
#define AT(member) .offset = offsetof(struct replay_config, member)

static const struct option replay_options[] = {
    {.name = "policy",
     .help = "which policies to try; default all",
     .plain = true,
     .keys = KEY(.name = "policy", .kind = OPTION_CHOICE, .list = true, .metavar = "POLICY",
                 .choice = choice_policy, .about = choice_policy_about, AT(policies))},
    {.name = "poll-max-ns",
     .help = "longest time to poll; default 32768,200000",
     .plain = true,
     .keys = KEY(.name = "poll-max-ns", .kind = OPTION_TIME, .list = true, .metavar = "NS",
                 .min = 1, .max = 1000000000, AT(max_ns))},
    {.name = "poll-latency-weight",
     .help = "ns of polling that one ns of latency is worth; default 7",
     .plain = true,
     .keys = KEY(.name = "poll-latency-weight", .kind = OPTION_NUMBER, .metavar = "N", .min = 1,
                 .max = 1000000, AT(latency_weight))},
    {.name = "poll-cpu-max",
     .help = "percent of a CPU that polling may take in 100 ms; 0: no limit; default 0",
     .plain = true,
     .keys = KEY(.name = "poll-cpu-max", .kind = OPTION_NUMBER, .metavar = "PERCENT", .max = 100,
                 AT(cpu_max))},
    {.name = NULL},
};

/* Block does not poll: one row is enough for all caps. */
static unsigned list_contenders(const struct replay_config *c, struct contender *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->policies.n; i++) {
        const struct poll_policy_ops *ops = poll_policy_at((unsigned)c->policies.v[i]);
        unsigned caps = ops == &poll_policy_block ? 1 : c->max_ns.n;

        for (unsigned j = 0; j < caps; j++, n++) {
            out[n] = (struct contender){0};
            poll_params_default(&out[n].params);
            out[n].params.policy = ops;
            out[n].params.max_ns = c->max_ns.v[j];
            out[n].params.latency_weight = (uint32_t)c->latency_weight;
            out[n].params.cpu_max = (uint32_t)c->cpu_max;
        }
    }
    return n;
}

static void print_name(const struct contender *c)
{
    printf("  %-12s ", c->params.policy->name);
    if (c->params.policy == &poll_policy_block) {
        printf("%9s", "-");
    } else {
        printf("%9" PRIu64, c->params.max_ns);
    }
}

static void print_row(const struct contender *c, const struct replay_result *r)
{
    double total = r->total_ns ? (double)r->total_ns : 1, waits = r->waits ? (double)r->waits : 1;

    print_name(c);
    printf(" %9.2f %7.2f %10.2f %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %8.2f\n",
           (double)r->polled_ns / waits / 1e3, (double)r->cpu_ns / total * 100,
           (double)r->latency_ns / waits / 1e3, r->hits, r->misses, r->blocks, replay_regret(r));
}

static int replay_waits(const struct waits *t, struct contender *all, unsigned n)
{
    printf("  %-12s %9s %9s %7s %10s %9s %9s %9s %8s\n", "policy", "max ns", "polled us", "CPU %",
           "latency us", "hits", "misses", "blocks", "regret");
    for (unsigned i = 0; i < n; i++) {
        struct replay_result r;
        double regret;
        int ret = replay_run(&all[i].params, t, &r);

        if (ret < 0) {
            return ret;
        }
        regret = replay_regret(&r);
        all[i].regret_sum += regret;
        if (regret > all[i].regret_worst) {
            all[i].regret_worst = regret;
        }
        print_row(&all[i], &r);
    }
    return 0;
}

static int replay_file(const char *name, struct contender *all, unsigned n, struct error *err)
{
    FILE *in = fopen(name, "r");
    struct waits t;
    int ret;

    if (!in) {
        return error_set(err, -errno, "cannot open %s: %s", name, strerror(errno));
    }
    ret = waits_read(in, name, &t, err);
    fclose(in);
    if (ret < 0) {
        return ret;
    }
    printf("%s: %zu waits, blocking costs %.1f us of latency and %.1f us of CPU\n", name,
           t.nr_waits, (double)t.wake_ns / 1e3, (double)t.wake_cpu_ns / 1e3);
    ret = replay_waits(&t, all, n);
    waits_free(&t);
    printf("\n");
    return ret < 0 ? error_set(err, ret, "%s: out of memory", name) : 0;
}

static void recommend(const struct contender *all, unsigned n, unsigned files)
{
    const struct contender *best = &all[0];

    if (files > 1) {
        printf("all %u files:\n  %-12s %9s %12s %12s\n", files, "policy", "max ns", "mean regret",
               "worst regret");
    }
    for (unsigned i = 0; i < n; i++) {
        if (files > 1) {
            print_name(&all[i]);
            printf(" %12.2f %12.2f\n", all[i].regret_sum / files, all[i].regret_worst);
        }
        if (all[i].regret_sum < best->regret_sum) {
            best = &all[i];
        }
    }
    printf("%srecommended: --iothread poll-policy=%s", files > 1 ? "\n" : "",
           best->params.policy->name);
    if (best->params.policy != &poll_policy_block) {
        printf(",poll-max-ns=%" PRIu64, best->params.max_ns);
    }
    if (best->params.policy == &poll_policy_cost) {
        printf(",poll-latency-weight=%" PRIu32, best->params.latency_weight);
    }
    printf("\n");
}

static int replay_main(const struct command *cmd, int argc, char **argv)
{
    struct contender all[POLICIES_MAX * CAPS_MAX];
    struct replay_config config = {
        .max_ns = {.n = 2, .v = {POLL_MAX_NS_QEMU, POLL_MAX_NS_DEFAULT}},
        .latency_weight = POLL_LATENCY_WEIGHT_DEFAULT,
    };
    char *storage = NULL;
    struct error err = {""};
    int files = 0, status;
    unsigned n;

    while (poll_policy_at(config.policies.n)) {
        config.policies.v[config.policies.n] = config.policies.n;
        config.policies.n++;
    }
    while (files < argc && argv[files][0] != '-') {
        files++;
    }
    status = command_parse(cmd, argc - files, argv + files, &config, &storage);
    if (status < 0 && !files) {
        status = command_fail(cmd, "name one or more files of recorded waits (--iothread "
                                   "record=FILE), before the options");
    }
    if (status < 0) {
        n = list_contenders(&config, all);
        for (int i = 0; i < files && status < 0; i++) {
            if (replay_file(argv[i], all, n, &err) < 0) {
                status = command_fail(cmd, err.msg);
            }
        }
        if (status < 0) {
            recommend(all, n, (unsigned)files);
            status = EXIT_STATUS_OK;
        }
    }
    free(storage);
    return status;
}

const struct command command_replay = {
    .name = "replay",
    .summary = "what each poll policy would have done with recorded waits",
    .usage = "FILE... [options]",
    .options = replay_options,
    .notes =
        "The cost of a wait is the time that was polled, plus, if the thread blocked, the latency\n"
        "of a wake-up times poll-latency-weight. Regret is the cost of a policy divided by the\n"
        "cost of a policy that knows the length of each wait in advance. polled and latency\n"
        "are means of a wait; CPU is a share of the recorded time.\n"
        "\n"
        "example:\n"
        "  pollux replay waits.txt --policy block,cost --poll-latency-weight 2\n",
    .main = replay_main,
};
