#!/bin/sh
# SPDX-License-Identifier: MIT
# The policies cost and weighted, each on an I/O thread of its own, under checked I/O.
. "$CASES/../guest.sh"

make_disk a.img 32
make_disk b.img 32
boot two-disks initrd-fio.img "" --cpus 2 \
    --iothread id=io0,poll-policy=cost,poll-max-ns=100000 --disk "$(file_disk a.img io0)" \
    --iothread id=io1,poll-policy=weighted --disk "$(file_disk b.img io1)"
