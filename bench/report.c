// SPDX-License-Identifier: MIT
/*
 * The page is made by bench/report.py, which this file carries into the program. Python reads the
 * JSON from a memory file and prints the page, which is written only when it is complete.
 */
#include "bench/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output-file.h"
#include "bench/child.h"

#define TIMEOUT_MS 60000

__asm__(".pushsection .rodata\n"
        ".globl bench_report_py\n"
        ".type bench_report_py, @object\n"
        "bench_report_py:\n"
        ".incbin \"bench/report.py\"\n"
        ".byte 0\n"
        ".size bench_report_py, . - bench_report_py\n"
        ".popsection");

extern const char bench_report_py[];

/* Runs @script. Return: 0 and *@out, all that Python printed, to be freed; else -errno and @err. */
static int run_python(const char *script, char *argument, const int *fds, char **out,
                      struct error *err)
{
    char *argv[] = {"python3", "-I", "-c", (char *)script, argument, NULL};
    char chunk[65536], complaint[256] = "";
    struct child child;
    int ret = child_start(&child, argv, fds, -1, err), status;
    ssize_t n = -ENOMEM;
    size_t size;
    FILE *text;

    *out = NULL;
    if (ret < 0) {
        return ret == -ENOENT ? error_set(err, ret,
                                          "--report needs python3, which is not installed: "
                                          "apt-get install python3")
                              : ret;
    }
    text = open_memstream(out, &size);
    while (text && (n = child_read(&child, chunk, sizeof(chunk), TIMEOUT_MS)) > 0) {
        fwrite(chunk, 1, (size_t)n, text);
    }
    if (text && fclose(text) != 0) {
        n = -ENOMEM;
    }
    status = child_end(&child, complaint, sizeof(complaint));
    if (n < 0) {
        ret = error_set(err, (int)n, "--report: cannot read from python3: %s", strerror((int)-n));
    } else if (status != 0) {
        ret = error_set(err, -EINVAL, "--report: python3 failed: %s", complaint);
    }
    if (ret < 0) {
        free(*out);
        *out = NULL;
    }
    return ret;
}

int bench_report_prepare(const char *dir, struct error *err)
{
    struct stat st;
    char *nothing;
    int ret;

    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        return error_set(err, -errno, "cannot make directory '%s': %s", dir, strerror(errno));
    }
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
        return error_set(err, -ENOTDIR, "--report: '%s' is no directory", dir);
    }
    if (access(dir, W_OK | X_OK) < 0) {
        return error_set(err, -errno, "cannot write into '%s': %s", dir, strerror(errno));
    }
    ret = run_python("import html, json, math", NULL, (const int[]){-1}, &nothing, err);
    free(nothing);
    return ret;
}

int bench_report_check(const char *dir, const char *path, struct error *err)
{
    char *page;
    int ret = 0;

    if (asprintf(&page, "%s/index.html", dir) < 0) {
        return error_set(err, -ENOMEM, "out of memory");
    }
    if (output_file_same(page, path)) {
        ret = error_set(err, -EINVAL,
                        "--report: '%s' is also given as '%s'; name another directory", page, path);
    }
    free(page);
    return ret;
}

/* Return: 0 and *@out, the page, to be freed; or -errno and @err. */
static int make_page(const json_t *root, char **out, struct error *err)
{
    int fd = memfd_create("result.json", MFD_CLOEXEC), ret;
    char path[32];

    if (fd < 0 || json_dumpfd(root, fd, 0) < 0) {
        ret = error_set(err, -ENOMEM, "out of memory for the report");
    } else {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ret = run_python(bench_report_py, path, (const int[]){fd, -1}, out, err);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

int bench_report_write(const char *dir, const json_t *root, struct error *err)
{
    char *path = NULL, *page = NULL;
    FILE *out;
    int ret = make_page(root, &page, err);

    if (ret < 0) {
        return ret;
    }
    if (asprintf(&path, "%s/index.html", dir) < 0) {
        path = NULL;
        ret = error_set(err, -ENOMEM, "out of memory for the report");
    } else {
        ret = output_file_open("--report", path, &out, err);
    }
    if (ret == 0) {
        bool good = fputs(page, out) >= 0;

        good &= fclose(out) == 0;
        ret = good ? 0 : error_set(err, -errno, "cannot write '%s': %s", path, strerror(errno));
    }
    free(path);
    free(page);
    return ret;
}
