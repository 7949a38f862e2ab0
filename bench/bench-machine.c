// SPDX-License-Identifier: MIT
/* A Pollux machine from its start to its end, for one run. */
#include "bench/bench-machine.h"

#include <errno.h>
#include <poll.h>

#include "bench/idle-handlers.h"

/* Return: 0 when the machine has ended by itself, -EINTR or -ETIMEDOUT if it was ended. */
static int wait_end(struct machine *m, int stop_fd, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = machine_end_fd(m), .events = POLLIN},
        {.fd = stop_fd, .events = POLLIN},
    };
    int n, ret;

    do {
        n = poll(fds, 2, timeout_ms);
    } while (n < 0 && errno == EINTR);
    ret = fds[1].revents ? -EINTR : fds[0].revents ? 0 : -ETIMEDOUT;
    if (ret < 0) {
        machine_stop(m, MACHINE_STOPPED);
    }
    return ret;
}

int bench_machine_run(const struct machine_config *mc, unsigned nr_idle, int timeout_ms,
                      int stop_fd, struct machine **m, struct bench_end *end, struct error *err)
{
    struct bench_idle *idle = NULL;
    int ret = machine_new(mc, m, err);

    if (ret < 0) {
        return ret;
    }
    *end = (struct bench_end){.message = ""};
    ret = bench_idle_add(machine_iothread(*m, 0), nr_idle, &idle, err);
    if (ret == 0) {
        ret = machine_start(*m, err);
    }
    if (ret == 0) {
        ret = wait_end(*m, stop_fd, timeout_ms);
        end->how = machine_wait(*m, end->message, sizeof(end->message));
        if (ret == -ETIMEDOUT) {
            error_set(err, ret, "the guest did not end");
        }
    }
    bench_idle_remove(idle);
    machine_free(*m);
    return ret;
}
