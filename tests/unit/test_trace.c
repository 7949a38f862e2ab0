// SPDX-License-Identifier: MIT
/* Trace files: that they are JSON, that slices nest, that flows begin and end, that times ascend.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/unit/blk-rig.h"
#include "tests/unit/loop-fixture.h"
#include "trace/trace.h"
#include "tests/unit/suite.h"

static struct trace *make_trace(unsigned events)
{
    struct trace *t = trace_new(events, virtual_clock);

    ck_assert_ptr_nonnull(t);
    return t;
}

static struct trace_track *add_track(struct trace *t, const char *name)
{
    struct trace_track *track = trace_track_new(t, name, false);

    ck_assert_ptr_nonnull(track);
    return track;
}

/* --- reading a trace back --- */

#define TRACKS_MAX 8
#define FLOWS_MAX  4096

static json_t *written(const struct trace *t)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    json_error_t err;
    json_t *root;

    ck_assert_int_eq(trace_write(t, out), 0);
    fclose(out);
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
    ck_assert_msg(root, "line %d: %s", err.line, err.text);
    free(text);
    return root;
}

static const char *string_of(const json_t *e, const char *key)
{
    const char *s = json_string_value(json_object_get(e, key));

    return s ? s : "";
}

static int64_t number_of(const json_t *e, const char *key)
{
    return json_integer_value(json_object_get(e, key));
}

static unsigned count(const json_t *root, const char *phase, const char *name)
{
    json_t *e;
    size_t i;
    unsigned n = 0;

    json_array_foreach(json_object_get(root, "traceEvents"), i, e)
    {
        n += !strcmp(string_of(e, "ph"), phase) && (!name || !strcmp(string_of(e, "name"), name));
    }
    return n;
}

/* The arguments of the first event of that kind. */
static const json_t *args_of(const json_t *root, const char *phase, const char *name)
{
    json_t *e;
    size_t i;

    json_array_foreach(json_object_get(root, "traceEvents"), i, e)
    {
        if (!strcmp(string_of(e, "ph"), phase) && !strcmp(string_of(e, "name"), name)) {
            return json_object_get(e, "args");
        }
    }
    ck_abort_msg("there is no event %s \"%s\"", phase, name);
}

/* How many slices are open where this one begins. */
static int depth_of(const json_t *root, const char *name)
{
    int depth = 0;
    json_t *e;
    size_t i;

    json_array_foreach(json_object_get(root, "traceEvents"), i, e)
    {
        const char *phase = string_of(e, "ph");

        if (*phase == 'B' && !strcmp(string_of(e, "name"), name)) {
            return depth;
        }
        depth += *phase == 'B' ? 1 : *phase == 'E' ? -1 : 0;
    }
    return -1;
}

/* What must hold of every trace file. */
static void check_shape(const json_t *root)
{
    static int bars[FLOWS_MAX], flows[FLOWS_MAX];
    double last[TRACKS_MAX] = {0};
    int depth[TRACKS_MAX] = {0};
    json_t *e;
    size_t i;

    memset(bars, 0, sizeof(bars));
    memset(flows, 0, sizeof(flows));
    json_array_foreach(json_object_get(root, "traceEvents"), i, e)
    {
        const char *phase = string_of(e, "ph");
        int64_t tid = number_of(e, "tid"), id = number_of(e, "id");
        double ts = json_number_value(json_object_get(e, "ts"));

        ck_assert_int_lt(tid, TRACKS_MAX);
        ck_assert_int_lt(id, FLOWS_MAX);
        ck_assert_int_eq(strlen(phase), 1);
        if (*phase == 'M') {
            continue;
        }
        ck_assert_msg(ts >= last[tid], "event %zu goes back in time", i);
        last[tid] = ts;
        depth[tid] += *phase == 'B' ? 1 : *phase == 'E' ? -1 : 0;
        ck_assert_int_ge(depth[tid], 0);
        bars[id] += *phase == 'b' ? 1 : *phase == 'e' ? -1 : 0;
        ck_assert_int_ge(bars[id], 0);
        switch (*phase) {
        case 's':
            ck_assert_int_eq(flows[id], 0);
            flows[id] = 1;
            break;
        case 't':
            ck_assert_int_eq(flows[id], 1);
            break;
        case 'f':
            ck_assert_int_eq(flows[id], 1);
            flows[id] = 2;
            break;
        }
    }
    for (i = 0; i < TRACKS_MAX; i++) {
        ck_assert_int_eq(depth[i], 0);
    }
    for (i = 0; i < FLOWS_MAX; i++) {
        ck_assert_int_eq(bars[i], 0);
        ck_assert_int_ne(flows[i], 1);
    }
}

/* --- recorded by hand --- */

