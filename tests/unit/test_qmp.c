// SPDX-License-Identifier: MIT
/* The control socket: negotiation, every command, events. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/qmp-rig.h"
#include "tests/unit/suite.h"

static struct qmp_rig rig;
static int fd;

static void setup(void)
{
    qmp_rig_init(&rig, true);
    fd = qmp_open(&rig);
}

static void teardown(void)
{
    close(fd);
    qmp_rig_destroy(&rig);
}

static json_int_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    ck_assert_msg(json_is_integer(value), "there is no number %s", name);
    return json_integer_value(value);
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    ck_assert_msg(value != NULL, "there is no text %s", name);
    return value;
}

static void assert_text(const char *command, const char *arguments, const char *member,
                        const char *value)
{
    json_t *result = qmp_ask(&rig, fd, command, arguments);

    ck_assert_str_eq(member ? text(result, member) : json_string_value(result), value);
    json_decref(result);
}

static void assert_number(const char *command, const char *arguments, const char *member,
                          json_int_t value)
{
    json_t *result = qmp_ask(&rig, fd, command, arguments);

    ck_assert_int_eq(member ? number(result, member) : json_integer_value(result), value);
    json_decref(result);
}

/* --- the protocol --- */

START_TEST(the_greeting_names_the_version)
{
    int other = qmp_connect(&rig);
    json_t *line = qmp_read(other), *qmp = json_object_get(line, "QMP");
    json_t *version = json_object_get(json_object_get(qmp, "version"), "qemu");

    ck_assert_int_eq(number(version, "major"), 1);
    ck_assert_int_eq(number(version, "minor"), 2);
    ck_assert_int_eq(number(version, "micro"), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(qmp, "capabilities")), 0);
    ck_assert(json_is_array(json_object_get(qmp, "capabilities")));
    json_decref(line);
    close(other);
}
END_TEST

START_TEST(no_command_and_no_event_before_negotiation)
{
    int other = qmp_connect(&rig);

    json_decref(qmp_read(other));
    qmp_assert_error(&rig, other, "{\"execute\":\"stop\"}", "CommandNotFound", "negotiation");
    ck_assert(!rig.paused);
    qmp_do(&rig, fd, "stop", NULL);
    json_decref(qmp_assert_event(&rig, fd, "STOP"));
    ck_assert_ptr_null(qmp_read(other));
    qmp_do(&rig, other, "qmp_capabilities", "{\"enable\":[]}");
    qmp_do(&rig, fd, "cont", NULL);
    json_decref(qmp_assert_event(&rig, other, "RESUME"));
    close(other);
}
END_TEST

START_TEST(negotiation_is_done_once_and_has_no_capabilities)
{
    int other = qmp_connect(&rig);

    json_decref(qmp_read(other));
    qmp_assert_error(&rig, other,
                     "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}",
                     "GenericError", "no capabilities");
    qmp_do(&rig, other, "qmp_capabilities", NULL);
    qmp_assert_error(&rig, other, "{\"execute\":\"qmp_capabilities\"}", "CommandNotFound",
                     "already complete");
    close(other);
}
END_TEST

START_TEST(the_id_of_a_message_is_in_its_answer)
{
    static const char *const messages[] = {
        "{\"execute\":\"query-name\",\"id\":{\"a\":[1,null]}}",
        "{\"id\":{\"a\":[1,null]},\"execute\":\"no-such-command\"}",
        "{\"id\":{\"a\":[1,null]}}",
    };
    json_t *id = json_pack("{s:[i,n]}", "a", 1);

    for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        json_t *line = qmp_say(&rig, fd, messages[i]);

        ck_assert_msg(json_equal(json_object_get(line, "id"), id), "%s", messages[i]);
        ck_assert(!json_object_get(line, "return") == (i > 0));
        json_decref(line);
    }
    json_decref(id);
}
END_TEST

START_TEST(messages_come_in_pieces_and_together)
{
    const char *messages = "{\"execute\":\"query-name\",\"id\":\"}{\\\"\"} {\"execute\" :\n\"query-"
                           "name\",\"id\":2}{\"execute\":\"query-name\",\"id\":3}\r\n";
    size_t len = strlen(messages);

    for (size_t piece = 1; piece <= len; piece++) {
        for (size_t at = 0; at < len; at += piece) {
            ck_assert(qmp_send(&rig, fd, messages + at, at + piece < len ? piece : len - at));
        }
        for (int i = 1; i <= 3; i++) {
            json_t *line = qmp_read(fd);

            ck_assert_msg(json_object_get(line, "return") != NULL, "%zu bytes at once", piece);
            json_decref(line);
        }
        ck_assert_ptr_null(qmp_read(fd));
    }
}
END_TEST

