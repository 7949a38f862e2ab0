// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/* --- lists --- */

/* Takes "N" or "N-M" off *@at. Return: false if there is none. */
static bool take_range(const char **at, unsigned long *first, unsigned long *last)
{
    char *end;

    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    *first = *last = strtoul(*at, &end, 10);
    if (*end == '-') {
        if (!isdigit((unsigned char)end[1])) {
            return false;
        }
        *last = strtoul(end + 1, &end, 10);
    }
    *at = end;
    return *first <= *last;
}

/* Return: false if @list is no list. A CPU from CPU_SETSIZE on is in *@too_large. */
static bool read_list(const char *list, cpu_set_t *out, unsigned long *too_large)
{
    unsigned long first, last;

    CPU_ZERO(out);
    *too_large = 0;
    for (const char *at = list;; at++) {
        if (!take_range(&at, &first, &last)) {
            return false;
        }
        for (unsigned long i = first; i <= last && i < CPU_SETSIZE; i++) {
            CPU_SET(i, out);
        }
        *too_large = last >= CPU_SETSIZE && last > *too_large ? last : *too_large;
        if (*at != ':' && *at != ',') {
            return *at == '\0' || *at == '\n';
        }
    }
}

/* What messages call the CPUs of @set: "0-3:8". */
static const char *format_list(const cpu_set_t *set, char *buf, size_t size)
{
    size_t used = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < CPU_SETSIZE && used < size; i++) {
        unsigned last = i;

        if (!CPU_ISSET(i, set)) {
            continue;
        }
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set)) {
            last++;
        }
        used += (size_t)snprintf(buf + used, size - used, last > i ? "%s%u-%u" : "%s%u",
                                 used ? ":" : "", i, last);
        i = last;
    }
    return buf;
}

/* A file of /sys/devices/system/cpu; empty if it cannot be read. */
static void read_system_list(const char *root, const char *file, cpu_set_t *out)
{
    char dir[PATH_MAX], line[4096];
    unsigned long too_large;

    CPU_ZERO(out);
    if (snprintf(dir, sizeof(dir), "%s/sys/devices/system/cpu", root) < (int)sizeof(dir) &&
        read_line(dir, file, line, sizeof(line)) && !read_list(line, out, &too_large)) {
        CPU_ZERO(out);
    }
}

static int check_cpu(unsigned cpu, const char *where, const char *root, struct error *err)
{
    cpu_set_t present, online, isolated, allowed;
    char list[128];

    read_system_list(root, "present", &present);
    read_system_list(root, "online", &online);
    read_system_list(root, "isolated", &isolated);
    if (CPU_COUNT(&present) && !CPU_ISSET(cpu, &present)) {
        return error_set(err, -EINVAL, "%s: this host has no CPU %u; it has %s", where, cpu,
                         format_list(&present, list, sizeof(list)));
    }
    if (CPU_COUNT(&online) && !CPU_ISSET(cpu, &online)) {
        return error_set(err, -EINVAL, "%s: CPU %u is offline; online are %s", where, cpu,
                         format_list(&online, list, sizeof(list)));
    }
    /* Isolated CPUs (isolcpus=) are in the affinity only of those who ask for them. */
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0 && !CPU_ISSET(cpu, &allowed) &&
        !CPU_ISSET(cpu, &isolated)) {
        return error_set(err, -EINVAL,
                         "%s: this process may not use CPU %u, only %s (taskset, cpuset of the "
                         "control group)",
                         where, cpu, format_list(&allowed, list, sizeof(list)));
    }
    return 0;
}

int cpus_parse(const char *list, const char *where, const char *root, cpu_set_t *out,
               struct error *err)
{
    unsigned long too_large;
    int ret = 0;

    if (!read_list(list, out, &too_large)) {
        return error_set(err, -EINVAL, "%s: '%s' is no list of CPUs; it takes one like 0:2-5",
                         where, list);
    }
    if (too_large) {
        return error_set(err, -EINVAL, "%s: there is no CPU %lu; at most %d are possible", where,
                         too_large, CPU_SETSIZE);
    }
    for (unsigned i = 0; i < CPU_SETSIZE && ret == 0; i++) {
        if (CPU_ISSET(i, out)) {
            ret = check_cpu(i, where, root, err);
        }
    }
    return ret;
}
