#!/bin/sh
# SPDX-License-Identifier: MIT
# A virtio-pci and a virtio-mmio disk in one machine, busy at once, with two vCPUs.
. "$CASES/../guest.sh"

make_disk a.img 32
make_disk b.img 32
boot two-disks initrd-fio.img "" --cpus 2 \
    --iothread "$(io_thread io0)" --disk "$(TRANSPORT=pci file_disk a.img io0)" \
    --iothread "$(io_thread io1)" --disk "$(TRANSPORT=mmio file_disk b.img io1)"
