// SPDX-License-Identifier: MIT
/* The queue between the serial port and the console. */
#include <check.h>
#include <sched.h>
#include <string.h>

#include "kvm/console-queue.h"
#include "tests/unit/suite.h"

static struct console_queue queue;
static struct error err;
static uint8_t written[3 * CONSOLE_QUEUE_SIZE];
static size_t nr_written;
static bool *busy_until;

static bool is_set(const bool *flag)
{
    bool value;

    pthread_mutex_lock(&queue.lock);
    value = *flag;
    pthread_mutex_unlock(&queue.lock);
    return value;
}

/* A slow terminal: each write takes until @busy_until is set. */
static void slow_write(void *opaque, const void *data, size_t len)
{
    while (!is_set(busy_until)) {
        sched_yield();
    }
    ck_assert_uint_ge(len, 1);
    memcpy(written + nr_written, data, len);
    nr_written += len;
}

static void start(bool *until)
{
    nr_written = 0;
    busy_until = until;
    ck_assert_int_eq(console_queue_init(&queue, slow_write, NULL, &err), 0);
}

START_TEST(what_is_queued_at_the_end_is_written_in_order)
{
    start(&queue.stop);
    for (unsigned i = 0; i < CONSOLE_QUEUE_SIZE; i++) {
        console_queue_put(&queue, (uint8_t)(i % 251));
    }
    console_queue_destroy(&queue);
    ck_assert_uint_eq(nr_written, CONSOLE_QUEUE_SIZE);
    for (unsigned i = 0; i < CONSOLE_QUEUE_SIZE; i++) {
        ck_assert_uint_eq(written[i], i % 251);
    }
}
END_TEST

START_TEST(nobody_waits_for_a_stuck_terminal_once_cancelled)
{
    start(&queue.stop);
    console_queue_cancel(&queue);
    for (unsigned i = 0; i < 3 * CONSOLE_QUEUE_SIZE; i++) {
        console_queue_put(&queue, 'x');
    }
    console_queue_destroy(&queue);
    ck_assert_uint_ge(nr_written, CONSOLE_QUEUE_SIZE);
    ck_assert_uint_le(nr_written, 2 * CONSOLE_QUEUE_SIZE);
}
END_TEST

static void *cancel(void *opaque)
{
    while (1) {
        size_t len;

        pthread_mutex_lock(&queue.lock);
        len = queue.len;
        pthread_mutex_unlock(&queue.lock);
        if (len == CONSOLE_QUEUE_SIZE) {
            break;
        }
        sched_yield();
    }
    console_queue_cancel(&queue);
    return NULL;
}

START_TEST(cancelling_frees_who_waits_for_room)
{
    pthread_t thread;

    start(&queue.cancelled);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel, NULL), 0);
    /* The writer holds at most one queue's length, so the second one fills the queue. */
    for (unsigned i = 0; i < 2 * CONSOLE_QUEUE_SIZE + 1; i++) {
        console_queue_put(&queue, 'x');
    }
    pthread_join(thread, NULL);
    console_queue_destroy(&queue);
    ck_assert_uint_ge(nr_written, CONSOLE_QUEUE_SIZE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("console_queue");
    TCase *t = tcase_create("queue");

    tcase_add_test(t, what_is_queued_at_the_end_is_written_in_order);
    tcase_add_test(t, nobody_waits_for_a_stuck_terminal_once_cancelled);
    tcase_add_test(t, cancelling_frees_who_waits_for_room);
    suite_add_tcase(s, t);
    return suite_run(s);
}