#define NO_RATES(bps) "\"bps\":" bps ",\"bps_rd\":0,\"bps_wr\":0,\"iops_rd\":0,\"iops_wr\":0,"

START_TEST(arguments_are_checked)
{
    static const struct {
        const char *message, *class, *desc;
    } rows[] = {
        {"{\"execute\":\"nothing\"}", "CommandNotFound", "The command nothing has not been found"},
        {"{\"execute\":1}", "GenericError", "'execute'"},
        {"{}", "GenericError", "'execute'"},
        {"{\"exec-oob\":\"stop\"}", "GenericError", "'exec-oob' is unexpected"},
        {"{\"execute\":\"stop\",\"arguments\":[]}", "GenericError", "'arguments'"},
        {"{\"execute\":\"stop\",\"arguments\":{\"now\":true}}", "GenericError",
         "'now' is unexpected"},
        {"{\"execute\":\"qom-list\"}", "GenericError", "'path' is missing"},
        {"{\"execute\":\"qom-list\",\"arguments\":{\"path\":7}}", "GenericError",
         "expected: string"},
        {"{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/objects/io9\"}}", "DeviceNotFound",
         "/objects/io9"},
        {"{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/objects/io0\",\"property\":\"x\"}}",
         "GenericError", "'io0.x' not found"},
        {"{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk9\",\"size\":512}}",
         "DeviceNotFound", "disk9"},
        {"{\"execute\":\"block_resize\",\"arguments\":{\"size\":512}}", "GenericError", "'device'"},
        {"{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"disk0\"," NO_RATES(
             "-1") "\"iops\":0}}",
         "GenericError", "'bps'"},
        {"{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"disk0\"," NO_RATES(
             "0") "\"iops\":5,\"iops_max\":4}}",
         "GenericError", "iops-max"},
        {"{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"disk0\",\"bps\":1}}",
         "GenericError", "bps_rd"},
        {"{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk0\",\"size\":\"1\"}}",
         "GenericError", "expected: integer"},
        {"{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk0\",\"size\":-512}}",
         "GenericError", "negative"},
        {"{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"disk0\",\"size\":513}}",
         "GenericError", "513 bytes"},
        {"[1]", "GenericError", "must be a JSON object"},
        {"{\"execute\":\"stop\",\"execute\":\"cont\"}", "GenericError", "Invalid JSON"},
        {"{\"execute\":}", "GenericError", "Invalid JSON"},
        {"{\"execute\":\"\xff\xfe\"}", "GenericError", "Invalid JSON"},
        {"{\"execute\":\"012345678901234567890123456789012345678\xc3\xa4\"}", "CommandNotFound",
         "0123456789"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        qmp_assert_error(&rig, fd, rows[i].message, rows[i].class, rows[i].desc);
        ck_assert(!rig.paused);
    }
    qmp_do(&rig, fd, "query-name", NULL); /* the connection goes on after each */
}
END_TEST

/* --- the process and the guest --- */

START_TEST(query_commands_lists_what_there_is)
{
    static const char *const names[] = {"qmp_capabilities",
                                        "query-version",
                                        "query-commands",
                                        "query-name",
                                        "query-kvm",
                                        "query-status",
                                        "query-cpus-fast",
                                        "query-iothreads",
                                        "qom-list",
                                        "qom-get",
                                        "qom-set",
                                        "query-block",
                                        "query-blockstats",
                                        "block_resize",
                                        "block_set_io_throttle",
                                        "stop",
                                        "cont",
                                        "quit",
                                        "system_powerdown",
                                        "system_reset",
                                        "x-pollux-polling"};
    json_t *list = qmp_ask(&rig, fd, "query-commands", NULL);

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *entry;
        size_t at;
        bool found = false;

        json_array_foreach(list, at, entry)
        {
            found |= !strcmp(text(entry, "name"), names[i]);
        }
        ck_assert_msg(found, "%s is not listed", names[i]);
    }
    json_decref(list);
}
END_TEST

