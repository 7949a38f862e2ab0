#!/bin/sh
# SPDX-License-Identifier: MIT
# fio writes at random for $seconds and verifies every byte, while the disk's back end may end and
# be started again: there may be pauses, but no error, neither for fio nor in the kernel's log.
. /tests/lib.sh

need_disk vda
echo "POLLUX-GUEST fio starts on $(ls /sys/block/vda/mq | wc -w) queues"
run_fio reconnect vda --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=4k-64k --size=16m \
    --fsync=16 --time_based --runtime="${seconds:-10}" --eta=never ||
    fail "fio: $(grep -m 1 -E 'verify|error' /tmp/fio.reconnect)"
dmesg | grep -q 'I/O error' && fail "the kernel saw an error: $(dmesg | grep -m 1 'I/O error')"
grep -h -E 'IOPS=|clat.*max' /tmp/fio.reconnect
