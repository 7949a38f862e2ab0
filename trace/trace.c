// SPDX-License-Identifier: MIT
/* Recording. The rings are mapped, so that pages which are never written cost nothing. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/barrier.h"
#include "trace/track.h"

#define EVENTS_MAX (1u << 24)

struct name {
    struct list node;
    char text[];
};

static uint64_t clock_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct trace *trace_new(unsigned events, uint64_t (*clock)(void))
{
    struct trace *t = calloc(1, sizeof(*t));

    if (!t) {
        return NULL;
    }
    t->clock = clock ? clock : clock_monotonic;
    t->group = "pollux";
    t->pid = 1;
    t->size = 1;
    while (t->size < events && t->size < EVENTS_MAX) {
        t->size *= 2;
    }
    pthread_mutex_init(&t->lock, NULL);
    list_init(&t->tracks);
    list_init(&t->names);
    return t;
}

void trace_free(struct trace *t)
{
    if (!t) {
        return;
    }
    while (!list_empty(&t->tracks)) {
        struct trace_track *track = list_entry(t->tracks.next, struct trace_track, node);

        list_del(&track->node);
        munmap(track->ring, (track->mask + 1) * sizeof(track->ring[0]));
        free(track);
    }
    while (!list_empty(&t->names)) {
        struct name *name = list_entry(t->names.next, struct name, node);

        list_del(&name->node);
        free(name);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static const char *find_name(struct trace *t, const char *text)
{
    struct list *at;

    list_for_each(at, &t->names)
    {
        struct name *name = list_entry(at, struct name, node);

        if (!strcmp(name->text, text)) {
            return name->text;
        }
    }
    return NULL;
}

/* With the lock held. */
static const char *keep_name(struct trace *t, const char *text)
{
    const char *found = find_name(t, text);
    size_t len = strlen(text) + 1;
    struct name *name = found ? NULL : malloc(sizeof(*name) + len);

    if (name) {
        memcpy(name->text, text, len);
        list_add_tail(&t->names, &name->node);
        found = name->text;
    }
    return found ? found : "?";
}

const char *trace_name(struct trace_track *track, const char *text)
{
    const char *kept;

    pthread_mutex_lock(&track->trace->lock);
    kept = keep_name(track->trace, text);
    pthread_mutex_unlock(&track->trace->lock);
    return kept;
}

void trace_group(struct trace *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    t->group = keep_name(t, name);
    t->pid++;
    pthread_mutex_unlock(&t->lock);
}

struct trace_track *trace_track_new(struct trace *t, const char *name, bool shared)
{
    struct trace_track *track = t ? calloc(1, sizeof(*track)) : NULL;

    if (!track) {
        return NULL;
    }
    track->trace = t;
    track->shared = shared;
    track->mask = t->size - 1;
    strncpy(track->name, name, sizeof(track->name) - 1);
    track->ring = mmap(NULL, t->size * sizeof(track->ring[0]), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (track->ring == MAP_FAILED) {
        free(track);
        return NULL;
    }
    pthread_mutex_lock(&t->lock);
    track->group = t->group;
    track->pid = t->pid;
    list_add_tail(&t->tracks, &track->node);
    pthread_mutex_unlock(&t->lock);
    return track;
}

/*
 * Stores are atomic because of shared tracks: if the ring wraps while a thread is preempted here,
 * two threads write one entry. The entry is then wrong, which does no harm.
 */
void trace_record(struct trace_track *track, unsigned event, uint64_t a, uint64_t b, uint64_t c,
                  uint64_t d)
{
    uint64_t n =
        track->shared ? __atomic_fetch_add(&track->count, 1, __ATOMIC_RELAXED) : track->count++;
    struct trace_entry *e = &track->ring[n & track->mask];

    store_relaxed(&e->ns, track->trace->clock());
    store_relaxed(&e->event, event);
    store_relaxed(&e->args[0], a);
    store_relaxed(&e->args[1], b);
    store_relaxed(&e->args[2], c);
    store_relaxed(&e->args[3], d);
}
