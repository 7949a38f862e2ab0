// SPDX-License-Identifier: MIT
/* A disk of several queues on several I/O threads. */
#include <check.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define QUEUES       4
#define THREADS      2
#define DEPTH        8 /* of each queue */
#define ROUNDS       6000
#define BLOCK_SIZE   1536
#define BLOCKS       (RIG_DISK_SIZE / BLOCK_SIZE)
#define SECTOR_OF(b) ((b) * (BLOCK_SIZE / SECTOR_SIZE))
#define MEMORY_RINGS 65536 /* of a fake driver's memory; the rest is buffers */

static struct blk_rig rig;

/* --- random requests on all queues, each block checked when it is read --- */

static uint32_t written[BLOCKS]; /* how often */
static bool busy[BLOCKS];
static unsigned in_flight[QUEUES];
static uint64_t random_state = 42;
static unsigned nr_blocks; /* that are used, of BLOCKS */

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 32) % n;
}

static void pattern(uint32_t *words, uint32_t block, uint32_t version)
{
    for (unsigned i = 0; i < BLOCK_SIZE / sizeof(*words); i++) {
        words[i] = version ? block * 2654435761u + version * 40503u + i : 0;
    }
}

static void offer(unsigned q)
{
    struct fake_driver *d = &rig.drv[q];
    uint32_t data[BLOCK_SIZE / 4], block = random_below(nr_blocks);

    if (busy[block]) {
        return;
    }
    if (in_flight[q] == 0) {
        d->brk = MEMORY_RINGS; /* all its buffers are free again */
    }
    busy[block] = true;
    in_flight[q]++;
    if (random_below(2)) {
        pattern(data, block, ++written[block]);
        fake_driver_kick(d, fake_driver_chain_indirect(
                                d, HDR(.type = VIRTIO_BLK_T_OUT, .sector = SECTOR_OF(block)),
                                OUT_BYTES(data, BLOCK_SIZE), STATUS()));
    } else {
        fake_driver_kick(d, fake_driver_chain_indirect(
                                d, HDR(.type = VIRTIO_BLK_T_IN, .sector = SECTOR_OF(block)),
                                IN(BLOCK_SIZE), STATUS()));
    }
}

static void reap(unsigned q)
{
    struct fake_driver *d = &rig.drv[q];
    int head = fake_driver_reap(d);
    struct virtio_blk_outhdr *hdr;
    uint32_t want[BLOCK_SIZE / 4], block;

    if (head < 0) {
        return;
    }
    hdr = &d->chains[head].bufs[0].hdr;
    block = hdr->sector / SECTOR_OF(1);
    ck_assert_uint_eq(fake_driver_status(d, head), VIRTIO_BLK_S_OK);
    if (hdr->type == VIRTIO_BLK_T_IN) {
        pattern(want, block, written[block]);
        ck_assert_mem_eq(fake_driver_buf(d, head, 1), want, BLOCK_SIZE);
    }
    fake_driver_release(d, head);
    busy[block] = false;
    in_flight[q]--;
}

START_TEST(random_requests_on_four_queues_and_two_threads_find_what_was_written)
{
    struct virtio_blk_stats stats;
    unsigned begun = 0, left = 0;
    bool in_part = _i & 2; /* blocks that share host blocks with each other */

    nr_blocks = in_part ? 2 * QUEUES * DEPTH : BLOCKS;
    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = QUEUES,
                                                 .nr_iothreads = THREADS,
                                                 .event_idx = _i & 1,
                                                 .align = in_part ? 4096 : 1,
                                                 .merge = true,
                                                 .policy = &poll_policy_grow_shrink});
    blk_rig_go_live(&rig);
    do {
        left = 0;
        for (unsigned q = 0; q < QUEUES; q++) {
            unsigned want = begun < ROUNDS ? 1 + random_below(DEPTH) : 0;

            while (in_flight[q] < want) {
                offer(q);
                begun++;
            }
            reap(q);
            left += in_flight[q];
        }
    } while (begun < ROUNDS || left);
    stats = blk_rig_stats(&rig);
    ck_assert_uint_gt(stats.reads, ROUNDS / 4);
    ck_assert_uint_gt(stats.writes, ROUNDS / 4);
    ck_assert_uint_eq(stats.errors + stats.faults + stats.in_flight, 0);
    blk_rig_destroy(&rig);
}
END_TEST

/* --- which thread serves what --- */

START_TEST(queues_are_dealt_round_robin)
{
    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = QUEUES, .nr_iothreads = THREADS});
    blk_rig_go_live(&rig);
    for (unsigned q = 0; q < QUEUES; q++) {
        unsigned before = load_relaxed(&rig.submitted[q % THREADS]);
        struct virtio_blk_stats stats;

        ck_assert_uint_eq(blk_rig_do(&rig, q,
                                     fake_driver_chain(&rig.drv[q], HDR(.type = VIRTIO_BLK_T_IN),
                                                       IN(512), STATUS())),
                          VIRTIO_BLK_S_OK);
        ck_assert_uint_eq(load_relaxed(&rig.submitted[q % THREADS]), before + 1);
        for (unsigned i = 0; i < QUEUES; i++) {
            virtio_blk_get_queue_stats(rig.dev, i, &stats);
            ck_assert_uint_eq(stats.reads, i <= q);
        }
    }
    blk_rig_destroy(&rig);
}
END_TEST

/* A driver without the feature sees one queue that works; the others stay unused. */
START_TEST(the_number_of_queues_is_in_the_configuration)
{
    struct virtio_blk_config config;

    blk_rig_init(&rig, &(struct blk_rig_options){.nr_queues = QUEUES, .nr_iothreads = THREADS});
    ck_assert(rig.dev->device_features & (1ull << VIRTIO_BLK_F_MQ));
    virtio_config_read(rig.dev, 0, &config, sizeof(config));
    ck_assert_uint_eq(config.num_queues, QUEUES);
    blk_rig_destroy(&rig);

    blk_rig_init(&rig, &(struct blk_rig_options){0});
    ck_assert(!(rig.dev->device_features & (1ull << VIRTIO_BLK_F_MQ)));
    blk_rig_destroy(&rig);
}
END_TEST

START_TEST(too_many_queues_make_no_device)
{
    struct error err = {""};
    struct virtio_device *dev = NULL;
    struct virtio_blk_options options;

    blk_rig_init(&rig, &(struct blk_rig_options){0});
    options = (struct virtio_blk_options){.name = "disk1",
                                          .image = &rig.image,
                                          .engine = &engine_null,
                                          .nr_queues = VIRTIO_BLK_QUEUES_MAX + 1,
                                          .iothreads = rig.iothreads,
                                          .nr_iothreads = 1};
    ck_assert_int_lt(virtio_blk_new(&options, &rig.drv[0].gm, &dev, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "65 queues"));
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk_queues");
    TCase *queues = tcase_create("queues");

    tcase_add_loop_test(queues,
                        random_requests_on_four_queues_and_two_threads_find_what_was_written, 0, 4);
    tcase_add_test(queues, queues_are_dealt_round_robin);
    tcase_add_test(queues, the_number_of_queues_is_in_the_configuration);
    tcase_add_test(queues, too_many_queues_make_no_device);
    suite_add_tcase(s, queues);
    return suite_run(s);
}
