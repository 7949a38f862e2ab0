// SPDX-License-Identifier: MIT
/* --user, of every command that serves disks. */
#ifndef POLLUX_CLI_SANDBOX_OPTIONS_H
#define POLLUX_CLI_SANDBOX_OPTIONS_H

#include "cli/options.h"

struct sandbox_args {
    const char *user; /* NULL: the one that started the process */
};

/* With struct sandbox_args as target. */
extern const struct option_key user_keys[];
#define USER_OPTION_HELP "go on as this user of the host, once all is open; for root only"
#define USER_OPTION_MORE                                                                           \
    "Images, sockets and /dev/kvm are opened before. A socket in a directory that the user may "   \
    "not "                                                                                         \
    "write stays there at the end."

#endif
