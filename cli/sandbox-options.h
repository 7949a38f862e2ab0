// SPDX-License-Identifier: MIT
/* --sandbox and --user, of every command that serves disks. */
#ifndef POLLUX_CLI_SANDBOX_OPTIONS_H
#define POLLUX_CLI_SANDBOX_OPTIONS_H

#include "cli/options.h"

struct sandbox_args {
    unsigned mode;    /* enum sandbox_mode */
    const char *user; /* NULL: the one that started the process */
};

/* With struct sandbox_args as target. */
extern const struct option_key sandbox_keys[], user_keys[];

#define SANDBOX_OPTION_HELP "forbid what is not needed after the start; default off"
#define SANDBOX_OPTION_MORE                                                                        \
    "Each kind of thread has a set of system calls; another call ends the process, after a line "  \
    "that names thread and call. No file is opened, created or executed any more, and no TCP "     \
    "connection made, except by the thread that connects to an NBD server again. log forbids "     \
    "nothing, and the kernel logs such calls."

#define USER_OPTION_HELP "go on as this user of the host, once all is open; for root only"
#define USER_OPTION_MORE                                                                           \
    "Images, sockets and /dev/kvm are opened before. A socket in a directory that the user may "   \
    "not write stays there at the end."

#endif
