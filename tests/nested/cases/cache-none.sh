#!/bin/sh
# SPDX-License-Identifier: MIT
# cache=none: O_DIRECT, and the guest switches the write cache off and on.
. "$CASES/../guest.sh"

make_disk disk.img 16
boot cache-mode initrd-fio.img "pollux.cache=back" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "file=$WORK/disk.img,iothread=io0,cache=none"
