#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk with readonly=on: the guest sees it, and the image stays as it is.
. "$CASES/../guest.sh"

make_disk disk.img 16
echo "as it was" | dd of="$WORK/disk.img" conv=notrunc 2>/dev/null
before=$(sha256sum <"$WORK/disk.img")
boot readonly initrd.img "" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0),readonly=on"
[ "$(sha256sum <"$WORK/disk.img")" = "$before" ] || fail "the image changed"
