// SPDX-License-Identifier: MIT
/* Disk image formats other than raw. */
#ifndef POLLUX_ENGINE_IMAGE_FORMAT_H
#define POLLUX_ENGINE_IMAGE_FORMAT_H

/**
 * image_format - which format, other than raw, does the file at @path have?
 * LUKS is not one of them: the guest decrypts it, and the file is raw for Pollux.
 * Return: the format's name as `qemu-img convert -f` takes it; NULL if no format is recognised, or
 *         the file cannot be read.
 */
const char *image_format(const char *path);

#endif
