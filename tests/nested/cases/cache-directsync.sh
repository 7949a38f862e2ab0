#!/bin/sh
# SPDX-License-Identifier: MIT
# cache=directsync: O_DIRECT; each write is durable.
. "$CASES/../guest.sh"

make_disk disk.img 16
boot cache-mode initrd-fio.img "pollux.cache=through" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "file=$WORK/disk.img,iothread=io0,cache=directsync"
