// SPDX-License-Identifier: MIT
/* Loading of an ELF kernel with a PVH entry (Xen's public/arch-x86/hvm/start_info.h). */
#ifndef POLLUX_KVM_BOOT_PVH_H
#define POLLUX_KVM_BOOT_PVH_H

#include "base/error.h"
#include "kvm/boot-file.h"
#include "kvm/boot-image.h"
#include "kvm/ram.h"

/**
 * pvh_load - copy the segments of an ELF kernel to guest memory
 * Return: 0 and @image; -ENOEXEC, without @err, if the file is not ELF; another -errno and @err if
 * it is damaged, has no PVH note, or does not fit.
 */
int pvh_load(const struct ram *ram, const struct boot_file *kernel, struct boot_image *image,
             struct error *err);

/**
 * pvh_finish - write the start info, its module list and its memory map
 */
void pvh_finish(const struct ram *ram, const struct boot_data *data);

#endif
