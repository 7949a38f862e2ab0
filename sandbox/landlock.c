// SPDX-License-Identifier: MIT
/*
 * The kernel's header may be older than the kernel, so what came after the first version of the
 * interface is declared here. A right that the kernel does not know must not be named.
 *
 * Descriptors keep what they could do when they were opened: images can be resized.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/landlock.h"

#define VERSION 1u /* flags of landlock_create_ruleset() */
#define ERRATA  2u

#define ERRATUM_SIGNALS_OF_THREADS 2u /* bit 1 */

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)

#define NET_BIND    (UINT64_C(1) << 0)
#define NET_CONNECT (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)

#define RULE_NET_PORT 2

struct ruleset {
    uint64_t fs, net, scoped;
};

struct net_port {
    uint64_t access, port;
};

static uint64_t all_below(unsigned bits)
{
    return (UINT64_C(1) << bits) - 1;
}

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);

    return abi > 0 ? (int)abi : 0;
}

bool landlock_threads_may_signal(void)
{
    long errata = syscall(SYS_landlock_create_ruleset, NULL, 0, ERRATA);

    return errata > 0 && (errata & ERRATUM_SIGNALS_OF_THREADS);
}

/* Of files: 13 rights in version 1, then refer, truncate and ioctl of devices. */
static struct ruleset handled(int abi, const struct landlock_rules *rules)
{
    unsigned fs = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    struct ruleset r = {.fs = all_below(fs)};

    if (abi >= 4) {
        r.net = NET_BIND | NET_CONNECT;
    }
    if (abi >= 6) {
        r.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | (rules->signals ? 0 : SCOPE_SIGNAL);
    }
    return r;
}

static size_t attr_size(int abi)
{
    return abi >= 6   ? sizeof(struct ruleset)
           : abi >= 4 ? offsetof(struct ruleset, scoped)
                      : offsetof(struct ruleset, net);
}

static int add_path(int fd, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = access};
    struct stat st;
    int ret = 0;

    beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0) {
        return 0;
    }
    if (fstat(beneath.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        beneath.allowed_access &= FS_READ_FILE | FS_EXECUTE;
    }
    if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0) {
        ret = -errno;
    }
    close(beneath.parent_fd);
    return ret;
}

static int add_port(int fd, uint16_t port)
{
    struct net_port rule = {.access = NET_CONNECT, .port = port};

    return syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &rule, 0) < 0 ? -errno : 0;
}

int landlock_make(const struct landlock_rules *rules, struct error *err)
{
    int abi = landlock_abi(), fd, ret = 0;
    struct ruleset attr;

    if (!abi) {
        return LANDLOCK_NONE;
    }
    attr = handled(abi, rules);
    fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);
    if (fd < 0) {
        return error_set(err, -errno, "cannot make rules of Landlock: %s", strerror(errno));
    }
    for (unsigned i = 0; rules->read[i] && ret == 0; i++) {
        ret = add_path(fd, rules->read[i], FS_READ_FILE | FS_READ_DIR);
    }
    for (unsigned i = 0; rules->remove[i] && ret == 0; i++) {
        ret = add_path(fd, rules->remove[i], FS_REMOVE_FILE | FS_REMOVE_DIR);
    }
    for (unsigned i = 0; abi >= 4 && rules->connect[i] && ret == 0; i++) {
        ret = add_port(fd, rules->connect[i]);
    }
    if (ret < 0) {
        close(fd);
        return error_set(err, ret, "cannot make rules of Landlock: %s", strerror(-ret));
    }
    return fd;
}

int landlock_enter(int fd)
{
    return fd != LANDLOCK_NONE && syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
