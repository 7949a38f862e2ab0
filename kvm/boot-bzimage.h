// SPDX-License-Identifier: MIT
/* Loading of a Linux bzImage (Documentation/arch/x86/boot.rst, "64-bit boot protocol"). */
#ifndef POLLUX_KVM_BOOT_BZIMAGE_H
#define POLLUX_KVM_BOOT_BZIMAGE_H

#include "base/error.h"
#include "kvm/boot-file.h"
#include "kvm/boot-image.h"
#include "kvm/ram.h"

/**
 * bzimage_load - copy the protected-mode part of a bzImage to guest memory
 * Return: 0 and @image; -ENOEXEC, without @err, if the file is not a bzImage; another -errno and
 * @err if it is damaged or does not fit.
 */
int bzimage_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
                 struct error *err);

/**
 * bzimage_finish - write zero page, page tables and GDT
 * Return: 0, or -errno if the setup header cannot be read a second time.
 */
int bzimage_finish(const struct ram *ram, const struct boot_file *kernel,
                   const struct boot_data *data);

#endif
