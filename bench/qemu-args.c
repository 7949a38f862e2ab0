// SPDX-License-Identifier: MIT
/*
 * The arguments of QEMU.
 *
 * QEMU gets its fastest configuration: no image format between the device and the file, O_DIRECT,
 * its engine of the same kind, and a null disk that neither waits nor writes zeroes. Its guest has
 * as much memory.
 */
#include "bench/qemu-args.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/bench-disk.h"
#include "bench/bench-options.h"
#include "bench/guest-report.h"
#include "bench/qemu-version.h"
#include "bench/workload.h"

#define IOTHREAD "io0"

/* QEMU has no engine mmap: for a file in memory, its fastest engine depends on the cache mode. */
const char *qemu_aio_name(const struct bench_disk *t)
{
    const struct {
        const char *pollux, *qemu;
    } names[] = {{"linux-aio", "native"},
                 {"io_uring", "io_uring"},
                 {"threads", "threads"},
                 {"mmap", t->direct ? "native" : "threads"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(t->engine->name, names[i].pollux)) {
            return names[i].qemu;
        }
    }
    return NULL;
}

/* Return: to be released, or NULL. */
static char *block_node(const struct bench_config *c, const struct bench_disk *t, unsigned i)
{
    struct stat st;
    bool device = t->file && stat(t->file, &st) == 0 && S_ISBLK(st.st_mode);
    char name[16], *text;
    json_t *node;

    snprintf(name, sizeof(name), "disk%u", i);
    if (t->file) {
        node = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:{s:b}}", "driver",
                         device ? "host_device" : "file", "node-name", name, "filename", t->file,
                         "aio", qemu_aio_name(t), "read-only", t->readonly, "locking",
                         c->disks > 1 ? "off" : "auto", "cache", "direct", t->direct);
    } else {
        node = json_pack("{s:s, s:s, s:I, s:b, s:b}", "driver", "null-co", "node-name", name,
                         "size", (json_int_t)t->size, "read-zeroes", 0, "read-only", t->readonly);
    }
    text = node ? json_dumps(node, JSON_COMPACT) : NULL;
    json_decref(node);
    return text;
}

/* Takes @word; NULL: there was no memory for it. */
static void take_arg(struct qemu_args *w, char *word)
{
    w->failed |= !word || w->n == QEMU_ARGS_MAX;
    if (w->n < QEMU_ARGS_MAX && word) {
        w->argv[w->n++] = word;
    } else {
        free(word);
    }
}

static void add_arg(struct qemu_args *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add_arg(struct qemu_args *w, const char *fmt, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    take_arg(w, n < 0 ? NULL : text);
}

static void add_disks(struct qemu_args *w, const struct bench_config *c,
                      const struct bench_group *group, bool packed)
{
    const struct bench_disk *t = group->disk;

    for (unsigned i = 0; i < c->disks; i++) {
        add_arg(w, "-blockdev");
        take_arg(w, block_node(c, t, i));
        add_arg(w, "-device");
        add_arg(w,
                "virtio-blk-device,drive=disk%u,iothread=" IOTHREAD ",num-queues=%" PRIu64
                ",queue-size=%u,packed=%s,request-merging=%s,share-rw=%s",
                i, c->queues, bench_queue_size(group), packed ? "on" : "off",
                c->merge ? "on" : "off", c->disks > 1 ? "on" : "off");
    }
}

int qemu_args_make(struct qemu_args *w, const struct bench_config *c,
                   const struct bench_group *group, const struct bench_variant *variant,
                   unsigned run, int kernel_fd)
{
    /* The same arguments in each run. Some KVMs have no MSR_IA32_ARCH_CAPABILITIES, and no guest of
     * Pollux reads it. */
    static const char *const fixed[] = {
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-name",
        "pollux-bench,debug-threads=on",
        "-M",
        "microvm,acpi=off",
        "-accel",
        "kvm",
        "-cpu",
        "host,arch-capabilities=off",
        "-smp",
        "1",
        "-global",
        "virtio-mmio.force-legacy=false",
        "-chardev",
        "stdio,id=out,signal=off",
        "-device",
        "isa-debugcon,iobase=0xe9,chardev=out",
        "-no-shutdown",
    };
    char append[256];

    add_arg(w, "%s", bench_qemu_program(c));
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        add_arg(w, "%s", fixed[i]);
    }
    add_arg(w, "-m");
    add_arg(w, "%" PRIu64 "M", bench_guest_memory(c, group) >> 20);
    add_arg(w, "-object");
    add_arg(w, "iothread,id=" IOTHREAD ",poll-max-ns=%" PRIu64, variant->max_ns);
    add_disks(w, c, group, variant->packed);
    add_arg(w, "-kernel");
    add_arg(w, "/proc/self/fd/%d", kernel_fd);
    bench_guest_append(c, group, variant, run, append, sizeof(append));
    add_arg(w, "-append");
    add_arg(w, "ctl=0 %s", append);
    return w->failed ? -ENOMEM : 0;
}

void qemu_args_free(struct qemu_args *w)
{
    while (w->n > 0) {
        free(w->argv[--w->n]);
    }
}
