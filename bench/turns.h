// SPDX-License-Identifier: MIT
/* Running a plan: turns, and repeats of runs that the host disturbed. */
#ifndef POLLUX_BENCH_TURNS_H
#define POLLUX_BENCH_TURNS_H

#include <stdio.h>

#include "bench/plan.h"

/**
 * bench_run_plan - all runs, group by group, turn by turn; p->done tells how far it came
 * @progress: for people; NULL: none
 * @stop_fd, @trace: as in bench_runner.run
 * Return: 0; or -errno and @err of the run that failed; -EINTR when stopped.
 */
int bench_run_plan(struct bench_plan *p, FILE *progress, int stop_fd, struct trace *trace,
                   struct error *err);

#endif
