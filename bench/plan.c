// SPDX-License-Identifier: MIT
/* From options to a plan: disks, groups, and the variants that each group has. */
#include "bench/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench-disk.h"
#include "bench/bench-options.h"
#include "bench/cache-line.h"
#include "bench/qemu-version.h"
#include "bench/run-fio.h"
#include "bench/run-linux.h"
#include "bench/run-pollux.h"
#include "bench/run-pread.h"
#include "bench/run-qemu.h"
#include "bench/run-spin.h"
#include "bench/workload.h"
#include "cli/choices.h"

#define MEMORY_DIR    "/dev/shm"
#define RUNS          5
#define RUNS_COMPARED 6 /* the fewest that give an interval of 95 % */

static int add_disks_of(struct bench_plan *p, const struct bench_config *c,
                        const struct engine_ops *engine, struct error *err)
{
    struct bench_disk *t = &p->disks[p->nr_disks];
    int ret;

    if (p->nr_disks + 2 > BENCH_DISKS_MAX) {
        return error_set(err, -EINVAL, "--engine: too many at once");
    }
    if (!engine->needs_file) {
        if (!c->disk) {
            bench_disk_null(t, c, engine);
            p->nr_disks++;
        }
        return 0;
    }
    if (c->disk) {
        ret = bench_disk_image(t, c, engine, err);
        p->nr_disks += ret == 0;
        return ret;
    }
    ret = bench_disk_scratch(t, c, engine, "memory", MEMORY_DIR, err);
    if (ret < 0) {
        return ret;
    }
    p->nr_disks++;
    if (engine != &engine_mmap) {
        ret = bench_disk_scratch(t + 1, c, engine, "disk", c->dir, err);
        p->nr_disks += ret == 0;
    }
    return ret;
}

static int add_disks(struct bench_plan *p, const struct bench_config *c, struct error *err)
{
    const struct engine_ops *on_server = bench_server_engine(c->disk);
    int ret = 0;

    if (on_server && (c->against || c->host || c->guest == BENCH_GUEST_LINUX)) {
        return error_set(err, -EINVAL,
                         "--disk: %s= goes with the built-in guest, without --against and --host",
                         on_server->name);
    }
    if (on_server) {
        ret = bench_disk_image(&p->disks[0], c, on_server, err);
        p->nr_disks = ret == 0;
        return ret;
    }
    for (unsigned i = 0; ret == 0 && i < c->engines.n; i++) {
        ret = add_disks_of(p, c, engine_at((unsigned)c->engines.v[i]), err);
    }
    return ret;
}

static void add_groups(struct bench_plan *p, const struct bench_config *c)
{
    const unsigned per_disk = c->block_sizes.n * c->depths.n * c->pauses.n;

    for (unsigned i = 0; i < p->nr_disks * per_disk; i++) {
        p->groups[p->nr_groups++] = (struct bench_group){
            .disk = &p->disks[i / per_disk],
            .bs = c->block_sizes.v[i / c->pauses.n / c->depths.n % c->block_sizes.n],
            .depth = (unsigned)c->depths.v[i / c->pauses.n % c->depths.n],
            .pause = p->pauses[i % c->pauses.n],
        };
    }
}

/* Adds QEMU with the cap of @variant, right behind it in the turn, once for each cap. */
static void add_counterpart(struct bench_plan *p, const struct bench_variant *variant)
{
    struct bench_variant counterpart = {
        .runner = &bench_runner_qemu,
        .policy = variant->max_ns ? bench_qemu_policy(&p->qemu) : &poll_policy_block,
        .max_ns = variant->max_ns,
        .packed = variant->packed,
    };

    for (unsigned i = 0; i < p->nr_variants; i++) {
        const struct bench_variant *v = &p->variants[i];

        if (v->runner == counterpart.runner && v->max_ns == counterpart.max_ns &&
            v->packed == counterpart.packed) {
            return;
        }
    }
    p->variants[p->nr_variants++] = counterpart;
}

static void add_variant(struct bench_plan *p, const struct bench_config *c,
                        const struct poll_policy_ops *policy, uint64_t max_ns)
{
    for (unsigned i = 0; i < c->idle.n; i++) {
        for (unsigned k = 0; k < c->rings.n; k++) {
            p->variants[p->nr_variants++] = (struct bench_variant){
                .runner = &bench_runner_pollux,
                .policy = policy,
                .max_ns = max_ns,
                .idle = (unsigned)c->idle.v[i],
                .packed = c->rings.v[k] == 1,
            };
            if (c->against) {
                add_counterpart(p, &p->variants[p->nr_variants - 1]);
            }
        }
    }
}

