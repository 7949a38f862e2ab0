// SPDX-License-Identifier: MIT
/* The version of QEMU, and the poll policy of its iothread. */
#include "bench/qemu-version.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench-options.h"
#include "bench/child.h"

#define DEFAULT_PROGRAM "qemu-system-x86_64"
#define VERSION_MS      10000

const char *bench_qemu_program(const struct bench_config *c)
{
    const char *path = strchr(c->against, '=');

    return path ? path + 1 : DEFAULT_PROGRAM;
}

int bench_qemu_probe(const struct bench_config *c, struct bench_qemu *out, struct error *err)
{
    const char *program = bench_qemu_program(c), *at;
    char text[512], *argv[] = {(char *)program, "--version", NULL};
    struct child child;
    ssize_t n;
    int ret = child_start(&child, argv, (const int[]){-1}, -1, err);

    if (ret == -ENOENT) {
        return error_set(err, ret,
                         "--against needs '%s', which is not there: apt-get install "
                         "qemu-system-x86, or say where it is, --against qemu=PATH",
                         program);
    }
    if (ret < 0) {
        return ret;
    }
    n = child_read_all(&child, text, sizeof(text), VERSION_MS);
    child_end(&child, NULL, 0);
    at = n > 0 ? strstr(text, "QEMU emulator version ") : NULL;
    if (!at || sscanf(at, "QEMU emulator version %u.%u", &out->major, &out->minor) != 2) {
        return error_set(err, -EINVAL, "'%s --version' does not say that it is QEMU", program);
    }
    at += strlen("QEMU emulator version ");
    snprintf(out->version, sizeof(out->version), "%.*s", (int)strcspn(at, " \n"), at);
    return 0;
}

const struct poll_policy_ops *bench_qemu_policy(const struct bench_qemu *qemu)
{
    bool weighted = qemu->major > 11 || (qemu->major == 11 && qemu->minor >= 1);

    return weighted ? &poll_policy_weighted : &poll_policy_grow_shrink;
}