START_TEST(without_a_guest_its_commands_are_not_there)
{
    static const char *const names[] = {"query-status", "query-kvm",    "query-cpus-fast", "stop",
                                        "cont",         "system_reset", "system_powerdown"};
    struct qmp_rig other;
    char message[100];
    int client;

    qmp_rig_init(&other, false);
    client = qmp_open(&other);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(message, sizeof(message), "{\"execute\":\"%s\"}", names[i]);
        qmp_assert_error(&other, client, message, "CommandNotFound", names[i]);
    }
    ck_assert_uint_eq(other.powerdowns + other.resets, 0);
    json_decref(qmp_ask(&other, client, "query-block", NULL));
    close(client);
    qmp_rig_destroy(&other);
}
END_TEST

START_TEST(queries_about_the_guest)
{
    json_t *cpus = qmp_ask(&rig, fd, "query-cpus-fast", NULL);

    ck_assert_uint_eq(json_array_size(cpus), 2);
    ck_assert_int_eq(number(json_array_get(cpus, 1), "cpu-index"), 1);
    ck_assert_int_eq(number(json_array_get(cpus, 1), "thread-id"), 1001);
    ck_assert_str_eq(text(json_array_get(cpus, 1), "target"), "x86_64");
    json_decref(cpus);
    assert_text("query-status", NULL, "status", "running");
    rig.paused = true;
    assert_text("query-status", NULL, "status", "paused");
    json_decref(qmp_ask(&rig, fd, "query-kvm", NULL));
    assert_text("query-version", NULL, "package", "pollux");
}
END_TEST

START_TEST(stop_and_cont_send_one_event_each)
{
    qmp_do(&rig, fd, "stop", NULL);
    ck_assert(rig.paused);
    ck_assert_ptr_null(qmp_assert_event(&rig, fd, "STOP"));
    qmp_do(&rig, fd, "stop", NULL);
    qmp_rig_step(&rig);
    ck_assert_ptr_null(qmp_read(fd));
    qmp_do(&rig, fd, "cont", NULL);
    ck_assert(!rig.paused);
    ck_assert_ptr_null(qmp_assert_event(&rig, fd, "RESUME"));
    ck_assert_ptr_null(qmp_read(fd));
}
END_TEST

START_TEST(a_pause_from_another_thread_is_an_event)
{
    rig.paused = true;
    qmp_guest_changed(rig.server);
    ck_assert_ptr_null(qmp_assert_event(&rig, fd, "STOP"));
}
END_TEST

START_TEST(power_reset_quit)
{
    qmp_do(&rig, fd, "system_powerdown", NULL);
    ck_assert_uint_eq(rig.powerdowns, 1);
    ck_assert_ptr_null(qmp_assert_event(&rig, fd, "POWERDOWN"));
    qmp_do(&rig, fd, "system_reset", NULL);
    ck_assert_uint_eq(rig.resets, 1);
    qmp_do(&rig, fd, "quit", NULL);
    ck_assert_uint_eq(rig.quits, 1);
    ck_assert_ptr_null(qmp_read(fd));
}
END_TEST

START_TEST(the_end_is_an_event_and_an_end_of_file)
{
    const struct qmp_shutdown why = {.by_guest = true, .reset = true, .reason = "guest-reset"};
    json_t *data;

    qmp_server_stop(rig.server, &why);
    data = qmp_assert_event(&rig, fd, "RESET");
    ck_assert(json_is_true(json_object_get(data, "guest")));
    json_decref(data);
    data = qmp_assert_event(&rig, fd, "SHUTDOWN");
    ck_assert_str_eq(text(data, "reason"), "guest-reset");
    json_decref(data);
    ck_assert(qmp_ended(fd));
}
END_TEST

/* --- I/O threads --- */

START_TEST(objects_are_listed)
{
    json_t *list = qmp_ask(&rig, fd, "qom-list", "{\"path\":\"/objects\"}");

    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(text(json_array_get(list, 0), "name"), "io0");
    ck_assert_str_eq(text(json_array_get(list, 0), "type"), "child<iothread>");
    json_decref(list);
    list = qmp_ask(&rig, fd, "qom-list", "{\"path\":\"/objects/io0\"}");
    ck_assert_uint_eq(json_array_size(list), 8);
    json_decref(list);
    list = qmp_ask(&rig, fd, "query-iothreads", NULL);
    ck_assert_int_eq(number(json_array_get(list, 0), "poll-max-ns"), POLL_MAX_NS_DEFAULT);
    ck_assert_int_gt(number(json_array_get(list, 0), "thread-id"), 0);
    json_decref(list);
}
END_TEST

