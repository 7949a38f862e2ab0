// SPDX-License-Identifier: MIT
/*
 * run.c - the measured loop
 *
 * A sweep takes all completions of a queue, turns each into the next request, and publishes these
 * with one write to avail->idx. One reading of the TSC is the completion time of the whole batch.
 *
 * With a pause, completions are taken one by one: after each one the guest pauses before it submits
 * the next request, as a program with one thread does. With PAUSE_ON_OFF a sweep takes all
 * completions, because there is no pause while the load is on.
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"
#include "guest-images/bench/run.h"

#define SPINS_PER_LOOK (1u << 22) /* between looks at the clock while nothing completes */
#define PREFETCH       8          /* completions whose lines are on their way */
#define LONG_WAIT_NS   100000000  /* ended by the timer: its interrupt is not late but lost */

/* Time until the next check for a stall, and the time of the last completion. */
struct patience {
    uint32_t spins;
    uint64_t since; /* TSC, or timer ticks when waiting for interrupts */
};

/* xorshift64: 64 random bits, good enough for offsets, a dozen instructions. */
static inline uint64_t random64(struct workload *w)
{
    uint64_t x = w->random_state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    w->random_state = x;
    return x;
}

/* A number below @limit without a division. */
static inline uint64_t random_below(struct workload *w, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)random64(w) * limit >> 64);
}

static inline uint64_t next_sector(struct workload *w, struct queue *queue)
{
    uint64_t block;

    if (w->random) {
        block = random_below(w, queue->blocks);
    } else {
        block = queue->next_block++;
        if (unlikely(queue->next_block == queue->blocks)) {
            queue->next_block = 0;
        }
    }
    return block * queue->sectors_per_block;
}

/* Each sector holds its own number, so that data of another sector is detected. */
static void stamp(const struct queue *queue, const struct request *request)
{
    uint64_t *word = request->data;

    for (uint64_t i = 0; i < queue->sectors_per_block; i++, word += 64) {
        word[0] = bench_verify_word(request->sector + i);
        word[63] = ~word[0];
    }
}

static void check(struct results *results, const struct queue *queue, const struct request *request)
{
    uint64_t *word = request->data;

    for (uint64_t i = 0; i < queue->sectors_per_block; i++, word += 64) {
        uint64_t want = bench_verify_word(request->sector + i);

        results->mismatches += word[0] != want || word[63] != ~want;
        word[0] = word[63] = 0; /* data of this read must not look like data of the next one */
    }
}

/* Make @request the next one and put it into the avail ring. False if it is a flush. */
static inline bool submit(struct workload *w, struct queue *queue, struct request *request,
                          uint64_t now)
{
    enum request_type type = request->type;

    request->start = now;
    if (unlikely(w->flush_every) && queue->until_flush == 0) {
        queue->until_flush = w->flush_every;
        if (type != REQUEST_FLUSH) {
            ring_set_type(&queue->ring, request, REQUEST_FLUSH);
        }
        request->sector = 0;
        ring_add(&queue->ring, request);
        return false;
    }
    if (unlikely(w->mixed || type == REQUEST_FLUSH)) {
        enum request_type want =
            random_below(w, 100) < w->read_percent ? REQUEST_READ : REQUEST_WRITE;

        if (type != want) {
            ring_set_type(&queue->ring, request, want);
        }
    }
    if (request->type == REQUEST_WRITE) {
        queue->until_flush--;
    }
    request->sector = next_sector(w, queue);
    if (unlikely(w->verify) && request->type == REQUEST_WRITE) {
        stamp(queue, request);
    }
    ring_add(&queue->ring, request);
    return true;
}

static void broken(const struct bench *bench, const struct queue *queue, const char *what)
{
    const struct ring *ring = &queue->ring;
    const struct virtio_disk *disk = &bench->disks[queue->disk];

    fail(BENCH_EXIT_DEVICE, "disk at 0x%lx, queue %u: %s: %u taken, used->idx %u, status 0x%x",
         disk->mmio, ring->index, what, ring->taken, ring->memory->used.idx,
         virtio_disk_status(disk));
}

