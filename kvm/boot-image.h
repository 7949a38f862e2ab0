// SPDX-License-Identifier: MIT
/* Data exchanged between boot_load() and the loader of a kernel format. */
#ifndef POLLUX_KVM_BOOT_IMAGE_H
#define POLLUX_KVM_BOOT_IMAGE_H

#include <stdint.h>

/* A kernel in guest memory, filled by its loader. */
struct boot_image {
    uint64_t entry;       /* guest address of the first instruction */
    uint64_t end;         /* first address behind the memory that the kernel needs */
    uint64_t initrd_max;  /* last address that the initrd may use */
    uint32_t cmdline_max; /* characters, without the final 0 */
};

/* Guest addresses of the data that boot_load() placed beside the kernel. */
struct boot_data {
    uint64_t initrd, initrd_size; /* size 0: none */
    uint64_t cmdline;
    uint64_t rsdp;
};

#endif