static void assert_bool(const char *command, const char *arguments, bool wanted)
{
    json_t *value = qmp_ask(&rig, fd, command, arguments);

    ck_assert(json_is_boolean(value) && json_is_true(value) == wanted);
    json_decref(value);
}

/* The parameters in force, once they have these two: a turn that has begun still has the old ones. */
static struct poll_params in_force(const struct poll_policy_ops *policy, uint64_t max_ns)
{
    static struct iothread_account account;

    do {
        ck_assert_int_eq(
            iothread_get_account(rig.iothreads.threads[0], UINT64_C(10000000000), &account), 0);
    } while (account.poll.policy != policy || account.poll.max_ns != max_ns);
    return account.poll;
}

START_TEST(every_parameter_changes_in_the_loop)
{
    static const struct {
        const char *name;
        json_int_t value, too_much;
    } rows[] = {
        {"poll-max-ns", 1234567, POLL_MAX_NS_LIMIT + 1},
        {"poll-grow", 5, 1001},
        {"poll-shrink", 6, 1001},
        {"poll-weight", 7, 17},
        {"poll-latency-weight", 8, 1000001},
        {"poll-cpu-max", 9, 101},
    };
    char arguments[160], message[300];
    struct poll_params params;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(arguments, sizeof(arguments),
                 "{\"path\":\"/objects/io0\",\"property\":\"%s\",\"value\":%lld}", rows[i].name,
                 rows[i].value);
        qmp_do(&rig, fd, "qom-set", arguments);
        snprintf(message, sizeof(message),
                 "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/objects/io0\",\"property\":"
                 "\"%s\",\"value\":%lld}}",
                 rows[i].name, rows[i].too_much);
        qmp_assert_error(&rig, fd, message, "GenericError", rows[i].name);
        snprintf(arguments, sizeof(arguments), "{\"path\":\"/objects/io0\",\"property\":\"%s\"}",
                 rows[i].name);
        assert_number("qom-get", arguments, NULL, rows[i].value);
    }
    qmp_do(&rig, fd, "qom-set",
           "{\"path\":\"/objects/io0\",\"property\":\"poll-policy\",\"value\":\"weighted\"}");
    qmp_assert_error(&rig, fd,
                     "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/objects/io0\","
                     "\"property\":\"poll-policy\",\"value\":\"bogus\"}}",
                     "GenericError", "poll policy");
    assert_text("qom-get", "{\"path\":\"/objects/io0\",\"property\":\"poll-policy\"}", NULL,
                "weighted");
    qmp_do(&rig, fd, "qom-set",
           "{\"path\":\"/objects/io0\",\"property\":\"poll-contention\",\"value\":false}");
    qmp_assert_error(&rig, fd,
                     "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/objects/io0\","
                     "\"property\":\"poll-contention\",\"value\":1}}",
                     "GenericError", "true or false");
    assert_bool("qom-get", "{\"path\":\"/objects/io0\",\"property\":\"poll-contention\"}", false);
    params = in_force(&poll_policy_weighted, 1234567);
    ck_assert_uint_eq(params.grow, 5);
    ck_assert_uint_eq(params.shrink, 6);
    ck_assert_uint_eq(params.weight, 7);
    ck_assert_uint_eq(params.latency_weight, 8);
    ck_assert_uint_eq(params.cpu_max, 9);
    ck_assert(!params.contention);
}
END_TEST

START_TEST(the_account_of_polling_has_sources)
{
    json_t *list = qmp_ask(&rig, fd, "x-pollux-polling", NULL), *io = json_array_get(list, 0);
    json_t *source = json_array_get(json_object_get(io, "sources"), 0);

    ck_assert_str_eq(text(io, "id"), "io0");
    ck_assert_int_ge(number(io, "window-ns"), 0);
    ck_assert_int_ge(number(io, "wake-ns"), 0);
    ck_assert_int_ge(number(io, "run-delay-ns"), 0);
    ck_assert_int_ge(number(io, "starts"), 0);
    ck_assert_int_ge(number(io, "trials"), 0);
    ck_assert_int_ge(number(source, "misses"), 0);
    ck_assert_int_ge(number(io, "missed-ns"), 0);
    ck_assert_int_le(number(io, "missed-ns"), number(io, "polled-ns"));
    ck_assert_int_le(number(io, "time-ns"), (json_int_t)clock_ns(CLOCK_MONOTONIC));
    json_decref(list);
}
END_TEST

