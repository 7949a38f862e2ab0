// SPDX-License-Identifier: MIT
#include "aio/policy/contention.h"

#define LOOK_EVERY_NS 4000000  /* free: a read of the run delay costs 1 to 3 us */
#define START_NS      10000    /* delay of a start that is not contention */
#define DELAY_PART    50       /* run delay above 1/50 of the time is contention */
#define SKIPPED_NS    5000000  /* begin of a period that is not counted: some time slices */
#define PERIOD_NS     20000000 /* of a period that is */
#define PERIODS       4
#define TRIAL_NS      (PERIODS / 2 * PERIOD_NS) /* of a trial, in each mode */
#define KEEP_MIN_NS   200000000
#define KEEP_MAX_NS   3200000000
#define AGE_PART      8    /* the record of a mode loses 1/8 before each trial */
#define GAIN_MIN      0.03 /* polling must get so much more done: it takes CPU time from others */
#define GAIN_FIRST    0.5  /* ... after the first trial, when the records are short */

void poll_contention_init(struct poll_contention *c)
{
    *c = (struct poll_contention){.keep_ns = KEEP_MIN_NS};
}

void poll_contention_reset(struct poll_contention *c)
{
    uint64_t trials = c->trials;

    poll_contention_init(c);
    c->trials = trials;
}

/* Begins to count at @now; the next sample is due @ns later. */
static void count_from(struct poll_contention *c, uint64_t now, const struct poll_progress *p,
                       uint64_t ns)
{
    c->since_ns = now;
    c->since = *p;
    c->polled_ns = 0;
    c->due_ns = now + ns;
}

static void begin_period(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    c->block = c->period == 0 || c->period == PERIODS - 1;
    c->counting = false;
    count_from(c, now, p, SKIPPED_NS);
}

static void age(struct poll_mode_record *r)
{
    r->ns -= r->ns / AGE_PART;
    r->done -= r->done / AGE_PART;
}

static void begin_trial(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    if (c->state == POLL_FREE && now - c->trial_end_ns > 2 * KEEP_MAX_NS) {
        c->keep_ns = KEEP_MIN_NS;
        c->recent_trials = 0;
        c->polling = c->blocking = (struct poll_mode_record){0};
    }
    age(&c->polling);
    age(&c->blocking);
    c->state = POLL_TRIAL;
    c->period = 0;
    c->delay_ns = 0;
    c->trials++;
    c->recent_trials++;
    begin_period(c, now, p);
}

static bool polling_gains(const struct poll_contention *c)
{
    double polling = (double)c->polling.done * (double)c->blocking.ns;
    double blocking = (double)c->blocking.done * (double)c->polling.ns;
    double gain = GAIN_FIRST / (double)c->recent_trials;

    return polling > blocking * (1 + (gain > GAIN_MIN ? gain : GAIN_MIN));
}

static void decide(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    bool block = !polling_gains(c), again = c->recent_trials > 1 && block == c->decided_block;

    if (!again) {
        c->keep_ns = KEEP_MIN_NS;
    } else if (c->keep_ns < KEEP_MAX_NS) {
        c->keep_ns *= 2;
    }
    c->trial_end_ns = now;
    c->decided_block = block;
    if (c->delay_ns <= TRIAL_NS / DELAY_PART / 2) {
        block = false;
    }
    c->block = block;
    c->state = POLL_DECIDED;
    count_from(c, now, p, c->keep_ns);
}

/* The run delay since @since_ns, without what each start costs. */
static uint64_t delay_since(const struct poll_contention *c, const struct poll_progress *p)
{
    uint64_t delay = p->delay_ns - c->since.delay_ns;
    uint64_t usual = (p->starts - c->since.starts) * START_NS;

    return delay > usual ? delay - usual : 0;
}

/* The mode that is kept goes on to be measured, with the weight of its part of a trial. Samples are
 * taken after waits: in a time much longer than was wanted the guest was idle. */
static void note_kept(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    struct poll_mode_record *mode = c->block ? &c->blocking : &c->polling;
    uint64_t ns = now - c->since_ns;

    if (ns < 2 * c->keep_ns) {
        mode->ns += TRIAL_NS;
        mode->done += (uint64_t)((double)(p->done - c->since.done) * TRIAL_NS / (double)ns);
    }
}

static void end_period(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    struct poll_mode_record *mode = c->block ? &c->blocking : &c->polling;

    mode->ns += now - c->since_ns;
    mode->done += p->done - c->since.done;
    if (!c->block) {
        c->delay_ns += delay_since(c, p);
    }
    if (++c->period < PERIODS) {
        begin_period(c, now, p);
    } else {
        decide(c, now, p);
    }
}

void poll_contention_sample(struct poll_contention *c, uint64_t now, const struct poll_progress *p)
{
    bool contended = c->since_ns && delay_since(c, p) > (now - c->since_ns) / DELAY_PART;

    switch (c->state) {
    case POLL_FREE:
        if (contended && c->polled_ns) {
            begin_trial(c, now, p);
        } else {
            count_from(c, now, p, LOOK_EVERY_NS);
        }
        break;
    case POLL_TRIAL:
        if (now - c->since_ns > 2 * PERIOD_NS) { /* the guest was idle */
            begin_period(c, now, p);
        } else if (c->counting) {
            end_period(c, now, p);
        } else {
            c->counting = true;
            count_from(c, now, p, PERIOD_NS);
        }
        break;
    case POLL_DECIDED:
        note_kept(c, now, p);
        if (c->block || contended) {
            begin_trial(c, now, p);
        } else {
            c->state = POLL_FREE;
            count_from(c, now, p, LOOK_EVERY_NS);
        }
        break;
    }
}
