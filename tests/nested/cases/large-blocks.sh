#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The host's disk has blocks of 4096 bytes, the guest's have 512, on a sparse image and on the disk
# itself: file systems with smaller blocks are written, and found again at the next boot.
. "$CASES/../faults.sh"

twice() {
    boot filesystem initrd.img "" --cpus 1 --stats --iothread "$(io_thread io0)" \
        --disk "file=$1,iothread=io0,cache=none,discard=unmap,$2"
    grep -q "disk0: .* [1-9][0-9]* bounced" "$WORK/console" || fail "$1: no request was bounced"
    sum=$(data_sum)
    boot persist initrd.img "pollux.sum=$sum" --cpus 1 --iothread "$(io_thread io0)" \
        --disk "file=$1,iothread=io0,cache=none,$2"
}

scsi_disk disk 48 4096
twice "$WORK/disk" engine=linux-aio
mkfs.ext4 -q -m 0 "$WORK/disk" && mkdir "$WORK/fs" && load ext4 && mount -t ext4 "$WORK/disk" "$WORK/fs" ||
    fail "no file system on the disk"
at_end umount "$WORK/fs"
truncate -s 32M "$WORK/fs/sparse.img" || fail "cannot make an image"
twice "$WORK/fs/sparse.img" engine=io_uring
