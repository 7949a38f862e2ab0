// SPDX-License-Identifier: MIT
/*
 * The sandbox. Each case runs in a child, since a filter cannot be taken off again. The child ends
 * by SIGSYS with a line, or with 0 when all is as it should be.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "iothread/iothread.h"
#include "sandbox/calls.h"
#include "sandbox/sandbox.h"
#include "tests/unit/nbd-server.h"
#include "tests/unit/suite.h"

#define SKIPPED 77

static char output[4096]; /* of the last child */
static struct error err;

/* Return: the status of a child that runs @fn(@arg). */
static int in_child(void (*fn)(int arg), int arg)
{
    int fds[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        prctl(PR_SET_DUMPABLE, 0); /* no core file */
        fn(arg);
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], output + len, sizeof(output) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    output[len] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void passes(void (*fn)(int arg), int arg)
{
    int status = in_child(fn, arg);

    ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED),
                  "status %x: %s", status, output);
}

static void start(const struct sandbox_config *config)
{
    if (!sandbox_has_filters() || !SANDBOX_POSSIBLE) {
        _exit(SKIPPED); /* a sanitizer makes calls of its own */
    }
    if (sandbox_start(config, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(1);
    }
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s: %s %s\n", what, strerror(errno), err.msg);
        kill(getpid(), SIGKILL);
    }
}

/* --- the sets --- */

static const char *const engine_names[] = {"linux-aio", "io_uring",  "threads", "mmap",
                                           "sync",      "in memory", "null",    "nbd"};

START_TEST(an_io_thread_has_24_calls_at_most)
{
    const char *fdmon = aio_fdmon_name((unsigned)_i);

    for (unsigned i = 0; i < sizeof(engine_names) / sizeof(engine_names[0]); i++) {
        struct sandbox_iothread t = {
            .id = "io0", .fdmon = fdmon, .engines = {engine_names[i]}, .nr_engines = 1};
        struct calls calls;

        calls_of_iothread(&t, &calls);
        ck_assert_msg(calls.nr <= CALLS_IOTHREAD, "%s, %s: %u", fdmon, engine_names[i], calls.nr);
    }
}
END_TEST

/* --- what is forbidden --- */

static void try_open(void)
{
    open("/etc/passwd", O_RDONLY);
}

static void try_execve(void)
{
    char *none[] = {NULL};

    execve("/bin/true", none, none);
}

static void try_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void try_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static pid_t parent;

static void try_kill(void)
{
    kill(parent, 0);
}

static void try_other_process(void)
{
    tgkill(parent, parent, 0);
}

static void try_fork(void)
{
    fork();
}

static const struct {
    const char *name;
    void (*make)(void);
} tries[] = {{"openat", try_open},   {"execve", try_execve}, {"socket", try_socket},
             {"ptrace", try_ptrace}, {"kill", try_kill},     {"tgkill", try_other_process},
             {"clone", try_fork}};

#define TRIES (int)(sizeof(tries) / sizeof(tries[0]))

static const char *const kinds[THREAD_KINDS] = {"main thread",    "I/O thread io0",   "worker",
                                                "connector",      "recorder",         "vCPU thread",
                                                "console thread", "front-end thread", "spawner"};

static const struct sandbox_iothread io0 = {
    .id = "io0", .engines = {"linux-aio", "nbd"}, .nr_engines = 2};
static const char *const local_server = "nbd+unix:///?socket=/tmp/none";

static struct sandbox_config config = {
    .iothreads = &io0, .nr_iothreads = 1, .uris = &local_server, .nr_uris = 1};

static void *violate(void *opaque)
{
    int i = *(int *)opaque;

    thread_confine(i / TRIES, i / TRIES == THREAD_IO ? "io0" : NULL);
    tries[i % TRIES].make();
    return NULL;
}

static void violate_in_thread(int i)
{
    pthread_t thread;

    parent = getppid();
    start(&config);
    if (i / TRIES == THREAD_MAIN) {
        violate(&i);
    }
    pthread_create(&thread, NULL, violate, &i);
    pthread_join(thread, NULL);
}

START_TEST(a_forbidden_call_ends_the_process_with_a_line)
{
    int status = in_child(violate_in_thread, _i);
    char line[128];

    snprintf(line, sizeof(line), "pollux: sandbox: %s may not call %s (", kinds[_i / TRIES],
             tries[_i % TRIES].name);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        return;
    }
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %x: %s", status,
                  output);
    ck_assert_msg(strncmp(output, line, strlen(line)) == 0, "\"%s\"", output);
    ck_assert_ptr_eq(strchr(output, '\n'), output + strlen(output) - 1);
}
END_TEST

