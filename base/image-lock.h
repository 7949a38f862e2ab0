// SPDX-License-Identifier: MIT
/*
 * Locks that keep two machines from one disk image: one writer, or many readers.
 *
 * They belong to the open file description, so they go when the last descriptor does, however the
 * process ends.
 */
#ifndef POLLUX_BASE_IMAGE_LOCK_H
#define POLLUX_BASE_IMAGE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

/* What other processes may do with the image meanwhile. */
enum image_others {
    IMAGE_OTHERS_NOTHING,
    IMAGE_OTHERS_READ,
    IMAGE_OTHERS_WRITE, /* if they allow the same */
};

/**
 * image_lock - lock the image behind @fd until it is closed
 * @writes: the caller will write it
 * A file system without such locks is no error: then nothing is locked. May wait for a second if
 * the process that has the lock is not found.
 * Return: 0, or -EBUSY and @err names the process that has it, or -errno and @err.
 */
int image_lock(int fd, const char *path, bool writes, enum image_others others, struct error *err);

/**
 * image_unlock - unlock at once, even if something in the kernel still holds the file
 */
void image_unlock(int fd);

#endif
