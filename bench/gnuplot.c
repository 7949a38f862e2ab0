// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/child.h"
#include "bench/gnuplot.h"

#define TIMEOUT_MS 60000

static int start(struct child *c, char *const argv[], const int *fds, struct error *err)
{
    int ret = child_start(c, argv, fds, -1, err);

    if (ret == -ENOENT) {
        return error_set(err, ret,
                         "--report needs gnuplot, which is not installed: apt-get install "
                         "gnuplot-nox");
    }
    return ret;
}

int gnuplot_probe(struct error *err)
{
    char *argv[] = {"gnuplot", "--version", NULL}, text[256];
    struct child child;
    int ret = start(&child, argv, (const int[]){-1}, err);

    if (ret < 0) {
        return ret;
    }
    child_read_all(&child, text, sizeof(text), TIMEOUT_MS);
    if (child_end(&child, NULL, 0) != 0) {
        return error_set(err, -EINVAL, "gnuplot --version failed");
    }
    return 0;
}

static int read_all(struct child *c, char **out, struct error *err)
{
    char chunk[65536];
    size_t size;
    FILE *text = open_memstream(out, &size);
    ssize_t n = -ENOMEM;

    while (text && (n = child_read(c, chunk, sizeof(chunk), TIMEOUT_MS)) > 0) {
        fwrite(chunk, 1, (size_t)n, text);
    }
    if (!text || fclose(text) != 0) {
        n = -ENOMEM;
    }
    return n < 0 ? error_set(err, (int)n, "cannot read from gnuplot: %s", strerror((int)-n)) : 0;
}

int gnuplot_run(const char *script, size_t size, char **out, struct error *err)
{
    char path[32], complaint[256] = "";
    char *argv[] = {"gnuplot", path, NULL};
    struct child child;
    int fd = memfd_create("script", 0), ret, status;

    *out = NULL;
    if (fd < 0 || write(fd, script, size) != (ssize_t)size) {
        ret = error_set(err, -ENOMEM, "out of memory for plots");
    } else {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ret = start(&child, argv, (const int[]){fd, -1}, err);
    }
    if (ret == 0) {
        ret = read_all(&child, out, err);
        status = child_end(&child, complaint, sizeof(complaint));
        if (ret == 0 && status != 0) {
            ret = error_set(err, -EINVAL, "gnuplot failed: %s", complaint);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (ret < 0) {
        free(*out);
        *out = NULL;
    }
    return ret;
}
