#!/bin/sh
# SPDX-License-Identifier: MIT
# Four queues dealt over two I/O threads, each vCPU busy on its own.
. "$CASES/../guest.sh"

make_disk disk.img 32
boot queues initrd-fio.img "pollux.queues=4" --cpus 4 \
    --iothread "$(io_thread io0)" --iothread "$(io_thread io1)" \
    --disk "$(file_disk disk.img io0:io1),queues=4"
