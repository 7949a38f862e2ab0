// SPDX-License-Identifier: MIT
/* pollux doctor: what this host offers, line by line, and what to do about what it does not. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/cpus.h"
#include "kvm/machine.h"
#include "kvm/probe.h"
#include "kvm/vm.h"
#include "sandbox/sandbox.h"

enum verdict {
    OK,
    WARN,
    FAIL,
};

struct doctor {
    bool can_boot_linux; /* the option */
    unsigned count[3];
};

/* One line, two if there is something to do. @advice: NULL or what to do. */
static void __attribute__((format(printf, 4, 5)))
say(struct doctor *d, enum verdict v, const char *advice, const char *fmt, ...)
{
    static const char *const names[] = {[OK] = "ok", [WARN] = "warn", [FAIL] = "fail"};
    va_list ap;

    d->count[v]++;
    printf("%-5s ", names[v]);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    if (advice) {
        printf("\n      -> %s", advice);
    }
    printf("\n");
}

static void check_kernel(struct doctor *d)
{
    unsigned major = 0, minor = 0;
    struct utsname u;

    uname(&u);
    sscanf(u.release, "%u.%u", &major, &minor);
    if (strcmp(u.machine, "x86_64")) {
        say(d, FAIL, "use a 64-bit x86 host", "processor: %s", u.machine);
    }
    if (major > 5 || (major == 5 && minor >= 10)) {
        say(d, OK, NULL, "kernel: Linux %s", u.release);
    } else {
        say(d, FAIL, "use Linux 5.10 or later", "kernel: Linux %s", u.release);
    }
}

static void check_cpus(struct doctor *d)
{
    char text[96];
    struct cpus c;

    cpus_get(&c, "");
    if (c.quota) {
        snprintf(text, sizeof(text), "processors: %u of %u, with a CPU quota of %u %%", c.allowed,
                 c.online, c.quota);
    } else {
        snprintf(text, sizeof(text), "processors: %u of %u", c.allowed, c.online);
    }
    if (cpus_whole(&c) > 1) {
        say(d, OK, NULL, "%s", text);
    } else {
        say(d, WARN, "give it two: an I/O thread that polls needs one beside the guest's", "%s",
            text);
    }
}

static void check_capabilities(struct doctor *d, int kvm)
{
    const struct vm_capability *c;

    for (unsigned i = 0; (c = vm_capability_at(i)); i++) {
        if (ioctl(kvm, KVM_CHECK_EXTENSION, c->number) > 0) {
            say(d, OK, NULL, "%s (%s)", c->name, c->why);
        } else if (c->required) {
            say(d, FAIL, "pollux cannot run; use Linux 5.10 or later", "%s (%s) is missing",
                c->name, c->why);
        } else {
            say(d, WARN, "pollux runs without", "%s (%s) is missing", c->name, c->why);
        }
    }
}

static void check_kind(struct doctor *d)
{
    struct kvm_probe p;
    struct error err = {""};

    if (kvm_probe(&p, &err) < 0) {
        say(d, FAIL, "look at dmesg; pollux needs a KVM that runs 64-bit code", "%s", err.msg);
        return;
    }
    if (p.can_boot_linux) {
        say(d, OK, NULL,
            "KVM has hardware behind it: %.2f ns an instruction at CPL 0, %.2f ns at CPL 3",
            p.kernel_ns, p.user_ns);
        return;
    }
    say(d, WARN,
        "pollux bench works here; boot Linux on a host with VMX or SVM (make demo uses QEMU)",
        "KVM emulates kernel code: %.1f ns an instruction at CPL 0, %.2f ns at CPL 3%s%s: Linux "
        "cannot boot",
        p.kernel_ns, p.user_ns, p.int3 ? "" : ", no int3", p.cmpxchg16b ? "" : ", no cmpxchg16b");
}

static void check_kvm(struct doctor *d)
{
    struct error err = {""};
    int kvm = vm_open_kvm(&err);

    if (kvm < 0) {
        say(d, FAIL, "pollux vhost-user, advise and replay work without KVM", "%s", err.msg);
        return;
    }
    say(d, OK, NULL, "/dev/kvm opens");
    check_capabilities(d, kvm);
    close(kvm);
    check_kind(d);
}

/* Return: 0, or -errno; @buf is then empty. */
static int read_line(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");

    buf[0] = '\0';
    if (!f) {
        return -errno;
    }
    if (fgets(buf, (int)size, f)) {
        buf[strcspn(buf, "\n")] = '\0';
    }
    fclose(f);
    return 0;
}

