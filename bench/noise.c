// SPDX-License-Identifier: MIT
/*
 * Noise of the host during a run: CPU time that a hypervisor below the host stole, and time that the
 * threads of Pollux were runnable and waited for a CPU.
 */
#include "bench/noise.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/figures.h"

/* A thread that is woken waits some microseconds for its CPU on a quiet host too. */
#define WAKE_UP_NS 3000
/* Share of the time, of all our threads together, from which on a run counts as disturbed. */
#define NOISE_MAX 0.05

/* The start of a file in /proc; empty if it cannot be read. */
static const char *read_text(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = 0;

    if (f) {
        n = fread(buf, 1, size - 1, f);
        fclose(f);
    }
    buf[n] = '\0';
    return buf;
}

/* Of all CPUs. */
static uint64_t steal_ns(void)
{
    char text[512];
    uint64_t ticks = 0;

    sscanf(read_text("/proc/stat", text, sizeof(text)), "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64,
           &ticks);
    return ticks * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void add_thread(struct bench_noise *n, const char *task, const char *tid)
{
    uint64_t delay, times;
    char path[512], text[2048];
    const char *at;

    snprintf(path, sizeof(path), "%s/%s/schedstat", task, tid);
    if (sscanf(read_text(path, text, sizeof(text)), "%*u %" SCNu64 " %" SCNu64, &delay, &times) ==
        2) {
        n->runqueue_ns += delay;
        n->times_run += times;
    }
    snprintf(path, sizeof(path), "%s/%s/status", task, tid);
    at = strstr(read_text(path, text, sizeof(text)), "nonvoluntary_ctxt_switches:");
    if (at) {
        n->switches += strtoull(strchr(at, ':') + 1, NULL, 10);
    }
}

void bench_noise_sample(struct bench_noise *n, const char *proc)
{
    struct dirent *entry;
    char task[64];
    DIR *dir;

    *n = (struct bench_noise){.at_ns = clock_ns(CLOCK_MONOTONIC), .steal_ns = steal_ns()};
    snprintf(task, sizeof(task), "%s/task", proc);
    dir = opendir(task);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.') {
            add_thread(n, task, entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

void bench_noise_result(const struct bench_noise *begin, const struct bench_noise *end,
                        struct bench_result *out)
{
    double elapsed = (double)(end->at_ns - begin->at_ns);
    double delay = (double)end->runqueue_ns - (double)begin->runqueue_ns;
    double usual = ((double)end->times_run - (double)begin->times_run) * WAKE_UP_NS;

    out->steal = ((double)end->steal_ns - (double)begin->steal_ns) / elapsed;
    out->runqueue = delay / elapsed;
    out->switches = ((double)end->switches - (double)begin->switches) / elapsed * 1e9;
    out->noise = out->steal + (delay > usual ? delay - usual : 0) / elapsed;
    out->noisy = out->noise > NOISE_MAX;
}
