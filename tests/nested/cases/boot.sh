#!/bin/sh
# SPDX-License-Identifier: MIT
# A stock Debian kernel boots with one vCPU, finds vda with its size, and powers off.
. "$CASES/../guest.sh"

make_disk disk.img 64
boot boot initrd.img "pollux.size=$((64 << 20))" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
