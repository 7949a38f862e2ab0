// SPDX-License-Identifier: MIT
/*
 * The window with the least expected cost: the ski-rental problem with a learned distribution.
 *
 * Spinning through a wait costs its length. Giving up after a window T and blocking costs
 * T + w * W, where W is the latency that blocking adds and w (poll-latency-weight) is the price of
 * a nanosecond of latency in nanoseconds of spinning. The policy keeps histograms of the times at
 * which events came after the loop had gone idle, and searches them for the window with the least
 * expected cost (aio/policy/cost-curve.h). It measures W (aio/policy/cost-wake.h).
 *
 * The policy also learns from waits that blocked: their events came W before the loop woke. So it
 * notices without polling when a workload becomes worth polling.
 *
 * There are two regimes, each with its own histograms and its own W. While no request is in flight,
 * only sources whose event may come at any time (kicks) can end a wait. While requests are in flight,
 * completions can end it, too. With a guest at depth 1 the regimes have nothing in common: its kick
 * never comes while its request is in flight.
 *
 * A look may cost a system call (poll_source.look_ns), which delays the event. The measured W is the
 * difference to waits with such looks, so it is less by their price; as long as W is a guess, the
 * price is taken off.
 *
 * The policy has three safeguards. After a run of unlikely waits a regime forgets nearly all of its
 * histograms. The ski-rental window T = w * W, which needs no learning, is charged for every wait
 * beside the learned window, and is used while the learned window has recently cost 1.5 times as
 * much. Polling pauses when windows keep running out (aio/policy/cost-backoff.h).
 */
#include <stdio.h>
#include <string.h>

#include "aio/policy/cost-curve.h"
#include "aio/policy/cost-backoff.h"
#include "aio/policy/cost-wake.h"
#include "aio/policy/policy.h"

/* The histograms are halved when a regime has seen this many waits since the last time. */
#define REMEMBER 256
/* Longest time, in waits, between two searches for the best window. */
#define SEARCH_GAP_MAX 128
/* A wait in a bucket that had less than this share, 1/2^n, of the waits is unlikely. */
#define UNLIKELY_SHIFT 4
/* An unlikely wait adds NOVELTY_STEP to the novelty, other waits take 1 off. At NOVELTY_MAX the
 * histograms are divided by 2^FORGET_SHIFT, which leaves only the newest waits. */
#define NOVELTY_STEP 2
#define NOVELTY_MAX  12
#define FORGET_SHIFT 8
/* Learning takes a good part of the time of a wait that polling ended within QUICK_NS. In a row of
 * such waits the policy learns from one in SKIP_MAX + 1, with the weight of all of them. That number
 * is no power of 2: sources that take turns would not all be seen. */
#define QUICK_NS 512
#define SKIP_MAX 6
/* So many sources with requests in flight have a window of their own for each combination; further
 * sources share. */
#define GROUPS 3

enum regime_kind {
    REGIME_IDLE,      /* nothing is in flight */
    REGIME_IN_FLIGHT, /* something is */
    REGIMES,
};

struct found_window {
    uint64_t window;
    uint32_t search; /* number of the search that found it; 0: none yet */
};

struct regime {
    struct histogram ended; /* waits by length, whatever ended them */
    struct cost_wake wake;
    struct cost_backoff backoff;
    uint32_t forgotten; /* clock of all histograms of this regime */
    uint32_t waits;     /* since the last halving */
    uint32_t novelty;
    uint32_t skipped;    /* quick waits left out since one was looked at */
    bool quick;          /* the newest wait was quick, without novelty or back-off */
    uint32_t search;     /* number of the newest search; windows found by older ones are stale */
    uint32_t search_gap; /* waits between searches, and until the next one */
    uint32_t search_in;
    uint64_t learned_cost, safe_cost;       /* recent mean cost of a wait under either window */
    struct found_window found[1 << GROUPS]; /* by which groups of counted sources are candidates */
};

