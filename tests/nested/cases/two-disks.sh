#!/bin/sh
# SPDX-License-Identifier: MIT
# Two disks on two I/O threads, busy at once, with two vCPUs.
. "$CASES/../guest.sh"

make_disk a.img 32
make_disk b.img 32
boot two-disks initrd-fio.img "" --cpus 2 \
    --iothread "$(io_thread io0)" --disk "$(file_disk a.img io0)" \
    --iothread "$(io_thread io1)" --disk "$(file_disk b.img io1)"
