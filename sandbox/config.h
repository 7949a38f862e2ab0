// SPDX-License-Identifier: MIT
/* What a sandbox is made for: the I/O threads of the process and what they serve. */
#ifndef POLLUX_SANDBOX_CONFIG_H
#define POLLUX_SANDBOX_CONFIG_H

#include <stdbool.h>

enum sandbox_mode {
    SANDBOX_ON,
    SANDBOX_LOG, /* nothing is forbidden; the kernel logs calls that are not in the sets */
    SANDBOX_OFF,
};

/* Not on: the set of a vCPU's thread was seen with few guests, and the threads of librbd have none. */
#define SANDBOX_DEFAULT SANDBOX_OFF

/* A sanitizer makes calls that are in no set; LeakSanitizer opens files, makes a process and traces its
 * threads when the main thread ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_POSSIBLE 0
#else
#define SANDBOX_POSSIBLE 1
#endif

#define SANDBOX_ENGINES_MAX 16

/* What an I/O thread needs calls for. */
struct sandbox_iothread {
    const char *id;
    const char *fdmon; /* the name of its monitor; NULL: the default */
    /* The names of its engines, each once; disk_engine() of blk/disk.h */
    const char *engines[SANDBOX_ENGINES_MAX];
    unsigned nr_engines;
};

struct sandbox_config {
    enum sandbox_mode mode;
    const struct sandbox_iothread *iothreads;
    unsigned nr_iothreads;
    const char *const *uris; /* of NBD servers that threads connect to again */
    unsigned nr_uris;
    bool children; /* the main thread ends child processes */
    /* Files that the main thread removes at the end: sockets. */
    const char *const *removed;
    unsigned nr_removed;
};

#endif
