#!/bin/sh
# SPDX-License-Identifier: MIT
# 5 GiB of memory: below and above the device hole. The host gives only what the guest touches.
. "$CASES/../guest.sh"

have=$(awk '/^(MemTotal|SwapTotal):/ { kib += $2 } END { print int(kib / 1024) }' /proc/meminfo)
[ "$have" -gt 5500 ] || skip "this host has $have MiB of memory and swap, the guest wants 5120"

make_disk disk.img 16
boot memory initrd.img "pollux.mib=5120" --cpus 1 --memory 5G \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
