#!/bin/sh
# SPDX-License-Identifier: MIT
# cache=writeback: buffered, on worker threads; durable when the guest flushes.
. "$CASES/../guest.sh"

make_disk disk.img 16
boot cache-mode initrd-fio.img "pollux.cache=back" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "file=$WORK/disk.img,iothread=io0,cache=writeback"
