#!/bin/sh
# SPDX-License-Identifier: MIT
# The guest makes a file system, writes files, mounts again and checks sums; a second boot finds
# the same data on the disk.
. "$CASES/../guest.sh"

make_disk disk.img 64
boot filesystem initrd.img "" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
sum=$(data_sum)
[ ${#sum} -eq 64 ] || fail "the first boot did not say what it wrote"
boot persist initrd.img "pollux.sum=$sum" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