/* @r is any address. */
static void one_request(struct trace_track *t, const void *r, const char *queue, bool sent)
{
    trace_dispatch_begin(t, NULL, queue, 0);
    trace_request_seen(t, queue, r);
    trace_dispatch_end(t, NULL);
    trace_end_of_turn_begin(t, NULL);
    trace_request_submitted(t, NULL, r, ENGINE_READ, 4096);
    trace_request_completed(t, NULL, r, 512);
    trace_request_used(t, queue, r, 513);
    trace_interrupt(t, queue, sent);
    trace_end_of_turn_end(t, NULL);
}

START_TEST(an_empty_trace_is_valid)
{
    struct trace *t = make_trace(16);
    json_t *root;

    add_track(t, "a \"quoted\" \\ name\n");
    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "M", "thread_name"), 1);
    ck_assert_str_eq(string_of(args_of(root, "M", "thread_name"), "name"), "a \"quoted\" \\ name");
    json_decref(root);
    trace_free(t);
}
END_TEST

START_TEST(without_a_trace_there_is_no_track_and_nothing_is_recorded)
{
    struct trace_track *none = trace_track_new(NULL, "none", false);

    ck_assert_ptr_null(none);
    trace_block_begin(none, NULL, 1);
    trace_block_end(none, NULL, 1);
    trace_free(NULL);
}
END_TEST

START_TEST(a_request_becomes_a_flow_and_two_bars)
{
    struct trace *t = make_trace(64);
    struct trace_track *track = add_track(t, "io0");
    json_t *root;

    one_request(track, &t, "disk0 queue 0", true);
    one_request(track, &t, "disk0 queue 0", false); /* the same memory is another request */
    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "s", "request"), 2);
    ck_assert_uint_eq(count(root, "t", "request"), 4);
    ck_assert_uint_eq(count(root, "f", "request"), 2);
    ck_assert_uint_eq(count(root, "b", "request"), 2);
    ck_assert_uint_eq(count(root, "b", "read"), 2);
    ck_assert_uint_eq(count(root, "B", "disk0 queue 0"), 2);
    ck_assert_uint_eq(count(root, "i", "interrupt"), 1);
    ck_assert_uint_eq(count(root, "i", "no interrupt wanted"), 1);
    ck_assert_int_eq(number_of(args_of(root, "b", "read"), "offset"), 4096);
    json_decref(root);
    trace_free(t);
}
END_TEST

START_TEST(an_interrupt_ends_the_requests_of_its_own_queue_only)
{
    struct trace *t = make_trace(64);
    struct trace_track *track = add_track(t, "io0");
    char r[2];
    json_t *root;

    trace_request_seen(track, "q0", &r[0]);
    trace_request_seen(track, "q1", &r[1]);
    trace_request_used(track, "q0", &r[0], 1);
    trace_request_used(track, "q1", &r[1], 1);
    trace_interrupt(track, "q1", true);
    trace_poll_add(track, NULL, "after", 3);
    trace_interrupt(track, "q0", true);
    root = written(t);
    check_shape(root);
    for (unsigned ended = 0, i = 0; i < json_array_size(json_object_get(root, "traceEvents"));
         i++) {
        const json_t *e = json_array_get(json_object_get(root, "traceEvents"), i);

        ended += !strcmp(string_of(e, "ph"), "f");
        if (!strcmp(string_of(e, "name"), "poll_add")) {
            ck_assert_uint_eq(ended, 1);
        }
    }
    ck_assert_uint_eq(count(root, "f", NULL), 2);
    json_decref(root);
    trace_free(t);
}
END_TEST

START_TEST(many_requests_at_a_time_keep_apart)
{
    struct trace *t = make_trace(4096);
    struct trace_track *track = add_track(t, "io0");
    static char r[500];
    json_t *root;

    for (unsigned i = 0; i < sizeof(r); i++) {
        trace_request_seen(track, "q", &r[i]);
        trace_request_submitted(track, NULL, &r[i], ENGINE_WRITE, i);
    }
    for (unsigned i = sizeof(r); i-- > 0;) {
        trace_request_completed(track, NULL, &r[i], 1);
        trace_request_used(track, "q", &r[i], 1);
    }
    trace_interrupt(track, "q", true);
    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "f", NULL), sizeof(r));
    ck_assert_uint_eq(count(root, "e", "write"), sizeof(r));
    json_decref(root);
    trace_free(t);
}
END_TEST

