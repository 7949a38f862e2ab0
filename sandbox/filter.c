// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/filter.h"

static int allow_if(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp arg)
{
    return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &arg);
}

static int allow(scmp_filter_ctx ctx, const struct calls *calls, int call, bool unix_only,
                 enum sandbox_mode mode)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

    switch (call) {
    case SCMP_SYS(clone):
        return allow_if(ctx, call, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    case SCMP_SYS(clone3):
        return mode == SANDBOX_ON ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), call, 0)
                                  : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
    case SCMP_SYS(tgkill):
        return allow_if(ctx, call, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    case SCMP_SYS(mmap):
    case SCMP_SYS(mprotect):
        if (!calls_have(calls, SCMP_SYS(openat))) {
            return allow_if(ctx, call, not_executable);
        }
        break;
    case SCMP_SYS(socket):
        if (unix_only) {
            return allow_if(ctx, call, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
        }
        break;
    }
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
}

static int add_rules(scmp_filter_ctx ctx, const struct calls *calls, bool unix_only,
                     enum sandbox_mode mode)
{
    int ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
                               mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);

    for (unsigned i = 0; ret == 0 && i < calls->nr; i++) {
        ret = allow(ctx, calls, calls->call[i], unix_only, mode);
        if (ret == 0) {
            ret = seccomp_syscall_priority(ctx, calls->call[i], (uint8_t)(UINT8_MAX - i));
        }
    }
    return ret;
}

/* libseccomp writes a program to a descriptor only. */
static int export(struct filter *f, scmp_filter_ctx ctx)
{
    int fd = memfd_create("filter", MFD_CLOEXEC), ret;
    struct stat st = {.st_size = 0};

    if (fd < 0) {
        return -errno;
    }
    ret = seccomp_export_bpf(ctx, fd);
    if (ret == 0) {
        ret = fstat(fd, &st) < 0 ? -errno : 0;
    }
    if (ret == 0) {
        f->program.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
        f->program.filter = malloc((size_t)st.st_size);
        ret = !f->program.filter                                                  ? -ENOMEM
              : pread(fd, f->program.filter, (size_t)st.st_size, 0) != st.st_size ? -EIO
                                                                                  : 0;
    }
    close(fd);
    return ret;
}

int filter_make(struct filter *f, const struct calls *calls, bool unix_only, enum sandbox_mode mode,
                struct error *err)
{
    scmp_filter_ctx ctx = seccomp_init(mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
    int ret;

    *f = (struct filter){.program = {.filter = NULL}};
    ret = ctx ? add_rules(ctx, calls, unix_only, mode) : -ENOMEM;
    if (ret == 0) {
        ret = export(f, ctx);
    }
    if (ctx) {
        seccomp_release(ctx);
    }
    if (ret < 0) {
        filter_destroy(f);
        return error_set(err, ret, "cannot make a filter for system calls: %s", strerror(-ret));
    }
    return 0;
}

void filter_destroy(struct filter *f)
{
    free(f->program.filter);
    f->program.filter = NULL;
}

/*
 * SPEC_ALLOW: before Linux 5.16 a thread with a filter also loses the speculative store bypass,
 * which costs more than the filter. The threads of a process have all memory in common, so the
 * mitigation protects nothing here.
 */
int filter_install(const struct filter *f)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &f->program) < 0
               ? -errno
               : 0;
}