struct cost {
    struct regime regimes[REGIMES];
    enum regime_kind kind; /* of the present wait */
    enum wake_probe probe;
    uint64_t learned; /* what the search says for the present wait */
    uint64_t look_ns; /* of the candidates of the present wait */
    bool had_event;   /* a source did, in the present wait */
};

struct cost_source {
    struct histogram events[REGIMES];
    struct histogram ended; /* of a counted source: waits by length in which it was a candidate */
    bool candidate;         /* a counted source: requests of it are in flight, and it is polled */
};

static uint64_t block_cost(const struct poll_policy *p, const struct regime *g)
{
    const struct cost *c = p->data;
    uint32_t weight = p->params.latency_weight;
    uint64_t wake_ns = g->wake.wake_ns, look_ns = g->wake.measured ? 0 : c->look_ns;

    wake_ns -= look_ns < wake_ns ? look_ns : wake_ns;
    return wake_ns * (weight ? weight : POLL_LATENCY_WEIGHT_DEFAULT);
}

static void cost_init(struct poll_policy *p)
{
    struct cost *c = p->data;

    for (unsigned i = 0; i < REGIMES; i++) {
        struct regime *g = &c->regimes[i];

        cost_wake_init(&g->wake, p->params.wake_ns ? p->params.wake_ns : POLL_WAKE_NS_DEFAULT);
        g->search = 1;
        g->search_gap = g->search_in = 1;
    }
}

static uint64_t search(struct poll_policy *p, struct regime *g, enum regime_kind kind,
                       uint64_t now_ns)
{
    struct cost_curve curve;
    uint16_t events[HIST_BUCKETS];
    struct list *pos;

    memset(&curve, 0, sizeof(curve));
    memset(events, 0, sizeof(events));
    hist_forget(&g->ended, g->forgotten);
    list_for_each(pos, &p->sources)
    {
        struct poll_source *s = list_entry(pos, struct poll_source, node);
        struct cost_source *cs = s->data;
        struct histogram *h = &cs->events[kind];

        hist_forget(h, g->forgotten);
        if (!s->in_flight) {
            for (unsigned i = 0; i < HIST_BUCKETS; i++) {
                unsigned sum = events[i] + h->n[i];

                events[i] = (uint16_t)(sum < UINT16_MAX ? sum : UINT16_MAX);
            }
        } else if (cs->candidate) {
            hist_forget(&cs->ended, g->forgotten);
            cost_curve_add(&curve, h->n, cs->ended.n);
        }
    }
    cost_curve_add(&curve, events, g->ended.n);
    return cost_curve_best(&curve, block_cost(p, g), p->params.max_ns, now_ns);
}

/* Marks the candidates: counted sources whose event may end the wait.
 * Return: the window that was found for this set of candidates. */
static struct found_window *find_candidates(struct poll_policy *p, struct cost *c)
{
    unsigned key = 0, i = 0;
    struct list *pos;

    c->look_ns = 0;
    list_for_each(pos, &p->counted)
    {
        struct poll_source *s = list_entry(pos, struct poll_source, counted_node);
        struct cost_source *cs = s->data;

        cs->candidate = *s->in_flight && !list_empty(&s->node);
        c->look_ns += cs->candidate ? s->look_ns : 0;
        key |= (unsigned)cs->candidate << i;
        i = i + 1 < GROUPS ? i + 1 : 0;
    }
    c->kind = key ? REGIME_IN_FLIGHT : REGIME_IDLE;
    return &c->regimes[c->kind].found[key];
}

/* Is a source in the poll set whose event may come at any time? Usually the first one is. */
static bool any_spontaneous(const struct poll_policy *p)
{
    struct list *pos;

    list_for_each(pos, &p->sources)
    {
        if (!list_entry(pos, struct poll_source, node)->in_flight) {
            return true;
        }
    }
    return false;
}