static void violate_with_sigsys_blocked(int arg)
{
    sigset_t all;

    start(&config);
    thread_confine(THREAD_MAIN, NULL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    try_ptrace();
}

START_TEST(a_thread_that_blocks_sigsys_is_ended_too)
{
    int status = in_child(violate_with_sigsys_blocked, 0);

    ck_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : WEXITSTATUS(status) == SKIPPED);
}
END_TEST

static void violate_in_log_mode(int arg)
{
    config.mode = SANDBOX_LOG;
    start(&config);
    thread_confine(THREAD_MAIN, NULL);
    check(socket(AF_INET, SOCK_STREAM, 0) >= 0 && open("/dev/null", O_RDWR) >= 0, "log mode");
}

START_TEST(log_forbids_nothing)
{
    passes(violate_in_log_mode, 0);
}
END_TEST

static void fail_an_assertion(int arg)
{
    start(&config);
    thread_confine(THREAD_CONSOLE, NULL);
    ck_assert(true);
    __assert_fail("a < b", "file.c", 7, "main");
}

START_TEST(an_assertion_that_fails_says_so)
{
    int status = in_child(fail_an_assertion, 0);

    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        return;
    }
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x: %s", status, output);
    ck_assert_str_eq(output, "file.c:7: main: Assertion `a < b' failed.\n");
}
END_TEST

/* --- files, TCP, signals --- */

static void use_what_landlock_forbids(int arg)
{
    char kept[] = "/tmp/pollux-test-XXXXXX";
    char dir[] = "/tmp/pollux-test-XXXXXX", path[64];
    const char *removed = path;
    const struct sandbox_config with_socket = {.removed = &removed, .nr_removed = 1};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(9)};
    int tcp = socket(AF_INET, SOCK_STREAM, 0), abi = sandbox_landlock_abi(), fd;

    if (!abi) {
        _exit(SKIPPED);
    }
    fd = mkstemp(kept);
    check(mkdtemp(dir) && fd >= 0, "temporary files");
    snprintf(path, sizeof(path), "%s/socket", dir);
    check(close(open(path, O_CREAT | O_RDWR, 0600)) == 0, "a file");
    start(&with_socket);
    check(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES, "open");
    check(open("/tmp/pollux-test-new", O_CREAT | O_RDWR, 0600) < 0 && errno == EACCES, "creat");
    check(execl("/bin/true", "true", NULL) < 0 && errno == EACCES, "exec");
    check(unlink(kept) < 0 && errno == EACCES, "unlink");
    check(ftruncate(fd, 4096) == 0, "an open file can be resized");
    check(unlink(path) == 0, "unlink of a socket");
    if (abi >= 4) {
        check(connect(tcp, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == EACCES, "TCP");
    }
    if (abi >= 6) {
        check(kill(getppid(), 0) < 0 && errno == EPERM, "kill");
    }
    check(kill(getpid(), 0) == 0, "a signal to the process itself");
    check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs");
}

START_TEST(no_file_is_opened_and_no_process_reached)
{
    passes(use_what_landlock_forbids, 0);
    (void)!system("rm -rf /tmp/pollux-test-*");
}
END_TEST

/* --- every engine under its filter --- */

#define SIZE  (1u << 20)
#define BLOCK 4096

static struct image image;
static struct iothread *io;
static struct engine *engine;
static sem_t done;
static ssize_t result;

static void completed(struct engine_req *req, ssize_t res)
{
    result = res;
    sem_post(&done);
}

static int submit(void *opaque)
{
    return engine_submit(engine, opaque);
}

static ssize_t transfer(struct engine_req *req)
{
    req->cb = completed;
    check(iothread_call(io, submit, req) == 0, "submit");
    while (sem_wait(&done) < 0) {
    }
    return result;
}

static int open_it(void *opaque)
{
    const struct engine_config engine_config = {.depth = 8, .delay_ns = 1000};

    return engine_open(opaque, iothread_ctx(io), &image, &engine_config, &engine, &err);
}

static int close_it(void *opaque)
{
    engine_close(engine);
    return 0;
}

static int confine_it(void *opaque)
{
    thread_confine(THREAD_IO, opaque);
    return 0;
}

static const struct {
    const struct engine_ops *ops;
    const char *name;
    const char *dir; /* of the image; NULL: none */
} served[] = {
    {&engine_linux_aio, "linux-aio", "/var/tmp"},
    {&engine_io_uring, "io_uring", "/var/tmp"},
    {&engine_threads, "threads", "/var/tmp"},
    {&engine_sync, "sync", "/var/tmp"},
    {&engine_mmap, "mmap", "/dev/shm"},
    {&engine_linux_aio, "in memory", "/dev/shm"},
    {&engine_null, "null", NULL},
    {&engine_nbd, "nbd", NULL},
};

