// SPDX-License-Identifier: MIT
/* The stages of a request's latency. The device times its own; the rest is spent in the guest and on
 * the way. The spin device times none. */
#include "bench/latency-stages.h"

#include <stdlib.h>

#include "bench/figures.h"
#include "kvm/machine.h"

void bench_stages_sample(struct bench_stages *s, struct machine *m, unsigned nr_disks)
{
    struct blk_latency *l = malloc(sizeof(*l));

    *s = (struct bench_stages){.requests = 0};
    for (unsigned i = 0; l && i < nr_disks && machine_disk(m, i); i++) {
        virtio_blk_get_latency(machine_disk(m, i), l);
        for (unsigned op = BLK_LATENCY_READ; op <= BLK_LATENCY_WRITE; op++) {
            s->requests += l->of[op][BLK_SEEN_TO_USED].requests;
            for (unsigned stage = 0; stage < BLK_LATENCY_STAGES; stage++) {
                s->sum_ns[stage] += l->of[op][stage].sum_ns;
            }
        }
    }
    free(l);
}

void bench_stages_result(const struct bench_stages *begin, const struct bench_stages *end,
                         struct bench_result *out)
{
    double requests = (double)(end->requests - begin->requests), mean[BLK_LATENCY_STAGES];

    if (requests < 1) {
        return;
    }
    for (unsigned i = 0; i < BLK_LATENCY_STAGES; i++) {
        mean[i] = (double)(end->sum_ns[i] - begin->sum_ns[i]) / requests;
    }
    out->stage_submit_ns = mean[BLK_SEEN_TO_SUBMITTED];
    out->stage_device_ns = mean[BLK_SUBMITTED_TO_COMPLETED];
    out->stage_finish_ns = mean[BLK_COMPLETED_TO_USED];
    out->stage_guest_ns = out->lat_mean_ns - mean[BLK_SEEN_TO_USED];
    if (out->stage_guest_ns < 0) { /* the disks time only some requests */
        out->stage_guest_ns = 0;
    }
}
