#!/bin/sh
# SPDX-License-Identifier: MIT
# One step of what frees blocks of an image (pollux.step): fill a file system and empty it again,
# trim it, discard the whole disk, or find that the disk has no discard.
. /tests/lib.sh

need_disk vda
[ -n "$step" ] || fail "pollux.step= is not on the command line"
queue=/sys/block/vda/queue
case $step in
fill)
    mkfs.ext4 -F -E nodiscard /dev/vda >/dev/null 2>&1 || fail "mkfs.ext4"
    mount -t ext4 /dev/vda /mnt || fail "mount"
    dd if=/dev/urandom of=/mnt/big bs=1M count=24 conv=fsync 2>/dev/null || fail "write"
    echo kept >/mnt/kept
    rm /mnt/big
    umount /mnt || fail "umount"
    ;;
fstrim)
    [ "$(cat $queue/discard_max_bytes)" -gt 0 ] || fail "vda has no discard"
    mount -t ext4 /dev/vda /mnt || fail "mount"
    fstrim /mnt || fail "fstrim"
    umount /mnt || fail "umount"
    drop_caches
    e2fsck -f -n /dev/vda >/tmp/e2fsck 2>&1 || fail "e2fsck: $(grep . /tmp/e2fsck | tail -n 1)"
    mount -t ext4 -o ro /dev/vda /mnt || fail "mount again"
    [ "$(cat /mnt/kept)" = kept ] || fail "a file that was kept is lost"
    umount /mnt || fail "umount again"
    ;;
blkdiscard)
    blkdiscard /dev/vda || fail "blkdiscard"
    drop_caches
    dd if=/dev/vda bs=1M iflag=direct 2>/dev/null | tr -d '\0' | head -c 1 | grep -q . &&
        fail "there is data after blkdiscard"
    [ "$(cat $queue/write_zeroes_max_bytes)" -gt 0 ] || fail "vda has no write zeroes"
    ;;
none)
    [ "$(cat $queue/discard_max_bytes)" -eq 0 ] || fail "vda has discard, which nobody wanted"
    if blkdiscard /dev/vda 2>/dev/null; then
        fail "blkdiscard went through"
    fi
    ;;
*) fail "there is no step $step" ;;
esac