/* The ring may begin and end anywhere: the newest events stay, and the file still nests. */
START_TEST(a_full_ring_keeps_the_newest_events_and_counts_the_rest)
{
    char lost[16];
    struct trace *t = make_trace(64);
    struct trace_track *track = add_track(t, "io0");
    json_t *root;

    for (int i = 0; i < 100 + _i; i++) { /* so that the cut falls on each of the events */
        trace_poll_add(track, NULL, "x", i);
    }
    for (unsigned i = 0; i < 20; i++) {
        trace_run_poll_handlers_begin(track, NULL, 1000, INT64_MAX);
        trace_run_poll_handlers_end(track, NULL, i & 1, INT64_MAX);
        one_request(track, &track, "q", true);
    }
    root = written(t);
    check_shape(root);
    ck_assert_uint_ge(count(root, "f", NULL), 4);
    ck_assert_uint_eq(count(root, "i", "poll_add"), 0);
    snprintf(lost, sizeof(lost), "%d", 100 + _i + 20 * 11 - 64);
    ck_assert_str_eq(string_of(json_object_get(root, "otherData"), "events_lost"), lost);
    json_decref(root);
    trace_free(t);
}
END_TEST

START_TEST(what_is_open_at_the_end_is_closed)
{
    struct trace *t = make_trace(64);
    struct trace_track *track = add_track(t, "vcpu0");
    json_t *root;

    trace_vcpu_entry(track, 0);
    trace_vcpu_exit(track, 0, "MMIO", 6);
    trace_vcpu_entry(track, 0);
    trace_request_seen(track, "q", &root);
    trace_request_submitted(track, NULL, &root, ENGINE_FLUSH, 0);
    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "B", "guest"), 2);
    ck_assert_uint_eq(count(root, "B", "MMIO"), 1);
    ck_assert_uint_eq(count(root, "e", "flush"), 1);
    json_decref(root);
    trace_free(t);
}
END_TEST

START_TEST(names_are_kept_and_shared)
{
    struct trace *t = make_trace(16);
    struct trace_track *track = add_track(t, "io0");
    char name[] = "disk0";
    const char *kept = trace_name(track, name);

    ck_assert_ptr_eq(trace_name(track, "disk0"), kept);
    name[0] = 'x';
    ck_assert_str_eq(kept, "disk0");
    ck_assert_ptr_ne(trace_name(track, name), kept);
    trace_free(t);
}
END_TEST

static void *notify_often(void *opaque)
{
    for (unsigned i = 0; i < 1000; i++) {
        trace_notify(opaque, NULL, i & 1);
    }
    return NULL;
}

START_TEST(a_shared_track_takes_events_of_several_threads)
{
    struct trace *t = trace_new(8192, NULL);
    struct trace_track *track = trace_track_new(t, "notify io0", true);
    pthread_t threads[3];
    json_t *root;

    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, notify_often, track), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "i", "notify: sent"), 1500);
    ck_assert_uint_eq(count(root, "i", "notify: elided"), 1500);
    json_decref(root);
    trace_free(t);
}
END_TEST

/* --- recorded by a loop --- */

static AioContext *traced_loop(struct trace *t, uint64_t max_ns)
{
    struct aio_context_config config = {
        .poll = {.policy = &poll_policy_fixed, .max_ns = max_ns},
        .clock = virtual_clock,
        .trace = t,
        .name = "io0",
    };
    struct error err;
    AioContext *ctx;

    ck_assert_int_eq(aio_context_new(&config, &ctx, &err), 0);
    return ctx;
}

START_TEST(a_loop_that_polls_and_then_blocks_shows_both)
{
    struct trace *t = make_trace(1024);
    AioContext *ctx = traced_loop(t, 50000);
    struct source s = {0};
    json_t *root;

    source_add(&s, ctx);
    s.event_after_looks = 5;
    aio_poll(ctx, true);
    ck_assert_uint_eq(s.polled, 1);
    s.h.name = "late";
    source_fire(&s);
    aio_poll(ctx, true);
    ck_assert_uint_eq(s.ready, 1);
    source_remove(&s);
    loop_free(ctx);

    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "B", "poll: hit"), 1);
    ck_assert_uint_eq(count(root, "B", "poll: miss"), 1);
    ck_assert_uint_eq(count(root, "B", "blocked"), 1);
    ck_assert_uint_eq(count(root, "B", "source"), 1);
    ck_assert_int_eq(depth_of(root, "blocked"), 0);
    ck_assert_int_eq(depth_of(root, "late"), 0);
    ck_assert_uint_eq(count(root, "i", "poll_add"), 1);
    ck_assert_uint_eq(count(root, "i", "poll_remove"), 1);
    ck_assert_int_eq(number_of(args_of(root, "B", "poll: hit"), "max_ns"), 50000);
    ck_assert_str_eq(string_of(args_of(root, "B", "poll: hit"), "timeout"), "none");
    ck_assert_int_eq(number_of(args_of(root, "C", "poll window of io0"), "ns"), 50000);
    json_decref(root);
    trace_free(t);
}
END_TEST

static void do_nothing(void *opaque)
{
}

