// SPDX-License-Identifier: MIT
/* --disk, of every command that has disks. */
#ifndef POLLUX_CLI_DISK_OPTIONS_H
#define POLLUX_CLI_DISK_OPTIONS_H

#include "blk/disk.h"
#include "cli/disk-choices.h"
#include "cli/options.h"

/* Most of a disk is stored where the device looks for it; the rest becomes part of @disk in
 * disk_args_plan(). */
struct disk_args {
    struct disk_config disk;
    const char *iothread; /* ids with colons between */
    unsigned engine;      /* engine_at(), or DISK_ENGINE_DEFAULT */
    unsigned cache;       /* enum disk_cache */
    unsigned format;      /* enum disk_format, or DISK_FORMAT_DEFAULT */
    unsigned discard;     /* enum disk_discard */
    unsigned transport;   /* enum disk_transport, or DISK_TRANSPORT_DEFAULT */
    unsigned fault_errno; /* choice_errno() */
};

#define DISK_ENGINE_DEFAULT UINT32_MAX /* the one that suits the cache mode */

#define DISK_FORMAT_DEFAULT    UINT32_MAX /* raw, unless the file is of another format */
#define DISK_TRANSPORT_DEFAULT UINT32_MAX /* of pollux run: mmio */

/* With struct disk_args, or a struct that begins with one, as target. */
extern const struct option_key disk_keys[];

#define DISK_NAME_MAX 16

/**
 * disk_args_init - the defaults
 */
void disk_args_init(struct disk_args *d);

/**
 * disk_args_plan - check what the keys say about each other, and put in defaults
 * @i:         number of the disk, for its name
 * @iothreads: @nr_iothreads of them; @d names some
 * @name:      filled; @out refers to it
 * Return: 0, or -EINVAL and @err: one line.
 */
int disk_args_plan(const struct disk_args *d, unsigned i, const struct iothread_config *iothreads,
                   unsigned nr_iothreads, char name[DISK_NAME_MAX], struct disk_config *out,
                   struct error *err);

#endif