static void check_aio(struct doctor *d)
{
    char used[32], most[32];
    uint64_t left;

    if (read_line("/proc/sys/fs/aio-nr", used, sizeof(used)) < 0 ||
        read_line("/proc/sys/fs/aio-max-nr", most, sizeof(most)) < 0) {
        say(d, FAIL, "use a kernel with CONFIG_AIO for engine linux-aio", "Linux AIO is missing");
        return;
    }
    left = strtoull(most, NULL, 10) - strtoull(used, NULL, 10);
    if (left >= VIRTIO_BLK_QUEUE_SIZE_DEFAULT && left <= INT64_MAX) {
        say(d, OK, NULL, "Linux AIO: %s of %s (fs.aio-max-nr) events in use", used, most);
    } else {
        say(d, FAIL, "sysctl fs.aio-max-nr=1048576",
            "Linux AIO: %s of %s (fs.aio-max-nr) events in use: no room for a disk", used, most);
    }
}

static void check_huge_pages(struct doctor *d)
{
    char line[64];

    if (read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line)) < 0) {
        say(d, WARN, "guest memory works, with more TLB misses",
            "transparent huge pages are not in this kernel");
    } else if (strstr(line, "[never]")) {
        say(d, WARN, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            "transparent huge pages: %s", line);
    } else {
        say(d, OK, NULL, "transparent huge pages: %s", line);
    }
}

static void check_direct(struct doctor *d)
{
    int fd = open(".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    int num = errno;

    if (fd >= 0) {
        close(fd);
        say(d, OK, NULL, "O_DIRECT works in the current directory");
    } else if (num == EINVAL) {
        say(d, WARN, "put disk images on another file system, or use cache=writeback",
            "O_DIRECT does not work in the current directory");
    } else {
        say(d, WARN, "run it in the directory of your disk images",
            "O_DIRECT in the current directory: cannot tell: %s", strerror(num));
    }
}

static void check_sandbox(struct doctor *d)
{
    int abi = sandbox_landlock_abi();

    if (sandbox_has_filters()) {
        say(d, OK, NULL, "seccomp: filters for system calls (--sandbox)");
    } else {
        say(d, WARN, "use --sandbox off, or a kernel with CONFIG_SECCOMP_FILTER",
            "seccomp: the kernel has no filters for system calls");
    }
    if (abi) {
        say(d, OK, NULL, "Landlock: version %d: files%s%s", abi, abi >= 4 ? ", TCP" : "",
            abi >= 6 ? ", signals" : "");
    } else {
        say(d, WARN, "add landlock to the parameter lsm= of the kernel; the sandbox works without",
            "Landlock is missing or off");
    }
}

/* For scripts: silent and 0, or the reason and 1. */
static int can_boot_linux(const struct command *cmd)
{
    struct kvm_probe p;
    struct error err = {""};

    if (kvm_probe(&p, &err) < 0) {
        return command_fail(cmd, err.msg);
    }
    if (!p.can_boot_linux) {
        return command_fail(cmd, "/dev/kvm: KVM emulates kernel code here, Linux cannot boot");
    }
    return EXIT_STATUS_OK;
}

static const struct option doctor_options[] = {
    {.name = "can-boot-linux",
     .help = "only this: exit status 0 if Linux can boot here, else 1 and the reason",
     .offset = offsetof(struct doctor, can_boot_linux)},
    {.name = NULL},
};

static int doctor_main(const struct command *cmd, int argc, char **argv)
{
    struct doctor d = {.can_boot_linux = false};
    char *storage = NULL;
    int status = command_parse(cmd, argc, argv, &d, &storage);

    free(storage);
    if (status >= 0) {
        return status;
    }
    if (d.can_boot_linux) {
        return can_boot_linux(cmd);
    }
    check_kernel(&d);
    check_cpus(&d);
    check_kvm(&d);
    check_aio(&d);
    check_huge_pages(&d);
    check_direct(&d);
    check_sandbox(&d);
    printf("%u ok, %u warning%s, %u failure%s\n", d.count[OK], d.count[WARN],
           d.count[WARN] == 1 ? "" : "s", d.count[FAIL], d.count[FAIL] == 1 ? "" : "s");
    return d.count[FAIL] ? EXIT_STATUS_FAILURE : EXIT_STATUS_OK;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "tell what this host offers for pollux, and what to do about the rest",
    .usage = "[options]",
    .options = doctor_options,
    .notes = "exit status:\n"
             "  0      nothing that pollux needs is missing\n"
             "  1      something is, or wrong usage\n",
    .main = doctor_main,
};
