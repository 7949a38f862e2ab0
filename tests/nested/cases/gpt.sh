#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# A ready disk with a partition table for blocks of 512 bytes, on a host's disk with blocks of 4096: the
# guest finds its partition and the file in it, and the host what the guest writes there.
. "$CASES/../faults.sh"

loop_mount() { # FILE: mounted at $WORK/fs
    loop_of fs.disk "$1"
    mount -t ext4 "$WORK/fs.disk" "$WORK/fs" || fail "cannot mount $1"
    at_end umount "$WORK/fs"
}
loop_umount() {
    now umount "$WORK/fs"
    now losetup -d "$(readlink "$WORK/fs.disk")"
    rm "$WORK/fs.disk"
}

scsi_disk disk 48 4096
mkdir "$WORK/fs" && load ext4 && load loop
truncate -s 24M "$WORK/part" && mkfs.ext4 -q -m 0 "$WORK/part" || fail "no file system"
loop_mount "$WORK/part"
dd if=/dev/urandom of="$WORK/fs/ready" bs=1000 count=321 2>/dev/null
sum=$(sha256sum <"$WORK/fs/ready" | cut -c1-64)
loop_umount
tool make-gpt "$WORK/image" "$WORK/part" && dd if="$WORK/image" of="$WORK/disk" bs=4096 2>/dev/null && sync ||
    fail "no partition table"

boot partition initrd.img "pollux.sum=$sum" --cpus 1 --stats --iothread "$(io_thread io0)" \
    --disk "file=$WORK/disk,iothread=io0,cache=none,engine=linux-aio"
grep -q "disk0: .* [1-9][0-9]* bounced" "$WORK/console" || fail "no request was bounced"

dd if="$WORK/disk" of="$WORK/copy" bs=4096 2>/dev/null
dd if="$WORK/copy" of="$WORK/part" bs=512 skip=2049 count=49152 2>/dev/null
e2fsck -f -n "$WORK/part" || fail "the host finds faults in the file system"
loop_mount "$WORK/part"
[ "$(sha256sum <"$WORK/fs/sums" | cut -c1-64)" = "$(data_sum)" ] || fail "the guest's list of sums is another"
(cd "$WORK/fs" && sha256sum -c -s sums) || fail "the files are not what the guest wrote"
