#!/bin/sh
# SPDX-License-Identifier: MIT
# fstrim and blkdiscard in the guest free blocks of the image; without discard=unmap nothing does.
. "$CASES/../guest.sh"

kib() { du -k "$WORK/disk.img" | cut -f1; }
step() {
    boot discard initrd.img "pollux.step=$1" --cpus 1 \
        --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0),$2"
    echo "image after $1: $(kib) KiB"
}

make_disk disk.img 48
step fill discard=unmap
filled=$(kib)
[ "$filled" -gt 24576 ] || fail "24 MiB were written, but the image has only $filled KiB"
step none discard=ignore
[ "$(kib)" -eq "$filled" ] || fail "the image went from $filled to $(kib) KiB with discard=ignore"
step fstrim discard=unmap
trimmed=$(kib)
[ "$trimmed" -lt $((filled - 20480)) ] || fail "fstrim left $trimmed of $filled KiB"
step blkdiscard discard=unmap
[ "$(kib)" -lt 64 ] || fail "blkdiscard left $(kib) KiB"
