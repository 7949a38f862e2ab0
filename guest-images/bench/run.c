// SPDX-License-Identifier: MIT
/*
 * run.c - the measured loop
 *
 * A sweep takes all completions of a disk, turns each into the next request, and publishes these
 * with one write to avail->idx. The TSC is read once for a batch: that is when the guest saw it.
 *
 * With a pause, completions are taken one by one: the guest works on each for so long before it
 * submits the next request, as a program with one thread does.
 */
#include "guest-images/bench/clock.h"
#include "guest-images/bench/cpu.h"
#include "guest-images/bench/platform.h"
#include "guest-images/bench/run.h"

#define SPINS_PER_LOOK (1u << 22) /* between looks at the clock while nothing completes */
#define PREFETCH       8          /* completions whose lines are on their way */
#define LONG_WAIT_NS   100000000  /* ended by the timer: its interrupt is not late but lost */

/* How long until the guest looks for a stall, and since when nothing has happened. */
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

static inline uint64_t next_sector(struct workload *w, struct disk *disk)
{
    uint64_t block;

    if (w->random) {
        block = random_below(w, disk->blocks);
    } else {
        block = disk->next_block++;
        if (unlikely(disk->next_block == disk->blocks))
            disk->next_block = 0;
    }
    return block * disk->sectors_per_block;
}

/* Sectors say where they belong, so that data of another place or time is noticed. */
static void stamp(const struct disk *disk, const struct request *request)
{
    uint64_t *word = request->data;

    for (uint64_t i = 0; i < disk->sectors_per_block; i++, word += 64) {
        word[0] = bench_verify_word(request->sector + i);
        word[63] = ~word[0];
    }
}

static void check(struct results *results, const struct disk *disk, const struct request *request)
{
    uint64_t *word = request->data;

    for (uint64_t i = 0; i < disk->sectors_per_block; i++, word += 64) {
        uint64_t want = bench_verify_word(request->sector + i);

        results->mismatches += word[0] != want || word[63] != ~want;
        word[0] = word[63] = 0; /* what is not read the next time must not look as if it was */
    }
}

/* Make @request the next one and put it into the avail ring. False if it is a flush. */
static inline bool submit(struct workload *w, struct disk *disk, struct request *request,
                          uint64_t now)
{
    enum request_type type = request->type;

    request->start = now;
    if (unlikely(w->flush_every) && disk->until_flush-- == 0) {
        disk->until_flush = w->flush_every;
        if (type != REQUEST_FLUSH)
            ring_set_type(&disk->ring, request, REQUEST_FLUSH);
        request->sector = 0;
        ring_add(&disk->ring, request);
        return false;
    }
    if (unlikely(w->mixed || type == REQUEST_FLUSH)) {
        enum request_type want =
            random_below(w, 100) < w->read_percent ? REQUEST_READ : REQUEST_WRITE;

        if (type != want)
            ring_set_type(&disk->ring, request, want);
    }
    request->sector = next_sector(w, disk);
    if (unlikely(w->verify) && request->type == REQUEST_WRITE)
        stamp(disk, request);
    ring_add(&disk->ring, request);
    return true;
}

static void broken(const struct disk *disk, const char *what)
{
    const struct ring *ring = &disk->ring;

    fail(BENCH_EXIT_DEVICE, "disk at 0x%lx: %s: %u taken, used->idx %u, device status 0x%x",
         disk->device.mmio, what, ring->taken, ring->memory->used.idx,
         virtio_disk_status(&disk->device));
}

static void stalled(const struct bench *bench)
{
    for (unsigned i = 0; i < bench->disk_count; i++) {
        const struct disk *disk = &bench->disks[i];
        const struct ring *ring = &disk->ring;

        say("stalled_disk=%u in_flight=%u published=%u used_idx=%u taken=%u used_flags=%u "
            "avail_event=%u kicks=%lu interrupts=%lu device_status=0x%x\n",
            i, disk->in_flight, ring->published, ring->memory->used.idx, ring->taken,
            ring->memory->used.flags, ring_avail_event(ring), ring->kicks, irq_count[i],
            virtio_disk_status(&disk->device));
    }
    fail(BENCH_EXIT_STALLED, "no completion for %u seconds", BENCH_STALL_S);
}

static inline void complete(struct bench *bench, struct disk *disk, struct request *request,
                            uint32_t len, uint64_t now)
{
    struct results *results = &bench->results;
    uint8_t status = request->status;

    request->status = STATUS_UNTAKEN;
    if (unlikely(status != STATUS_OK)) {
        if (status == STATUS_UNTAKEN)
            broken(disk, "a request that was not in flight, or has no status, was completed");
        results->errors++;
        results->last_error = status;
    } else if (unlikely(len != request->used_len)) {
        results->bad_lengths++;
    }
    if (unlikely(bench->workload.verify) && request->type == REQUEST_READ)
        check(results, disk, request);
    histogram_add(unlikely(request->type == REQUEST_FLUSH) ? &results->flush : &results->data,
                  now - request->start);
}

