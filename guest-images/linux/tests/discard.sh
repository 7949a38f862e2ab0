#!/bin/sh
# SPDX-License-Identifier: MIT
# One step of what frees blocks of an image (pollux.step), on every disk: fill a file system and empty it
# again, trim it, discard the whole disk, or find that the disk has no discard.
. /tests/lib.sh

fill() {
    mkfs.ext4 -F -E nodiscard "/dev/$1" >/dev/null 2>&1 || fail "mkfs.ext4 on $1"
    mount -t ext4 "/dev/$1" /mnt || fail "mount $1"
    dd if=/dev/urandom of=/mnt/big bs=1M count=24 conv=fsync 2>/dev/null || fail "write to $1"
    echo kept >/mnt/kept
    rm /mnt/big
    umount /mnt || fail "umount $1"
}

trim() {
    [ "$(cat "/sys/block/$1/queue/discard_max_bytes")" -gt 0 ] || fail "$1 has no discard"
    mount -t ext4 "/dev/$1" /mnt || fail "mount $1"
    fstrim /mnt || fail "fstrim of $1"
    umount /mnt || fail "umount $1"
    drop_caches
    e2fsck -f -n "/dev/$1" >/tmp/e2fsck 2>&1 || fail "e2fsck $1: $(grep . /tmp/e2fsck | tail -n 1)"
    mount -t ext4 -o ro "/dev/$1" /mnt || fail "mount $1 again"
    [ "$(cat /mnt/kept)" = kept ] || fail "a file that was kept on $1 is lost"
    umount /mnt || fail "umount $1 again"
}

discard() {
    blkdiscard "/dev/$1" || fail "blkdiscard $1"
    drop_caches
    dd if="/dev/$1" bs=1M iflag=direct 2>/dev/null | tr -d '\0' | head -c 1 | grep -q . &&
        fail "there is data on $1 after blkdiscard"
    [ "$(cat "/sys/block/$1/queue/write_zeroes_max_bytes")" -gt 0 ] || fail "$1 has no write zeroes"
}

has_none() {
    [ "$(cat "/sys/block/$1/queue/discard_max_bytes")" -eq 0 ] || fail "$1 has discard, which nobody wanted"
    if blkdiscard "/dev/$1" 2>/dev/null; then
        fail "blkdiscard of $1 went through"
    fi
}

need_disk vda
[ -n "$step" ] || fail "pollux.step= is not on the command line"
for dir in /sys/block/vd*; do
    need_disk "${dir##*/}"
    case $step in
    fill) fill "${dir##*/}" ;;
    fstrim) trim "${dir##*/}" ;;
    blkdiscard) discard "${dir##*/}" ;;
    none) has_none "${dir##*/}" ;;
    *) fail "there is no step $step" ;;
    esac
done