#define SERVED   (int)(sizeof(served) / sizeof(served[0]))
#define MONITORS 4

static void open_image(const struct engine_ops *ops, const char *dir)
{
    static struct nbd_server server;
    struct image_config image_config = {.raw = true, .size = SIZE};
    char path[64];

    if (dir) {
        snprintf(path, sizeof(path), "%s/pollux-test-XXXXXX", dir);
        check(ftruncate(mkstemp(path), SIZE) == 0, path);
        image_config.path = path;
    } else if (ops == &engine_nbd) {
        nbd_server_init(&server);
        nbd_server_start(&server);
        image_config.uri = server.uri;
    }
    check(image_open(&image, &image_config, &err) == 0, "image_open");
    if (dir) {
        unlink(path);
    }
}

static void serve(int i)
{
    static uint8_t out[3 * BLOCK] __attribute__((aligned(BLOCK))),
        in[3 * BLOCK] __attribute__((aligned(BLOCK)));
    const struct iovec two[] = {{out, BLOCK}, {out + BLOCK, 2 * BLOCK}};
    const struct iovec one[] = {{in, 3 * BLOCK}},
                       parts[] = {{in, 2 * BLOCK}, {in + 2 * BLOCK, BLOCK}};
    const struct engine_ops *ops = served[i / MONITORS].ops;
    const char *fdmon = aio_fdmon_name((unsigned)i % MONITORS);
    const struct sandbox_iothread t = {
        .id = "io1", .fdmon = fdmon, .engines = {served[i / MONITORS].name}, .nr_engines = 1};
    const struct sandbox_config one_thread = {.iothreads = &t, .nr_iothreads = 1};
    const struct iothread_config thread = {
        .id = "io1", .fdmon = fdmon, .poll = {.policy = &poll_policy_block}};

    memset(out, 0x5a, sizeof(out));
    sem_init(&done, 0, 0);
    open_image(ops, served[i / MONITORS].dir);
    check(iothread_new(&thread, &io, &err) == 0, "iothread_new");
    if (iothread_call(io, open_it, (void *)ops) < 0) {
        _exit(SKIPPED);
    }
    start(&one_thread);
    iothread_call(io, confine_it, (void *)"io1");
    thread_confine(THREAD_MAIN, NULL);
    for (unsigned n = 0; n < 3; n++) {
        uint64_t at = n * 16 * BLOCK;

        check(transfer(&(struct engine_req){
                  .op = ENGINE_WRITE, .iov = two, .iovcnt = 2, .offset = at, .durable = n & 1}) ==
                  sizeof(out),
              "write");
        check(transfer(&(struct engine_req){.op = ENGINE_READ,
                                            .iov = n & 1 ? one : parts,
                                            .iovcnt = n & 1 ? 1 : 2,
                                            .offset = at}) == sizeof(in),
              "read");
        check(ops == &engine_null || memcmp(in, out, sizeof(in)) == 0, "the data");
        check(transfer(&(struct engine_req){.op = ENGINE_FLUSH}) == 0, "flush");
        check(transfer(&(struct engine_req){.op = ENGINE_DISCARD, .offset = at, .len = BLOCK}) == 0,
              "discard");
        check(transfer(&(struct engine_req){
                  .op = ENGINE_WRITE_ZEROES, .offset = at, .len = BLOCK, .may_unmap = n & 1}) == 0,
              "write zeroes");
    }
    iothread_call(io, close_it, NULL);
    iothread_free(io);
    image_close(&image);
}

START_TEST(an_engine_serves_all_requests_and_is_closed)
{
    passes(serve, _i);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sandbox");
    TCase *t = tcase_create("sandbox");

    tcase_add_loop_test(t, an_io_thread_has_24_calls_at_most, 0, MONITORS);
    tcase_add_loop_test(t, a_forbidden_call_ends_the_process_with_a_line, 0, THREAD_KINDS * TRIES);
    tcase_add_test(t, a_thread_that_blocks_sigsys_is_ended_too);
    tcase_add_test(t, log_forbids_nothing);
    tcase_add_test(t, an_assertion_that_fails_says_so);
    tcase_add_test(t, no_file_is_opened_and_no_process_reached);
    tcase_add_loop_test(t, an_engine_serves_all_requests_and_is_closed, 0, SERVED * MONITORS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
