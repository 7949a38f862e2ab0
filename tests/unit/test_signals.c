// SPDX-License-Identifier: MIT
/* The environment of the process: ignored signals, a terminal, CPUs. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "cli/cpus.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "tests/unit/suite.h"

START_TEST(a_signal_that_was_ignored_at_the_start_stays_ignored)
{
    struct error err = {""};
    char buf[256];
    int fd;

    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    fd = interrupt_watch(&err);
    ck_assert_int_ge(fd, 0);
    raise(SIGINT);
    raise(SIGHUP);
    ck_assert_int_lt(read(fd, buf, sizeof(buf)), 0);
    raise(SIGTERM);
    ck_assert_int_gt(read(fd, buf, sizeof(buf)), 0);
    close(fd);
}
END_TEST

/* A fatal signal in a background job must end it, not stop it with SIGTTOU. */
START_TEST(a_fatal_signal_in_the_background_ends_the_process)
{
    int master, slave, status;
    pid_t leader, job;

    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    leader = fork();
    if (leader == 0) {
        setsid();
        if (login_tty(slave) < 0) {
            _exit(10);
        }
        job = fork();
        if (job == 0) {
            struct terminal t;

            signal(SIGQUIT, SIG_DFL); /* ignored in a job that a script has put in the background */
            setpgid(0, 0);            /* a background process group of this session */
            terminal_take(&t, STDIN_FILENO);
            kill(getpid(), SIGQUIT);
            _exit(11);
        }
        if (waitpid(job, &status, WUNTRACED) != job) {
            _exit(12);
        }
        if (WIFSTOPPED(status)) {
            kill(job, SIGKILL);
            _exit(13);
        }
        _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT ? 0 : 14);
    }
    close(slave);
    ck_assert_int_eq(waitpid(leader, &status, 0), leader);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    close(master);
}
END_TEST

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];
    FILE *f;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void make_root(void)
{
    strcpy(root, "/tmp/pollux-cpus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(without_control_groups_there_is_no_quota)
{
    struct cpus c;

    cpus_get(&c, root);
    ck_assert_uint_eq(c.quota, 0);
    ck_assert_uint_ge(c.allowed, 1);
    ck_assert_uint_eq(cpus_whole(&c), c.allowed);
}
END_TEST

START_TEST(the_least_quota_of_v2_groups_counts)
{
    struct cpus c;

    put("proc/self/cgroup", "0::/user.slice/vm\n");
    put("sys/fs/cgroup/user.slice/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/user.slice/vm/cpu.max", "max 100000\n");
    cpus_get(&c, root);
    ck_assert_uint_eq(c.quota, 50);
    ck_assert_uint_eq(cpus_whole(&c), 1);
    put("sys/fs/cgroup/user.slice/vm/cpu.max", "20000 100000\n");
    cpus_get(&c, root);
    ck_assert_uint_eq(c.quota, 20);
}
END_TEST

START_TEST(the_quota_of_v1_is_that_of_the_cpu_controller)
{
    struct cpus c;

    put("proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/a\n3:cpuacct:/b\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "1000\n");
    put("sys/fs/cgroup/cpuset/a/cpu.cfs_period_us", "100000\n");
    cpus_get(&c, root);
    ck_assert_uint_eq(c.quota, 150);
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
    cpus_get(&c, root);
    ck_assert_uint_eq(c.quota, 0);
}
END_TEST

static const struct {
    const char *list, *message; /* NULL: fine */
    int count;
} lists[] = {
    {"1", NULL, 1},
    {"0-1", NULL, 2},
    {"1:0", NULL, 2},
    {"0,1", NULL, 2},
    {"7", "--x: this host has no CPU 7; it has 0-5", 0},
    {"0-99999999999999999999",
     "--x: there is no CPU 18446744073709551615; at most 1024 are possible", 0},
    {"0:4", "--x: CPU 4 is offline; online are 0-3:5", 0},
    {"3", "--x: this process may not use CPU 3, only 0-1 (taskset, cpuset of the control group)",
     0},
    {"0-2", NULL, 3}, /* 2 is isolated */
    {"", "--x: '' is no list of CPUs; it takes one like 0:2-5", 0},
    {"a", "--x: 'a' is no list of CPUs; it takes one like 0:2-5", 0},
    {"-1", "--x: '-1' is no list of CPUs; it takes one like 0:2-5", 0},
    {"1-", "--x: '1-' is no list of CPUs; it takes one like 0:2-5", 0},
    {"1-0", "--x: '1-0' is no list of CPUs; it takes one like 0:2-5", 0},
    {"0:", "--x: '0:' is no list of CPUs; it takes one like 0:2-5", 0},
    {"0 1", "--x: '0 1' is no list of CPUs; it takes one like 0:2-5", 0},
    {"0x1", "--x: '0x1' is no list of CPUs; it takes one like 0:2-5", 0},
};

static bool fake_affinity; /* CPUs 0 and 1, whatever this host has */

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    if (!fake_affinity) {
        return (int)syscall(SYS_sched_getaffinity, pid, size, set) < 0 ? -1 : 0;
    }
    CPU_ZERO(set);
    CPU_SET(0, set);
    CPU_SET(1, set);
    return 0;
}

START_TEST(a_wrong_list_of_cpus_is_refused)
{
    struct error err = {""};
    cpu_set_t set;
    int ret;

    fake_affinity = true;
    put("sys/devices/system/cpu/present", "0-5\n");
    put("sys/devices/system/cpu/online", "0-3,5\n");
    put("sys/devices/system/cpu/isolated", "2\n");
    ret = cpus_parse(lists[_i].list, "--x", root, &set, &err);
    if (lists[_i].message) {
        ck_assert_int_eq(ret, -EINVAL);
        ck_assert_str_eq(err.msg, lists[_i].message);
    } else {
        ck_assert_msg(ret == 0, "%s", err.msg);
        ck_assert_int_eq(CPU_COUNT(&set), lists[_i].count);
        ck_assert(CPU_ISSET(1, &set));
    }
}
END_TEST

START_TEST(affinity_counts)
{
    struct cpus c;
    cpu_set_t all, one;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    while (!CPU_ISSET(cpu, &all)) {
        cpu++;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    cpus_get(&c, root);
    ck_assert_uint_eq(c.allowed, 1);
    ck_assert_uint_eq(cpus_whole(&c), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("surroundings");
    TCase *signals = tcase_create("signals"), *cpus = tcase_create("cpus");

    tcase_add_test(signals, a_signal_that_was_ignored_at_the_start_stays_ignored);
    tcase_add_test(signals, a_fatal_signal_in_the_background_ends_the_process);
    suite_add_tcase(s, signals);
    tcase_add_checked_fixture(cpus, make_root, remove_root);
    tcase_add_test(cpus, without_control_groups_there_is_no_quota);
    tcase_add_test(cpus, the_least_quota_of_v2_groups_counts);
    tcase_add_test(cpus, the_quota_of_v1_is_that_of_the_cpu_controller);
    tcase_add_loop_test(cpus, a_wrong_list_of_cpus_is_refused, 0, sizeof(lists) / sizeof(lists[0]));
    tcase_add_test(cpus, affinity_counts);
    suite_add_tcase(s, cpus);
    return suite_run(s);
}
