#!/bin/sh
# SPDX-License-Identifier: MIT
# A file system is made, filled and mounted again, and its files are unchanged. The test prints a
# checksum of all files; the second boot (persist) gets it on the kernel command line.
. /tests/lib.sh

need_disk vda
mkfs.ext4 -q -F /dev/vda || fail "mkfs.ext4 failed"
mount -t ext4 /dev/vda /mnt || fail "cannot mount the new file system"
i=0
while [ $i -lt 24 ]; do
    dd if=/dev/urandom of="/mnt/file$i" bs=4096 count=$((i * 5 + 1)) 2>/dev/null || fail "write"
    i=$((i + 1))
done
dd if=/dev/urandom of=/mnt/big bs=1M count=8 2>/dev/null || fail "write of 8 MiB"
# Reads the page cache, before any file is read from the disk.
(cd /mnt && sha256sum file* big) >/tmp/sums || fail "sums"
cp /tmp/sums /mnt/sums
umount /mnt || fail "umount"

drop_caches
e2fsck -f -n /dev/vda >/tmp/e2fsck 2>&1 || fail "e2fsck: $(grep . /tmp/e2fsck | tail -n 1)"
mount -t ext4 /dev/vda /mnt || fail "cannot mount again"
(cd /mnt && sha256sum -c -s /tmp/sums) || fail "file contents changed"
umount /mnt || fail "second umount"
echo "POLLUX-DATA $(sha256sum </tmp/sums | cut -c1-64)"
