#!/bin/sh
# SPDX-License-Identifier: MIT
# Linux drives packed rings: a file system, fio with checksums, and queues of a size that is no
# power of 2.
. "$CASES/../guest.sh"

make_disk disk.img 64
boot filesystem initrd.img "pollux.packed=1" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0),packed=on"
sum=$(data_sum)
[ ${#sum} -eq 64 ] || fail "the first boot did not say what it wrote"
boot persist initrd.img "pollux.packed=1 pollux.sum=$sum" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0),packed=on"
boot fio-verify initrd-fio.img "pollux.packed=1" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0),packed=on"
# virtio_pci of Linux 6.1 refuses a size that is no power of 2.
boot queues initrd-fio.img "pollux.packed=1 pollux.queues=2" --cpus 2 \
    --iothread "$(io_thread io0)" --iothread "$(io_thread io1)" \
    --disk "$(TRANSPORT=mmio file_disk disk.img io0:io1),queues=2,packed=on,queue-size=100"