static void stalled(const struct bench *bench)
{
    for (unsigned i = 0; i < bench->queue_count; i++) {
        const struct queue *queue = &bench->queues[i];
        const struct ring *ring = &queue->ring;

        say("stalled_disk=%u queue=%u in_flight=%u published=%u used_idx=%u taken=%u used_flags=%u "
            "avail_event=%u kicks=%lu interrupts=%lu device_status=0x%x\n",
            queue->disk, ring->index, queue->in_flight, ring->published, ring->memory->used.idx,
            ring->taken, ring->memory->used.flags, ring_avail_event(ring), ring->kicks,
            irq_count[queue->disk], virtio_disk_status(&bench->disks[queue->disk]));
    }
    fail(BENCH_EXIT_STALLED, "no completion for %u seconds", BENCH_STALL_S);
}

static inline void complete(struct bench *bench, struct queue *queue, struct request *request,
                            uint32_t len, uint64_t now)
{
    struct results *results = &bench->results;
    uint8_t status = request->status;

    request->status = STATUS_UNTAKEN;
    if (unlikely(status != STATUS_OK)) {
        if (status == STATUS_UNTAKEN) {
            broken(bench, queue,
                   "a request that was not in flight, or has no status, was completed");
        }
        results->errors++;
        results->last_error = status;
    } else if (unlikely(len != request->used_len)) {
        results->bad_lengths++;
    }
    if (unlikely(bench->workload.verify) && request->type == REQUEST_READ) {
        check(results, queue, request);
    }
    histogram_add(unlikely(request->type == REQUEST_FLUSH) ? &results->flush : &results->data,
                  now - request->start);
}

static inline uint64_t spin_until(uint64_t deadline)
{
    uint64_t now;

    do {
        now = rdtsc();
    } while (now < deadline);
    return now;
}

/* Take the completions of @queue and submit as many, while @left is not 0. False: none. */
static inline bool sweep(struct bench *bench, struct queue *queue, uint64_t *left,
                         uint64_t deadline, uint64_t *last)
{
    struct workload *w = &bench->workload;
    uint16_t n = ring_pending(&queue->ring);
    uint64_t now;

    if (!n) {
        return false;
    }
    if (unlikely(n > queue->in_flight)) {
        broken(bench, queue, "used->idx is ahead of what was submitted");
    }
    now = rdtsc();
    *last = now;
    if (unlikely(now >= deadline)) {
        *left = 0;
    }
    if (w->pausing && w->pause.kind != PAUSE_ON_OFF) {
        n = 1;
    }
    for (uint16_t i = 0; i < n && i < PREFETCH; i++) {
        ring_prefetch(&queue->ring, i);
    }
    for (; n; n--) {
        struct request *request;
        uint32_t len;

        if (n > PREFETCH) {
            ring_prefetch(&queue->ring, PREFETCH);
        }
        request = ring_take(&queue->ring, &len);

        if (unlikely(!request)) {
            broken(bench, queue, "the used ring names no request");
        }
        complete(bench, queue, request, len, now);
        if (likely(*left)) {
            if (w->pausing) {
                now = spin_until(now + pause_next(&w->pause, now, random64(w)));
            }
            *left -= submit(w, queue, request, now);
        } else {
            queue->in_flight--;
        }
    }
    if (queue->ring.avail_next != queue->ring.published) {
        ring_publish(&queue->ring);
    }
    return true;
}

/* Fill each queue to its depth. */
static void start(struct bench *bench, uint64_t *left)
{
    for (unsigned i = 0; i < bench->queue_count; i++) {
        struct queue *queue = &bench->queues[i];

        queue->until_flush = bench->workload.flush_every;
        for (unsigned slot = 0; slot < queue->ring.depth && *left; slot++) {
            *left -= submit(&bench->workload, queue, &queue->ring.requests[slot], rdtsc());
            queue->in_flight++;
        }
        if (queue->ring.avail_next != queue->ring.published) {
            ring_publish(&queue->ring);
        }
    }
}