static uint64_t cost_window(struct poll_policy *p, uint64_t now)
{
    struct cost *c = p->data;
    struct found_window *found = find_candidates(p, c);
    struct regime *g = &c->regimes[c->kind];
    uint64_t window, probe_ns = 0;

    c->had_event = false;
    c->learned = 0;
    c->probe = WAKE_PROBE_NONE;
    if (c->kind == REGIME_IDLE && !any_spontaneous(p)) {
        return 0;
    }
    if (found->search != g->search) {
        window = search(p, g, c->kind, found->window);
        if (window != found->window) {
            g->search_gap = g->search_gap > 32 ? 32 : g->search_gap;
        }
        found->window = window;
        found->search = g->search;
    }
    c->learned = window = found->window;
    if (g->learned_cost > g->safe_cost + g->safe_cost / 2) {
        window = block_cost(p, g);
    }
    if (window && cost_backoff_paused(&g->backoff)) {
        return 0;
    }
    if (g->quick) {
        return window; /* too short for probes */
    }
    c->probe = cost_wake_probe(&g->wake, now, window, &p->params, &probe_ns);
    return c->probe == WAKE_PROBE_NONE ? window : probe_ns;
}

/* Estimate of when the event came, ns after the loop went idle. */
static uint64_t came_at(const struct regime *g, const struct poll_wait *w)
{
    uint64_t wait = w->end_ns - w->start_ns;

    if (w->outcome == POLL_HIT) {
        return wait;
    }
    return wait > w->polled_ns + g->wake.wake_ns ? wait - g->wake.wake_ns : w->polled_ns;
}

static bool quick(const struct regime *g, const struct poll_wait *w)
{
    return w->outcome == POLL_HIT && w->end_ns - w->start_ns < QUICK_NS && !g->novelty &&
           !g->backoff.score;
}

/* How many waits this one stands for; 0: the policy does not learn from it. */
static unsigned sample_weight(const struct regime *g, const struct poll_wait *w)
{
    if (w->off_cpu) {
        return 0;
    }
    if (!quick(g, w)) {
        return 1;
    }
    return g->quick && g->skipped < SKIP_MAX ? 0 : 1 + g->skipped;
}

static void cost_event(struct poll_policy *p, struct poll_source *s, const struct poll_wait *w)
{
    struct cost *c = p->data;
    struct regime *g = &c->regimes[c->kind];
    struct cost_source *cs = s->data;
    unsigned n = sample_weight(g, w);

    if (n && (!s->in_flight || cs->candidate)) {
        hist_add(&cs->events[c->kind], g->forgotten, hist_bucket(came_at(g, w)), n);
        c->had_event = true;
    }
}

static bool unlikely(const struct regime *g, unsigned bucket)
{
    const uint16_t *n = g->ended.n;
    unsigned share = n[bucket];

    share += bucket ? n[bucket - 1] : 0;
    share += bucket + 1 < HIST_BUCKETS ? n[bucket + 1] : 0;
    return share << UNLIKELY_SHIFT < g->waits * HIST_ONE;
}

static void search_again(struct regime *g, uint32_t gap)
{
    g->search++;
    g->search_gap = g->search_in = gap;
}

static void age(struct regime *g, unsigned bucket, unsigned waits)
{
    if (unlikely(g, bucket)) {
        g->novelty += NOVELTY_STEP;
        if (g->novelty >= NOVELTY_MAX) {
            g->novelty = 0;
            g->forgotten += FORGET_SHIFT;
            g->waits >>= FORGET_SHIFT;
            cost_wake_forget(&g->wake);
            search_again(g, 1);
        }
    } else if (g->novelty) {
        g->novelty--;
    }
    g->waits += waits;
    if (g->waits >= REMEMBER) {
        g->waits /= 2;
        g->forgotten++;
    }
    if (g->search_in > waits) {
        g->search_in -= waits;
    } else {
        search_again(g, g->search_gap < SEARCH_GAP_MAX ? g->search_gap * 2 : SEARCH_GAP_MAX);
    }
}

