#!/bin/sh
# SPDX-License-Identifier: MIT
# On a slow disk fio finds every byte (pollux.fio=1). Then the disk gets slower still, and the machine is
# left with requests in flight.
. /tests/lib.sh

need_disk vda
[ -z "$fio" ] || run_fio slow vda --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=4k-32k --size=2m ||
    fail "fio: $(grep -m 1 -E 'verify|error' /tmp/fio.slow)"
echo "POLLUX-HOLD"
read -r _
i=0
while [ $i -lt 8 ]; do
    dd if=/dev/zero of=/dev/vda bs=4096 seek=$((i * 2)) count=1 oflag=direct conv=notrunc 2>/dev/null &
    i=$((i + 1))
done
writes=0
while [ "$writes" -lt 8 ]; do
    read -r _ writes </sys/block/vda/inflight
done