static int hang(void *opaque)
{
    sem_t *sems = opaque;

    sem_post(&sems[0]);
    sem_wait(&sems[1]);
    return 0;
}

static sem_t sems[2];

static void *call_hang(void *opaque)
{
    iothread_call(rig.iothreads.threads[0], hang, sems);
    return NULL;
}

START_TEST(a_thread_that_hangs_delays_nothing)
{
    json_t *list;
    pthread_t caller;

    sem_init(&sems[0], 0, 0);
    sem_init(&sems[1], 0, 0);
    pthread_create(&caller, NULL, call_hang, NULL);
    sem_wait(&sems[0]);

    list = qmp_ask(&rig, fd, "x-pollux-polling", NULL);
    ck_assert_str_eq(text(json_array_get(list, 0), "error"), "io0 does not answer");
    json_decref(list);
    qmp_do(&rig, fd, "qom-set",
           "{\"path\":\"/objects/io0\",\"property\":\"poll-max-ns\",\"value\":77}");
    assert_number("qom-get", "{\"path\":\"/objects/io0\",\"property\":\"poll-max-ns\"}", NULL, 77);
    qmp_do(&rig, fd, "stop", NULL);

    sem_post(&sems[1]);
    pthread_join(caller, NULL);
    in_force(&poll_policy_cost, 77);
    ck_assert_ptr_null(qmp_assert_event(&rig, fd, "STOP"));
    list = qmp_ask(&rig, fd, "x-pollux-polling", NULL);
    json_decref(list);
}
END_TEST

/* --- disks --- */

START_TEST(disks_are_described)
{
    json_t *list = qmp_ask(&rig, fd, "query-block", NULL), *disk = json_array_get(list, 0);
    json_t *inserted = json_object_get(disk, "inserted"), *stats, *share;

    ck_assert_str_eq(text(disk, "device"), "disk0");
    ck_assert(json_is_false(json_object_get(inserted, "ro")));
    ck_assert_int_eq(number(json_object_get(inserted, "image"), "virtual-size"), 1 << 20);
    json_decref(list);
    list = qmp_ask(&rig, fd, "query-blockstats", NULL);
    stats = json_object_get(json_array_get(list, 0), "stats");
    ck_assert_int_eq(number(stats, "rd_operations"), 0);
    ck_assert_int_gt(number(stats, "x-pollux-time-ns"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(stats, "x-pollux-iothreads")), 1);
    share = json_array_get(json_object_get(stats, "x-pollux-iothreads"), 0);
    ck_assert_str_eq(text(share, "id"), "io0");
    ck_assert_int_eq(number(share, "operations") + number(share, "bytes"), 0);
    ck_assert_int_eq(number(share, "kicks") + number(share, "interrupts"), 0);
    json_decref(list);
}
END_TEST

START_TEST(limits_change_and_are_told)
{
    struct throttle_limits limits;
    json_t *list, *inserted;

    qmp_do(
        &rig, fd, "block_set_io_throttle",
        "{\"device\":\"disk0\"," NO_RATES("1048576") "\"iops\":1000,\"iops_max\":5000,"
                                                     "\"iops_max_length\":7,\"iops_size\":4096}");
    limits = virtio_blk_get_limits(rig.disk.dev);
    ck_assert_uint_eq(limits.rate[THROTTLE_BPS].avg, 1 << 20);
    ck_assert_uint_eq(limits.rate[THROTTLE_IOPS].avg, 1000);
    ck_assert_uint_eq(limits.rate[THROTTLE_IOPS].max, 5000);
    ck_assert_uint_eq(limits.rate[THROTTLE_IOPS].max_length, 7);
    ck_assert_uint_eq(limits.rate[THROTTLE_IOPS_RD].avg, 0);
    ck_assert_uint_eq(limits.iops_size, 4096);
    list = qmp_ask(&rig, fd, "query-block", NULL);
    inserted = json_object_get(json_array_get(list, 0), "inserted");
    ck_assert_int_eq(number(inserted, "iops"), 1000);
    ck_assert_int_eq(number(inserted, "iops_max"), 5000);
    ck_assert_int_eq(number(inserted, "bps"), 1 << 20);
    ck_assert_int_eq(number(inserted, "bps_rd"), 0);
    json_decref(list);
    qmp_do(&rig, fd, "block_set_io_throttle", "{\"id\":\"disk0\"," NO_RATES("0") "\"iops\":0}");
    limits = virtio_blk_get_limits(rig.disk.dev);
    ck_assert(!throttle_limited(&limits));
}
END_TEST

