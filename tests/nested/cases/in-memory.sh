#!/bin/sh
# SPDX-License-Identifier: MIT
# An image on a tmpfs, mapped by two I/O threads: fio in the guest finds again what it wrote, and what it
# discards and reads then stays free.
. "$CASES/../guest.sh"

dir=/dev/shm
[ -d $dir ] || dir=/tmp
image=$dir/pollux-nested-$$.img
trap 'rm -f "$image"' EXIT

step() { # TEST INITRD APPEND
    boot "$@" --cpus 2 --iothread "$(io_thread io0)" --iothread "$(io_thread io1)" \
        --disk "file=$image,iothread=io0:io1,engine=mmap,cache=writeback,discard=unmap"
}

truncate -s 48M "$image" || fail "cannot make the disk image $image"
step fio-verify initrd-fio.img ""
step discard initrd.img pollux.step=fill
kib=$(du -k "$image" | cut -f1)
[ "$kib" -gt 24576 ] || fail "24 MiB were written, but the image has only $kib KiB"
step discard initrd.img pollux.step=blkdiscard
kib=$(du -k "$image" | cut -f1)
[ "$kib" -lt 64 ] || fail "blkdiscard left $kib KiB"
