#!/bin/sh
# SPDX-License-Identifier: MIT
# The first partition of a ready disk has a file system, whose file `ready` has the sum pollux.sum. Files
# are added, small ones too, and the sum of everything is printed.
. /tests/lib.sh

[ -n "$sum" ] || fail "pollux.sum= is not on the command line"
need_disk vda
[ "$(cat /sys/block/vda/queue/logical_block_size)" = 512 ] || fail "the blocks of vda have not 512 bytes"
need_disk vda1
[ "$(cat /sys/block/vda/vda1/start)" = 2049 ] || fail "vda1 begins at $(cat /sys/block/vda/vda1/start)"
mount -t ext4 /dev/vda1 /mnt || fail "cannot mount vda1"
[ "$(sha256sum </mnt/ready | cut -c1-64)" = "$sum" ] || fail "the file of the host is not as it was"
i=0
while [ $i -lt 24 ]; do
    dd if=/dev/urandom of="/mnt/file$i" bs=700 count=$((i * 5 + 1)) 2>/dev/null || fail "write"
    i=$((i + 1))
done
(cd /mnt && sha256sum ready file*) >/tmp/sums || fail "sums"
cp /tmp/sums /mnt/sums
umount /mnt || fail "umount"
echo "POLLUX-DATA $(sha256sum </tmp/sums | cut -c1-64)"
