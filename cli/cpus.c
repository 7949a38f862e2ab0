// SPDX-License-Identifier: MIT
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cpus.h"

static bool read_line(const char *dir, const char *file, char *line, int size)
{
    char path[PATH_MAX];
    bool ok = false;
    FILE *f;

    if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path)) {
        return false;
    }
    f = fopen(path, "re");
    if (f) {
        ok = fgets(line, size, f) != NULL;
        fclose(f);
    }
    return ok;
}

/* Return: percent of a CPU; 0: @dir sets no limit. */
static unsigned quota_of(const char *dir)
{
    long long quota = 0, period = 0;
    char line[64];

    if (read_line(dir, "cpu.max", line, sizeof(line))) {
        if (sscanf(line, "%lld %lld", &quota, &period) != 2) {
            return 0; /* "max" */
        }
    } else if (read_line(dir, "cpu.cfs_quota_us", line, sizeof(line)) &&
               sscanf(line, "%lld", &quota) == 1 &&
               read_line(dir, "cpu.cfs_period_us", line, sizeof(line))) {
        sscanf(line, "%lld", &period);
    }
    return quota > 0 && period > 0 ? (unsigned)((quota * 100 + period - 1) / period) : 0;
}

/* The least quota of the group @path below @mount and the groups above it. */
static unsigned least_quota(const char *mount, char *path)
{
    unsigned least = 0;

    for (;;) {
        char dir[PATH_MAX], *slash = strrchr(path, '/');
        unsigned quota;

        quota =
            snprintf(dir, sizeof(dir), "%s%s", mount, path) < (int)sizeof(dir) ? quota_of(dir) : 0;
        if (quota && (!least || quota < least)) {
            least = quota;
        }
        if (!slash) {
            return least;
        }
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: "0::/path" of v2, "4:cpu,cpuacct:/path" of v1. */
static unsigned quota_of_line(const char *root, char *line)
{
    char mount[PATH_MAX];
    char *controllers = strchr(line, ':'),
         *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path) {
        return 0;
    }
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    if (*controllers) {
        const char *cpu = strstr(controllers, "cpu");

        if (!cpu || (cpu[3] && cpu[3] != ',')) {
            return 0; /* cpuset, cpuacct, or another one */
        }
    }
    snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup%s%s", root, *controllers ? "/" : "",
             controllers);
    return least_quota(mount, path);
}

void cpus_get(struct cpus *c, const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    cpu_set_t set;
    FILE *f;

    *c = (struct cpus){.online = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    c->allowed =
        sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : c->online;
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        unsigned quota = quota_of_line(root, line);

        if (quota && (!c->quota || quota < c->quota)) {
            c->quota = quota;
        }
    }
    if (f) {
        fclose(f);
    }
}

unsigned cpus_whole(const struct cpus *c)
{
    unsigned n = c->allowed;

    if (c->quota && c->quota / 100 < n) {
        n = c->quota / 100;
    }
    return n ? n : 1;
}
