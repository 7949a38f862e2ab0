// SPDX-License-Identifier: MIT
/* The keys of --disk for an image of a Ceph cluster. */
#ifndef POLLUX_CLI_RBD_OPTIONS_H
#define POLLUX_CLI_RBD_OPTIONS_H

#include "cli/options.h"
#include "engine/image.h"

/* Rows of a key table. @image: the struct image_config in @type */
#define RBD_KEYS(type, image)                                                                      \
    {.name = "rbd",                                                                                \
     .metavar = "POOL/IMAGE[@SNAP]",                                                               \
     .help = "an image of a Ceph cluster instead of a file",                                       \
     .more = "Needs librbd (Debian: librbd1), which is loaded when the disk is opened. An image "  \
             "of a namespace is POOL/NAMESPACE/IMAGE. A snapshot needs readonly=on. The engine "   \
             "is rbd. Pollux takes the exclusive lock of the image and keeps it, unless "          \
             "share-rw=on. A new size of the image reaches the guest at once. docs/storage.md "    \
             "has more.",                                                                          \
     .min = 1,                                                                                     \
     OPTION_AT(type, image.rbd)},                                                                  \
        {.name = "conf",                                                                           \
         .metavar = "FILE",                                                                        \
         .help = "rbd: the Ceph configuration; default /etc/ceph/ceph.conf",                       \
         .min = 1,                                                                                 \
         OPTION_AT(type, image.rbd_conf)},                                                         \
    {                                                                                              \
        .name = "id", .metavar = "USER", .help = "rbd: user of the cluster; default admin",        \
        .more = "USER is the name without \"client.\".", .min = 1, OPTION_AT(type, image.rbd_id)   \
    }

/**
 * rbd_check - check what the keys say about each other
 * @for_files: a key was given that is for files only: engine or format
 * Return: 0, or -EINVAL and @err: one line.
 */
int rbd_check(const struct image_config *image, bool for_files, struct error *err);

#endif
