#!/bin/sh
# SPDX-License-Identifier: MIT
# Two vCPUs, both up, both doing I/O.
. "$CASES/../guest.sh"

make_disk disk.img 16
boot smp initrd.img "pollux.cpus=2" --cpus 2 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
