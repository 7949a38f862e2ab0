// SPDX-License-Identifier: MIT
/* Child programs: QEMU, fio and Python. */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_STARTED 127

/*
 * In the child, between fork and exec: only calls that are safe after a fork of a program with
 * threads.
 * @report tells the parent the errno of an exec that failed; a success closes it.
 */
static void become(char *const argv[], const int *fds, int out, int err, int report)
{
    int null = open("/dev/null", O_RDONLY), error;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0) {
        while (*fds >= 0) {
            fcntl(*fds++, F_SETFD, 0);
        }
        execvp(argv[0], argv);
    }
    error = errno;
    _exit(write(report, &error, sizeof(error)) == sizeof(error) ? EXIT_NOT_STARTED : 1);
}

static void close_fds(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

int child_start(struct child *c, char *const argv[], const int *fds, int stop_fd, struct error *err)
{
    int out[2] = {-1, -1}, report[2] = {-1, -1}, error = 0;

    *c = (struct child){.pid = -1, .out = -1, .stop_fd = stop_fd};
    c->err = memfd_create("stderr", MFD_CLOEXEC);
    if (c->err < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
        error = errno;
        goto fail;
    }
    c->pid = fork();
    if (c->pid == 0) {
        become(argv, fds, out[1], c->err, report[1]);
    }
    if (c->pid < 0) {
        error = errno;
        goto fail;
    }
    close_fds((const int[]){out[1], report[1]}, 2);
    out[1] = report[1] = -1;
    c->out = out[0];
    if (read(report[0], &error, sizeof(error)) != sizeof(error)) {
        error = 0;
    }
    close(report[0]);
    if (error) {
        child_end(c, NULL, 0);
        return error_set(err, -error, "cannot run '%s': %s", argv[0], strerror(error));
    }
    return 0;

fail:
    close_fds((const int[]){out[0], out[1], report[0], report[1], c->err}, 5);
    return error_set(err, -error, "cannot run '%s': %s", argv[0], strerror(error));
}

ssize_t child_read(struct child *c, char *buf, size_t size, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = c->stop_fd, .events = POLLIN},
        {.fd = c->out, .events = POLLIN},
    };
    ssize_t n;

    do {
        n = poll(fds, 2, timeout_ms);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n < 0 ? -errno : -ETIMEDOUT;
    }
    if (fds[0].revents) {
        return -EINTR;
    }
    n = read(c->out, buf, size);
    c->drained = n == 0;
    return n < 0 ? -errno : n;
}

ssize_t child_read_all(struct child *c, char *buf, size_t size, int timeout_ms)
{
    char rest[4096];
    size_t len = 0;
    ssize_t n;

    do {
        bool fits = len + 1 < size;

        n = fits ? child_read(c, buf + len, size - len - 1, timeout_ms)
                 : child_read(c, rest, sizeof(rest), timeout_ms);
        len += n > 0 && fits ? (size_t)n : 0;
    } while (n > 0);
    buf[len] = '\0';
    return n < 0 ? n : (ssize_t)len;
}

static void first_line(int fd, char *buf, size_t size)
{
    ssize_t n = pread(fd, buf, size - 1, 0);

    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
}

int child_end(struct child *c, char *complaint, size_t size)
{
    int status = 0;

    if (!c->drained) {
        kill(-c->pid, SIGKILL); /* it may be a script that has started the program */
    }
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (complaint) {
        first_line(c->err, complaint, size);
    }
    close_fds((const int[]){c->out, c->err}, 2);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