static inline uint64_t spin_until(uint64_t deadline)
{
    uint64_t now;

    do
        now = rdtsc();
    while (now < deadline);
    return now;
}

/* Take what has completed on @disk and submit as many, while @left is not 0. False: nothing. */
static inline bool sweep(struct bench *bench, struct disk *disk, uint64_t *left, uint64_t deadline,
                         uint64_t *last)
{
    struct workload *w = &bench->workload;
    uint16_t n = ring_pending(&disk->ring);
    uint64_t now;

    if (!n)
        return false;
    if (unlikely(n > disk->in_flight))
        broken(disk, "used->idx is ahead of what was submitted");
    now = rdtsc();
    *last = now;
    if (unlikely(now >= deadline))
        *left = 0;
    if (w->pause_ticks)
        n = 1;
    for (uint16_t i = 0; i < n && i < PREFETCH; i++)
        ring_prefetch(&disk->ring, i);
    for (; n; n--) {
        struct request *request;
        uint32_t len;

        if (n > PREFETCH)
            ring_prefetch(&disk->ring, PREFETCH);
        request = ring_take(&disk->ring, &len);

        if (unlikely(!request))
            broken(disk, "the used ring names no request");
        complete(bench, disk, request, len, now);
        if (likely(*left)) {
            if (w->pause_ticks)
                now = spin_until(now + w->pause_ticks);
            *left -= submit(w, disk, request, now);
        } else {
            disk->in_flight--;
        }
    }
    if (disk->ring.avail_next != disk->ring.published)
        ring_publish(&disk->ring);
    return true;
}

/* Fill each disk's queue to its depth. */
static void start(struct bench *bench, uint64_t *left)
{
    for (unsigned i = 0; i < bench->disk_count; i++) {
        struct disk *disk = &bench->disks[i];

        disk->until_flush = bench->workload.flush_every;
        for (unsigned slot = 0; slot < disk->ring.depth && *left; slot++) {
            *left -= submit(&bench->workload, disk, &disk->ring.requests[slot], rdtsc());
            disk->in_flight++;
        }
        if (disk->ring.avail_next != disk->ring.published)
            ring_publish(&disk->ring);
    }
}

/* Sleep until an interrupt, unless there is something to do already. */
static inline void wait_irq(struct bench *bench, struct patience *patience)
{
    uint64_t ticks = timer_ticks, interrupts = 0, begin = rdtsc();
    bool ready = false;

    for (unsigned i = 0; i < bench->disk_count; i++) {
        ready |= ring_arm(&bench->disks[i].ring);
        interrupts += irq_count[i];
    }
    if (!ready)
        call_cpl0(cpl0_wait);
    for (unsigned i = 0; i < bench->disk_count; i++) {
        ring_disarm(&bench->disks[i].ring);
        interrupts -= irq_count[i];
    }
    if (unlikely(timer_ticks != ticks) && !interrupts) {
        if (rdtsc() - begin > ns_to_ticks(LONG_WAIT_NS))
            for (unsigned i = 0; i < bench->disk_count; i++)
                bench->results.rescued += ring_pending(&bench->disks[i].ring) != 0;
        if (timer_ticks - patience->since > BENCH_STALL_S)
            stalled(bench);
    }
}

static inline void wait_poll(struct bench *bench, struct patience *patience)
{
    if (likely(--patience->spins))
        return;
    patience->spins = SPINS_PER_LOOK;
    if (rdtsc() - patience->since > ns_to_ticks(BENCH_STALL_S * 1000000000ull))
        stalled(bench);
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
    for (unsigned i = 0; i < bench->disk_count; i++) {
        bench->disks[i].ring.kicks = 0;
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
    if (__builtin_add_overflow(begin, ticks, &deadline))
        deadline = UINT64_MAX;
    patience.since = irq ? timer_ticks : begin;
    start(bench, &left);
    do {
        progress = false;
        in_flight = 0;
        for (unsigned i = 0; i < bench->disk_count; i++) {
            struct disk *disk = &bench->disks[i];

            if (sweep(bench, disk, &left, deadline, &last)) {
                if (!irq)
                    ring_keep_disarmed(&disk->ring);
                progress = true;
            }
            in_flight += disk->in_flight;
        }
        if (progress)
            patience.since = irq ? timer_ticks : last;
        else if (irq)
            wait_irq(bench, &patience);
        else
            wait_poll(bench, &patience);
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