/* Sleep until an interrupt, unless there is a completion already. */
static inline void wait_irq(struct bench *bench, struct patience *patience)
{
    uint64_t ticks = timer_ticks, interrupts = 0, begin = rdtsc();
    bool ready = false;

    for (unsigned i = 0; i < bench->disk_count; i++) {
        interrupts += irq_count[i];
    }
    for (unsigned i = 0; i < bench->queue_count; i++) {
        ready |= ring_arm(&bench->queues[i].ring);
    }
    if (!ready) {
        call_cpl0(cpl0_wait);
    }
    for (unsigned i = 0; i < bench->queue_count; i++) {
        ring_disarm(&bench->queues[i].ring);
    }
    for (unsigned i = 0; i < bench->disk_count; i++) {
        interrupts -= irq_count[i];
    }
    if (unlikely(timer_ticks != ticks) && !interrupts) {
        if (rdtsc() - begin > ns_to_ticks(LONG_WAIT_NS)) {
            for (unsigned i = 0; i < bench->queue_count; i++) {
                bench->results.rescued += ring_pending(&bench->queues[i].ring) != 0;
            }
        }
        if (timer_ticks - patience->since > BENCH_STALL_S) {
            stalled(bench);
        }
    }
}

static inline void wait_poll(struct bench *bench, struct patience *patience)
{
    if (likely(--patience->spins)) {
        return;
    }
    patience->spins = SPINS_PER_LOOK;
    if (rdtsc() - patience->since > ns_to_ticks(BENCH_STALL_S * 1000000000ull)) {
        stalled(bench);
    }
}

static void clear(struct bench *bench)
{
    struct results *results = &bench->results;

    results->errors = 0;
    results->bad_lengths = 0;
    results->mismatches = 0;
    results->rescued = 0;
    histogram_clear(&results->data);
    histogram_clear(&results->flush);
    for (unsigned i = 0; i < bench->queue_count; i++) {
        bench->queues[i].ring.kicks = 0;
    }
    for (unsigned i = 0; i < bench->disk_count; i++) {
        irq_count[i] = 0;
    }
}

static inline __attribute__((always_inline)) void run(struct bench *bench, uint64_t requests,
                                                      uint64_t ticks, const bool irq)
{
    struct patience patience = {.spins = SPINS_PER_LOOK};
    uint64_t begin, deadline, last, left = requests;
    unsigned in_flight;
    bool progress;

    begin = last = rdtsc();
    if (__builtin_add_overflow(begin, ticks, &deadline)) {
        deadline = UINT64_MAX;
    }
    patience.since = irq ? timer_ticks : begin;
    pause_start(&bench->workload.pause, begin);
    start(bench, &left);
    do {
        progress = false;
        in_flight = 0;
        for (unsigned i = 0; i < bench->queue_count; i++) {
            struct queue *queue = &bench->queues[i];

            if (sweep(bench, queue, &left, deadline, &last)) {
                if (!irq) {
                    ring_keep_disarmed(&queue->ring);
                }
                progress = true;
            }
            in_flight += queue->in_flight;
        }
        if (progress) {
            patience.since = irq ? timer_ticks : last;
        } else if (irq) {
            wait_irq(bench, &patience);
        } else {
            wait_poll(bench, &patience);
        }
    } while (in_flight);
    bench->results.elapsed_ticks = last - begin;
}

void run_poll(struct bench *bench, uint64_t requests, uint64_t ticks)
{
    clear(bench);
    run(bench, requests, ticks, false);
}

void run_irq(struct bench *bench, uint64_t requests, uint64_t ticks)
{
    clear(bench);
    run(bench, requests, ticks, true);
}
