// SPDX-License-Identifier: MIT
/* Choices of --disk, in the form that option tables take: names and what they mean, NULL past the last. */
#ifndef POLLUX_CLI_DISK_CHOICES_H
#define POLLUX_CLI_DISK_CHOICES_H

enum disk_cache {
    DISK_CACHE_NONE,
    DISK_CACHE_WRITEBACK,
    DISK_CACHE_WRITETHROUGH,
    DISK_CACHE_DIRECTSYNC,
};

enum disk_format {
    DISK_FORMAT_RAW, /* behind it: those that the helper knows */
};

enum disk_discard {
    DISK_DISCARD_IGNORE,
    DISK_DISCARD_UNMAP,
};

const char *disk_cache_name(unsigned i);
const char *disk_cache_about(unsigned i);
const char *disk_format_name(unsigned i);
const char *disk_format_about(unsigned i);
const char *disk_discard_name(unsigned i);
const char *disk_discard_about(unsigned i);
const char *disk_detect_name(unsigned i);
const char *disk_detect_about(unsigned i);
const char *disk_werror_name(unsigned i);
const char *disk_rerror_name(unsigned i);
const char *disk_error_about(unsigned i);
const char *disk_transport_name(unsigned i);
const char *disk_transport_about(unsigned i);

#endif