/* Adds what a wait of @ns costs under either window to the mean costs. */
static void charge(struct poll_policy *p, struct cost *c, struct regime *g, uint64_t ns)
{
    uint64_t block = block_cost(p, g);
    uint64_t safe = block < p->params.max_ns ? block : p->params.max_ns;
    uint64_t learned_cost = ns <= c->learned ? ns : c->learned + block;
    uint64_t safe_cost = ns <= safe ? ns : safe + block;

    g->learned_cost += learned_cost / 16 - g->learned_cost / 16;
    g->safe_cost += safe_cost / 16 - g->safe_cost / 16;
}

/* @n: for how many waits @w stands. */
static void learn(struct poll_policy *p, const struct poll_wait *w, unsigned n)
{
    struct cost *c = p->data;
    struct regime *g = &c->regimes[c->kind];
    unsigned bucket;
    uint64_t ns;

    g->quick = quick(g, w);
    if (g->quick) {
        g->skipped = 0;
    }
    if (w->outcome == POLL_HIT) {
        cost_backoff_hit(&g->backoff);
    } else if (w->polled_ns > g->wake.wake_ns / 2) {
        cost_backoff_miss(&g->backoff);
    }
    ns = came_at(g, w);
    bucket = hist_bucket(ns);
    if (c->had_event) {
        charge(p, c, g, ns);
        cost_wake_learn(&g->wake, w, c->probe);
    } else if (bucket) {
        bucket--; /* no event: whether one would have come in this bucket is not known */
    }
    hist_add(&g->ended, g->forgotten, bucket, n);
    if (c->kind == REGIME_IN_FLIGHT) {
        struct list *pos;

        list_for_each(pos, &p->counted)
        {
            struct cost_source *cs = list_entry(pos, struct poll_source, counted_node)->data;

            if (cs->candidate) {
                hist_add(&cs->ended, g->forgotten, bucket, n);
            }
        }
    }
    age(g, bucket, n);
}

static void cost_wait_done(struct poll_policy *p, const struct poll_wait *w)
{
    struct cost *c = p->data;
    struct regime *g = &c->regimes[c->kind];
    unsigned n = sample_weight(g, w);

    if (n) {
        learn(p, w, n);
    } else if (!w->off_cpu) {
        g->skipped++;
    }
}

/* The mean over the regimes in which it was measured. */
static uint64_t cost_wake_ns(const struct poll_policy *p)
{
    const struct cost *c = p->data;
    uint64_t sum = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < REGIMES; i++) {
        if (c->regimes[i].wake.measured) {
            sum += c->regimes[i].wake.wake_ns;
            n++;
        }
    }
    return n ? sum / n : 0;
}

static int cost_describe(const struct poll_policy *p, char *buf, size_t len)
{
    static const char *const names[REGIMES] = {"idle", "in flight"};
    const struct cost *c = p->data;
    int used = 0;

    for (unsigned i = 0; i < REGIMES; i++) {
        const struct regime *g = &c->regimes[i];
        uint64_t window = 0;

        for (unsigned j = 0; j < sizeof(g->found) / sizeof(g->found[0]); j++) {
            window = g->found[j].window > window ? g->found[j].window : window;
        }
        used += snprintf(used < (int)len ? buf + used : NULL, used < (int)len ? len - used : 0,
                         "%s%s: window %.1f us, blocking costs %.1f us (%s)", i ? "; " : "",
                         names[i], (double)window / 1e3, (double)g->wake.wake_ns / 1e3,
                         g->wake.measured ? "measured" : "guessed");
    }
    return used;
}

const struct poll_policy_ops poll_policy_cost = {
    .name = "cost",
    .summary = "spin while it pays, by learned distributions and the measured cost of blocking",
    .size = sizeof(struct cost),
    .source_size = sizeof(struct cost_source),
    .init = cost_init,
    .window = cost_window,
    .event = cost_event,
    .wait_done = cost_wait_done,
    .wake_ns = cost_wake_ns,
    .describe = cost_describe,
};
