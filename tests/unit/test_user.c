// SPDX-License-Identifier: MIT
/* --user: root becomes another user in all threads. */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/user.h"
#include "tests/unit/suite.h"

#define SKIPPED 77

static sem_t dropped;

static void *other_thread(void *opaque)
{
    while (sem_wait(&dropped) < 0) {
    }
    *(uid_t *)opaque = getuid();
    return NULL;
}

/* Each in a child: what it becomes, it stays. */
static void become_nobody(void)
{
    const struct passwd *pw = getpwnam("nobody");
    struct error err = {""};
    uid_t other = 0;
    pthread_t thread;
    gid_t group;

    if (getuid() != 0 || !pw) {
        _exit(SKIPPED);
    }
    group = pw->pw_gid;
    sem_init(&dropped, 0, 0);
    pthread_create(&thread, NULL, other_thread, &other);
    if (user_drop_root("nobody", &err) < 0) {
        _exit(1);
    }
    sem_post(&dropped);
    pthread_join(thread, NULL);
    _exit(getuid() != 0 && geteuid() == getuid() && other == getuid() && getgid() == group &&
                  getgroups(0, NULL) == 1 && access("/proc/self/fd/0", F_OK) == 0
              ? 0
              : 1);
}

static void unknown_user(void)
{
    struct error err = {""};

    if (getuid() != 0) {
        _exit(SKIPPED);
    }
    _exit(user_drop_root("no-such-user", &err) == -ENOENT &&
                  !strcmp(err.msg, "--user: there is no user no-such-user") && getuid() == 0
              ? 0
              : 1);
}

static void not_root(void)
{
    struct error err = {""};

    if (getuid() == 0 && setuid(65534) < 0) {
        _exit(SKIPPED);
    }
    _exit(user_drop_root("nobody", &err) == -EPERM &&
                  !strcmp(err.msg, "--user: only root can become another user")
              ? 0
              : 1);
}

static void (*const cases[])(void) = {become_nobody, unknown_user, not_root};

START_TEST(root_is_dropped_or_the_reason_told)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        cases[_i]();
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("user");
    TCase *t = tcase_create("user");

    tcase_add_loop_test(t, root_is_dropped_or_the_reason_told, 0, sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(s, t);
    return suite_run(s);
}
