#!/bin/sh
# SPDX-License-Identifier: MIT
# Second boot: the files of the filesystem test are on the disk. pollux.sum is the checksum that it
# printed.
. /tests/lib.sh

need_disk vda
[ -n "$sum" ] || fail "pollux.sum= is not on the command line"
e2fsck -f -n /dev/vda >/tmp/e2fsck 2>&1 || fail "e2fsck: $(grep . /tmp/e2fsck | tail -n 1)"
mount -t ext4 -o ro /dev/vda /mnt || fail "no file system from the first boot"
found=$(sha256sum </mnt/sums | cut -c1-64)
[ "$found" = "$sum" ] || fail "the list of sums is $found, not $sum"
(cd /mnt && sha256sum -c -s sums) || fail "file contents changed"
[ "$(wc -l </mnt/sums)" -eq 25 ] || fail "files are missing"
umount /mnt || fail "umount"