/* With the caps of the options; without any, with the usual cap of the policy. */
static void add_capped_variants(struct bench_plan *p, const struct bench_config *c,
                                const struct poll_policy_ops *policy)
{
    for (unsigned i = 0; i < c->max_ns.n; i++) {
        add_variant(p, c, policy, c->max_ns.v[i]);
    }
    if (!c->max_ns.n) {
        add_variant(p, c, policy,
                    policy == &poll_policy_cost ? POLL_MAX_NS_DEFAULT : POLL_MAX_NS_QEMU);
    }
}

/* Blocking mode comes first: the others are compared with it. */
static void add_variants(struct bench_plan *p, const struct bench_config *c)
{
    for (unsigned i = 0; i < c->policies.n; i++) {
        if (poll_policy_at((unsigned)c->policies.v[i]) == &poll_policy_block) {
            add_variant(p, c, &poll_policy_block, 0);
            break;
        }
    }
    for (unsigned i = 0; i < c->policies.n; i++) {
        const struct poll_policy_ops *policy = poll_policy_at((unsigned)c->policies.v[i]);

        if (policy != &poll_policy_block) {
            add_capped_variants(p, c, policy);
        }
    }
}

static void add_host(struct bench_plan *p)
{
    p->variants[p->nr_variants++] = (struct bench_variant){.runner = &bench_runner_spin};
    if (bench_fio_probe(p->host.fio_version, sizeof(p->host.fio_version))) {
        p->variants[p->nr_variants++] = (struct bench_variant){.runner = &bench_runner_fio};
    }
    p->variants[p->nr_variants++] = (struct bench_variant){.runner = &bench_runner_pread};
    if (cache_line_trip(&p->host.trip) < 0) {
        p->host.trip.ns = 0;
    }
}

/* fio has no such pauses, and the test guest has one disk with one queue. */
static int check_linux(const struct bench_plan *p, const struct bench_config *c, struct error *err)
{
    for (unsigned i = 0; i < c->pauses.n; i++) {
        if (strcmp(p->pauses[i], "0") != 0) {
            return error_set(err, -EINVAL, "--pause is for the built-in guest");
        }
    }
    if (c->disks > 1 || c->queues > 1) {
        return error_set(err, -EINVAL, "--disks and --queues are for the built-in guest");
    }
    if (c->against || c->host) {
        return error_set(err, -EINVAL, "--against and --host run the built-in guest only");
    }
    return bench_linux_check(c, err);
}

static int parse_pauses(struct bench_plan *p, const struct bench_config *c, struct error *err)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < c->pauses.n; i++) {
        ret = bench_pause_parse((const char *)(uintptr_t)c->pauses.v[i], p->pauses[i], err);
    }
    return ret;
}

int bench_plan_init(struct bench_plan *p, const struct bench_config *c, struct error *err)
{
    int ret = bench_config_check(c, err);

    p->config = c;
    p->nr_runs = c->runs ? (unsigned)c->runs : c->against || c->host ? RUNS_COMPARED : RUNS;
    if (ret == 0 && c->against) {
        ret = bench_qemu_probe(c, &p->qemu, err);
    }
    if (ret == 0) {
        ret = parse_pauses(p, c, err);
    }
    if (ret == 0 && c->guest == BENCH_GUEST_LINUX) {
        ret = check_linux(p, c, err);
    }
    if (ret == 0) {
        ret = add_disks(p, c, err);
    }
    if (ret < 0) {
        return ret;
    }
    if (p->nr_disks == 0) {
        return error_set(err, -EINVAL, "--disk: engine null takes no disk");
    }
    add_groups(p, c);
    add_variants(p, c);
    if (c->host) {
        add_host(p);
    }
    p->results = calloc((size_t)p->nr_groups * p->nr_variants * p->nr_runs, sizeof(*p->results));
    p->done = calloc(p->nr_groups, sizeof(*p->done));
    return p->results && p->done ? 0 : error_set(err, -ENOMEM, "out of memory");
}

void bench_plan_destroy(struct bench_plan *p)
{
    for (unsigned i = 0; i < p->nr_disks; i++) {
        bench_disk_close(&p->disks[i]);
    }
    free(p->results);
    free(p->done);
}
