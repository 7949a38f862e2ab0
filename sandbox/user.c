// SPDX-License-Identifier: MIT
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox/user.h"

static int cannot_become(const char *name, struct error *err)
{
    return error_set(err, -errno, "--user: cannot become user %s: %s", name, strerror(errno));
}

int user_drop_root(const char *name, struct error *err)
{
    struct passwd *pw;

    if (geteuid() != 0) {
        return error_set(err, -EPERM, "--user: only root can become another user");
    }
    errno = 0;
    pw = getpwnam(name);
    if (!pw) {
        return error_set(err, -ENOENT, "--user: there is no user %s", name);
    }
    /* The groups first: the other user may not change them. */
    if (setgid(pw->pw_gid) < 0 || initgroups(name, pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0) {
        return cannot_become(name, err);
    }
    if (pw->pw_uid != 0 && setuid(0) == 0) {
        return error_set(err, -EPERM, "--user: root could be regained after becoming user %s",
                         name);
    }
    return prctl(PR_SET_DUMPABLE, 1) < 0 ? cannot_become(name, err) : 0;
}