START_TEST(block_resize_changes_the_file)
{
    struct stat st;

    qmp_do(&rig, fd, "block_resize", "{\"device\":\"disk0\",\"size\":2097152}");
    ck_assert_int_eq(fstat(rig.disk.image.fd, &st), 0);
    ck_assert_int_eq(st.st_size, 2 << 20);
    ck_assert_uint_eq(image_size(&rig.disk.image), 2 << 20);
    qmp_do(&rig, fd, "block_resize", "{\"node-name\":\"disk0\",\"size\":4096}");
    ck_assert_uint_eq(image_size(&rig.disk.image), 4096);
    ck_assert_uint_eq(rig.resizes, 2);
}
END_TEST

static void fail_request(const char *disk, enum virtio_blk_on_error action, const char *reason)
{
    const struct blk_io_error e = {
        .disk = disk, .read = true, .no_space = true, .action = action, .reason = reason};

    qmp_io_error(rig.server, &e);
}

static void assert_io_error(const char *action, const char *reason)
{
    json_t *data = qmp_assert_event(&rig, fd, "BLOCK_IO_ERROR");

    ck_assert_str_eq(text(data, "device"), "disk0");
    ck_assert_str_eq(text(data, "operation"), "read");
    ck_assert_str_eq(text(data, "action"), action);
    ck_assert_str_eq(text(data, "reason"), reason);
    ck_assert(json_is_true(json_object_get(data, "nospace")));
    json_decref(data);
}

START_TEST(a_failed_request_is_an_event_once_a_second)
{
    fail_request("disk9", VIRTIO_BLK_REPORT, "of no disk");
    fail_request("disk0", VIRTIO_BLK_REPORT, "first");
    fail_request("disk0", VIRTIO_BLK_REPORT, "second");
    assert_io_error("report", "first");
    fail_request("disk0", VIRTIO_BLK_IGNORE, "third");
    fail_request("disk0", VIRTIO_BLK_STOP, "fourth");
    fail_request("disk0", VIRTIO_BLK_REPORT, "fifth");
    qmp_rig_step(&rig);
    ck_assert_ptr_null(qmp_read(fd));
    virtual_clock_advance(1000000000);
    assert_io_error("stop", "fourth");
    virtual_clock_advance(1000000000);
    qmp_rig_step(&rig);
    ck_assert_ptr_null(qmp_read(fd));
}
END_TEST

static TCase *protocol(void)
{
    TCase *tc = tcase_create("protocol");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_greeting_names_the_version);
    tcase_add_test(tc, no_command_and_no_event_before_negotiation);
    tcase_add_test(tc, negotiation_is_done_once_and_has_no_capabilities);
    tcase_add_test(tc, the_id_of_a_message_is_in_its_answer);
    tcase_add_test(tc, messages_come_in_pieces_and_together);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, query_commands_lists_what_there_is);
    tcase_add_test(tc, without_a_guest_its_commands_are_not_there);
    return tc;
}

static TCase *commands(void)
{
    TCase *tc = tcase_create("commands");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, queries_about_the_guest);
    tcase_add_test(tc, stop_and_cont_send_one_event_each);
    tcase_add_test(tc, a_pause_from_another_thread_is_an_event);
    tcase_add_test(tc, power_reset_quit);
    tcase_add_test(tc, the_end_is_an_event_and_an_end_of_file);
    tcase_add_test(tc, objects_are_listed);
    tcase_add_test(tc, every_parameter_changes_in_the_loop);
    tcase_add_test(tc, the_account_of_polling_has_sources);
    tcase_add_test(tc, a_thread_that_hangs_delays_nothing);
    tcase_add_test(tc, disks_are_described);
    tcase_add_test(tc, limits_change_and_are_told);
    tcase_add_test(tc, block_resize_changes_the_file);
    tcase_add_test(tc, a_failed_request_is_an_event_once_a_second);
    return tc;
}

int main(void)
{
    Suite *s = suite_create("qmp");

    suite_add_tcase(s, protocol());
    suite_add_tcase(s, commands());
    return suite_run(s);
}
