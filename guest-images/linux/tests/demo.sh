#!/bin/sh
# SPDX-License-Identifier: MIT
# The demo: a file system on the disk, a file on it, and the file read back.
. /tests/lib.sh

show() { echo; echo "\$ $*"; }

need_disk vda
show uname -a
uname -a
show "lsblk"
for disk in /sys/block/vd*; do
    name=${disk##*/}
    echo "$name  $(($(bytes "$name") >> 20)) MiB  virtio-blk"
done
show "mkfs.ext4 /dev/vda"
mkfs.ext4 -F /dev/vda 2>&1 | grep -v '^$' || fail "mkfs.ext4"
show "mount /dev/vda /mnt"
mount -t ext4 /dev/vda /mnt || fail "mount"
df -h /mnt
show "write 16 MiB"
dd if=/dev/urandom of=/mnt/data bs=1M count=16 conv=fsync 2>&1 | tail -n 1
before=$(sha256sum </mnt/data | cut -c1-64)
echo "sha256 $before"
show "read them back from the disk"
umount /mnt || fail "umount"
drop_caches
mount -t ext4 /dev/vda /mnt || fail "mount again"
after=$(sha256sum </mnt/data | cut -c1-64)
echo "sha256 $after"
umount /mnt
[ "$before" = "$after" ] || fail "the data changed"
echo
echo "The data is the same."
