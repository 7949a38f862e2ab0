// SPDX-License-Identifier: MIT
/*
 * The name of the socket is removed at once, so that no file stays when Pollux is killed. The listening
 * socket is passed as systemd does (sd_listen_fds(3)): descriptor 3, LISTEN_FDS and
 * LISTEN_PID. So nothing has to wait for the socket to appear.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/plain-text.h"
#include "engine/format-helper.h"

#define PROGRAM      "qemu-nbd"
#define LISTEN_FD    3
#define ABOVE_FIXED  10 /* a descriptor that is none of 0 to LISTEN_FD */
#define LAST_LINE_IN 2048

#define LISTEN_PID     "LISTEN_PID="
#define LISTEN_PID_MAX 32

static int make_socket(struct format_helper *h, int *fd, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    char dir[] = "/tmp/pollux-XXXXXX"; /* of mode 0700 */
    int ret = 0;

    if (!mkdtemp(dir)) {
        return error_set(err, -errno, "cannot make a directory in /tmp: %s", strerror(errno));
    }
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/nbd", dir);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(*fd, 64) < 0 ||
        (h->socket_fd = open(addr.sun_path, O_PATH | O_CLOEXEC)) < 0) {
        ret = error_set(err, -errno, "cannot listen at %s: %s", addr.sun_path, strerror(errno));
    }
    unlink(addr.sun_path);
    rmdir(dir);
    snprintf(h->uri, sizeof(h->uri), "nbd+unix:///?socket=/proc/self/fd/%d", h->socket_fd);
    return ret;
}

/* "LISTEN_PID=@n" at the end of @buf: between fork() and exec() only simple functions are safe. */
static char *listen_pid_of(char buf[LISTEN_PID_MAX], unsigned n)
{
    char *at = &buf[LISTEN_PID_MAX - 1];

    *at = '\0';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    at -= sizeof(LISTEN_PID) - 1;
    memcpy(at, LISTEN_PID, sizeof(LISTEN_PID) - 1);
    return at;
}

static _Noreturn void become_helper(char *const argv[], char **envp, pid_t parent, int listen_fd,
                                    int log_fd)
{
    static const char missing[] = "the program is missing: install the package qemu-utils\n";
    static const char failed[] = "the program cannot be started\n";
    int from = fcntl(listen_fd, F_DUPFD_CLOEXEC, ABOVE_FIXED);
    int log = fcntl(log_fd, F_DUPFD_CLOEXEC, ABOVE_FIXED);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char listen_pid[LISTEN_PID_MAX];
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* Ctrl-C is for Pollux, which first completes what is in flight */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || from < 0 || log < 0 || null < 0) {
        _exit(127);
    }
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    dup2(from, LISTEN_FD);
    envp[1] = listen_pid_of(listen_pid, (unsigned)getpid());
    execvpe(PROGRAM, argv, envp);
    if (errno == ENOENT) {
        (void)!write(STDERR_FILENO, missing, sizeof(missing) - 1);
    } else {
        (void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
    }
    _exit(127);
}

/* The second place is for LISTEN_PID. Return: NULL if there is no memory. */
static char **make_environment(char *listen_fds)
{
    unsigned n = 0;
    char **envp;

    while (environ[n]) {
        n++;
    }
    envp = calloc(n + 3, sizeof(*envp));
    if (envp) {
        memcpy(envp + 2, environ, n * sizeof(*envp));
        envp[0] = listen_fds;
        envp[1] = listen_fds;
    }
    return envp;
}

static const char *cache_mode(const struct format_helper_config *c)
{
    return c->direct ? (c->writethrough ? "directsync" : "none")
                     : (c->writethrough ? "writethrough" : "writeback");
}

static int spawn(struct format_helper *h, const struct format_helper_config *config,
                 const char *path, int listen_fd, struct error *err)
{
    char cache[32], discard[32], listen_fds[] = "LISTEN_FDS=1";
    char *argv[] = {PROGRAM,
                    "--format",
                    (char *)config->format,
                    cache,
                    discard,
                    "--persistent",
                    "--shared=0",
                    config->readonly ? "--read-only" : "--",
                    config->readonly ? "--" : (char *)path,
                    config->readonly ? (char *)path : NULL,
                    NULL};
    char **envp = make_environment(listen_fds);
    pid_t parent = getpid(), pid;
    int num;

    if (!envp) {
        return error_set(err, -ENOMEM, "out of memory for starting " PROGRAM);
    }
    snprintf(cache, sizeof(cache), "--cache=%s", cache_mode(config));
    snprintf(discard, sizeof(discard), "--discard=%s", config->discard ? "unmap" : "ignore");
    pid = fork();
    num = errno;
    if (pid == 0) {
        become_helper(argv, envp, parent, listen_fd, h->log_fd);
    }
    free(envp);
    if (pid < 0) {
        return error_set(err, -num, "cannot start " PROGRAM ": %s", strerror(num));
    }
    h->pid = pid;
    return 0;
}

int helper_start(struct format_helper *h, const struct format_helper_config *config,
                 struct error *err)
{
    char path[PATH_MAX]; /* absolute: "a:b" would be a protocol of QEMU */
    int listen_fd = -1, ret;

    *h = (struct format_helper){.log_fd = -1, .socket_fd = -1};
    if (!realpath(config->path, path)) {
        return error_set(err, -errno, "cannot open disk image %s: %s", config->path,
                         strerror(errno));
    }
    h->log_fd = memfd_create(PROGRAM, MFD_CLOEXEC);
    ret = h->log_fd < 0 ? error_set(err, -errno, "memfd_create: %s", strerror(errno))
                        : make_socket(h, &listen_fd, err);
    if (ret == 0) {
        ret = spawn(h, config, path, listen_fd, err);
    }
    if (listen_fd >= 0) {
        close(listen_fd); /* the helper has the only one: a connection fails once it has ended */
    }
    return ret;
}

bool helper_has_ended(const struct format_helper *h)
{
    siginfo_t info = {0};
    int ret;

    if (h->pid == 0) {
        return true;
    }
    ret = waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    /* ECHILD: SIGCHLD is ignored, so the kernel has dropped the child that has ended. */
    return ret < 0 ? errno == ECHILD : info.si_pid == h->pid;
}

void helper_last_line(const struct format_helper *h, char *line, size_t size)
{
    char text[LAST_LINE_IN + 1], *from;
    struct stat st;
    ssize_t len;
    off_t at;

    line[0] = '\0';
    if (h->log_fd < 0 || fstat(h->log_fd, &st) < 0) {
        return;
    }
    at = st.st_size > LAST_LINE_IN ? st.st_size - LAST_LINE_IN : 0;
    len = pread(h->log_fd, text, LAST_LINE_IN, at);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    if (len <= 0) {
        return;
    }
    text[len] = '\0';
    from = strrchr(text, '\n');
    from = from ? from + 1 : text;
    if (strncmp(from, PROGRAM ": ", sizeof(PROGRAM ": ") - 1) == 0) {
        from += sizeof(PROGRAM ": ") - 1;
    }
    plain_text(line, size, from); /* the image may have chosen what qemu-nbd quotes */
}

void helper_stop(struct format_helper *h)
{
    if (h->pid) {
        bool ends = kill(h->pid, SIGTERM) == 0;

        /* A process that has dropped root may not signal it: it ends with its parent. */
        while (ends && waitpid(h->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        h->pid = 0;
    }
}

void helper_destroy(struct format_helper *h)
{
    helper_stop(h);
    if (h->socket_fd >= 0) {
        close(h->socket_fd);
    }
    if (h->log_fd >= 0) {
        close(h->log_fd);
    }
}