START_TEST(bottom_halves_are_shown_in_turns_that_run_some)
{
    struct trace *t = make_trace(1024);
    AioContext *ctx = traced_loop(t, 0);
    struct aio_bh bh;
    json_t *root;

    aio_bh_init(ctx, &bh, do_nothing, NULL);
    for (unsigned i = 0; i < 3; i++) {
        aio_bh_schedule(&bh);
        aio_poll(ctx, true);
        aio_poll(ctx, false);
    }
    loop_free(ctx);

    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "B", "bottom halves"), 3);
    ck_assert_int_eq(depth_of(root, "bottom halves"), 0);
    json_decref(root);
    trace_free(t);
}
END_TEST

static void request_done(struct engine_req *req, ssize_t res)
{
    ck_assert_int_eq(res, 512);
}

START_TEST(an_engine_shows_requests_in_the_turn_that_completes_them)
{
    static char buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    struct trace *t = make_trace(1024);
    AioContext *ctx = traced_loop(t, 0);
    struct image image = {.fd = -1, .size = 4096, .align = 1};
    struct engine_config config = {.depth = 1};
    struct engine_req req = {.op = ENGINE_READ, .iov = &iov, .iovcnt = 1, .cb = request_done};
    struct engine *e;
    struct error err;
    json_t *root;

    ck_assert_int_eq(engine_open(&engine_null, ctx, &image, &config, &e, &err), 0);
    trace_request_seen(aio_trace(ctx), "q", &req);
    ck_assert_int_eq(engine_submit(e, &req), 0);
    aio_poll(ctx, true);
    engine_close(e);
    loop_free(ctx);

    root = written(t);
    check_shape(root);
    ck_assert_uint_eq(count(root, "b", "read"), 1);
    ck_assert_uint_eq(count(root, "t", "request"), 2);
    ck_assert_uint_eq(count(root, "B", "end of turn"), 1);
    json_decref(root);
    trace_free(t);
}
END_TEST

/* --- recorded by a device --- */

START_TEST(each_request_of_a_disk_is_shown_from_seen_to_interrupt)
{
    const struct poll_policy_ops *policy = _i ? &poll_policy_fixed : &poll_policy_block;
    struct trace *t = trace_new(4096, NULL);
    static struct blk_rig rig;
    json_t *root;

    blk_rig_init(&rig, &(struct blk_rig_options){.policy = policy, .trace = t});
    blk_rig_go_live(&rig);
    for (unsigned i = 0; i < 10; i++) {
        uint16_t head =
            fake_driver_chain(&rig.drv[0], HDR(.type = VIRTIO_BLK_T_IN), IN(512), STATUS());

        ck_assert_uint_eq(blk_rig_do(&rig, 0, head), VIRTIO_BLK_S_OK);
        fake_driver_release(&rig.drv[0], head);
    }
    blk_rig_destroy(&rig);
    root = written(t); /* names of the device are read here, after its end */
    check_shape(root);
    ck_assert_uint_eq(count(root, "s", "request"), 10);
    ck_assert_uint_eq(count(root, "f", "request"), 10);
    ck_assert_uint_eq(count(root, "b", "read"), 10);
    ck_assert_uint_eq(count(root, "i", "interrupt"), 10);
    ck_assert_uint_ge(count(root, "B", "disk0 queue 0"), 1);
    ck_assert_uint_ge(count(root, "B", _i ? "end of turn" : "blocked"), 1);
    json_decref(root);
    trace_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *file = tcase_create("file"), *loop = tcase_create("loop");
    TCase *device = tcase_create("device");

    suite_add_tcase(s, file);
    tcase_add_test(file, an_empty_trace_is_valid);
    tcase_add_test(file, without_a_trace_there_is_no_track_and_nothing_is_recorded);
    tcase_add_test(file, a_request_becomes_a_flow_and_two_bars);
    tcase_add_test(file, an_interrupt_ends_the_requests_of_its_own_queue_only);
    tcase_add_test(file, many_requests_at_a_time_keep_apart);
    tcase_add_loop_test(file, a_full_ring_keeps_the_newest_events_and_counts_the_rest, 0, 11);
    tcase_add_test(file, what_is_open_at_the_end_is_closed);
    tcase_add_test(file, names_are_kept_and_shared);
    tcase_add_test(file, a_shared_track_takes_events_of_several_threads);
    suite_add_tcase(s, loop);
    tcase_add_test(loop, a_loop_that_polls_and_then_blocks_shows_both);
    tcase_add_test(loop, bottom_halves_are_shown_in_turns_that_run_some);
    tcase_add_test(loop, an_engine_shows_requests_in_the_turn_that_completes_them);
    suite_add_tcase(s, device);
    tcase_add_loop_test(device, each_request_of_a_disk_is_shown_from_seen_to_interrupt, 0, 2);
    return suite_run(s);
}
