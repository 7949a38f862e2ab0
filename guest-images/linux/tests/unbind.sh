#!/bin/sh
# SPDX-License-Identifier: MIT
# vda does not answer, and vdb, whose driver is then unbound, has the same I/O thread: the reset of its
# device waits until vda answers.
. /tests/lib.sh

need_disk vda
need_disk vdb
echo "POLLUX-HOLD"
read -r _
dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null &
reads=0
while [ "$reads" -lt 1 ]; do
    read -r reads _ </sys/block/vda/inflight
done
echo "POLLUX-RESET"
device=$(basename "$(readlink -f /sys/block/vdb/device)")
echo "$device" >/sys/bus/virtio/drivers/virtio_blk/unbind || fail "cannot unbind $device"
[ ! -e /sys/block/vdb ] || fail "vdb is still there"
wait
echo "$device" >/sys/bus/virtio/drivers/virtio_blk/bind || fail "cannot bind $device"
dd if=/dev/vdb of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null || fail "cannot read vdb"
