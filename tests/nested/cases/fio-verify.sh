#!/bin/sh
# SPDX-License-Identifier: MIT
# fio in the guest writes and verifies checksums, deep and shallow and with flushes.
. "$CASES/../guest.sh"

make_disk disk.img 32
boot fio-verify initrd-fio.img "" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
