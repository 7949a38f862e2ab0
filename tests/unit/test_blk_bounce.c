// SPDX-License-Identifier: MIT
/* Bounce buffers without memory for them, and when a queue stops. */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "blk/device.h"
#include "blk/queue.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/suite.h"

#define READ VIRTIO_BLK_T_IN
#define HALF (RIG_DISK_SIZE / 2)

static struct blk_rig rig;
static struct fake_driver *const drv = &rig.drv[0];

static bool no_memory; /* for the bounce buffers of a queue */

void *aligned_alloc(size_t align, size_t size)
{
    void *p;

    if (no_memory && size == BLK_BOUNCE_MAX * BLK_BOUNCE_SIZE) {
        return NULL;
    }
    return posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size) ? NULL : p;
}

/* A stopped queue may be freed, so work that it still has deferred would use freed memory. */
static struct blk_queue *watched;
static unsigned stops, left_over;

int sem_post(sem_t *sem)
{
    int (*real)(sem_t *) = (__typeof__(real))dlsym(RTLD_NEXT, "sem_post");

    if (watched && sem == &watched->quiet) {
        stops++;
        left_over +=
            !list_empty(&watched->bounce.resume.node) + !list_empty(&watched->publish.node);
    }
    return real(sem);
}

START_TEST(without_memory_for_bounce_buffers_there_is_no_device)
{
    struct error err = {""};
    struct virtio_device *dev = NULL;
    struct virtio_blk_options options;

    blk_rig_init(&rig, &(struct blk_rig_options){.align = 512});
    options = (struct virtio_blk_options){
        .name = "disk1",
        .image = &rig.image,
        .engine = &engine_null,
        .queue_size = 64,
        .iothreads = rig.iothreads,
        .nr_iothreads = 1,
    };
    no_memory = true;
    ck_assert_int_eq(virtio_blk_new(&options, &drv->gm, &dev, &err), -ENOMEM);
    ck_assert_ptr_null(dev);
    blk_rig_destroy(&rig);
}
END_TEST

/* The image was cut, so the requests that waited for a buffer fail as soon as they have one: the
 * last of them, which stops the queue, within the work that gives out buffers. */
START_TEST(a_queue_that_stops_has_no_deferred_work)
{
    const unsigned nr = BLK_BOUNCE_MAX + 3;
    uint16_t head[BLK_BOUNCE_MAX + 3];

    blk_rig_init(&rig, &(struct blk_rig_options){.align = 512, .queue_size = 128});
    blk_rig_go_live(&rig);
    rig.hold = true;
    for (unsigned i = 0; i < nr; i++) {
        uint64_t gpa = fake_driver_alloc(drv, 513, 512) + 1;

        head[i] = fake_driver_chain(drv, HDR(.type = READ, .sector = HALF / 512), IN_AT(gpa, 512),
                                    STATUS());
        fake_driver_kick(drv, head[i]);
    }
    blk_rig_await_held(&rig, BLK_BOUNCE_MAX);
    store_relaxed(&rig.image.size, HALF);
    watched = container_of(rig.dev, struct blk, dev)->queues;
    blk_queue_ask_stop(watched);
    blk_rig_release(&rig);
    blk_queue_await_stop(watched);
    ck_assert_uint_eq(stops, 1);
    ck_assert_uint_eq(left_over, 0);
    fake_driver_await(drv, nr);
    ck_assert_uint_eq(fake_driver_status(drv, head[0]), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(fake_driver_status(drv, head[nr - 1]), VIRTIO_BLK_S_IOERR);
    watched = NULL;
    blk_rig_destroy(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blk bounce buffers");
    TCase *t = tcase_create("bounce buffers");

    tcase_add_test(t, without_memory_for_bounce_buffers_there_is_no_device);
    tcase_add_test(t, a_queue_that_stops_has_no_deferred_work);
    suite_add_tcase(s, t);
    return suite_run(s);
}
