#!/bin/sh
# SPDX-License-Identifier: MIT
# In each round (pollux.rounds) every disk gets the round's record and a flush, and one write besides
# that is not flushed. When all flushes are complete, the test prints a line and waits for a line of input.
. /tests/lib.sh

[ -n "$rounds" ] || fail "pollux.rounds= is not on the command line"
cd /sys/block || fail "no disks"
round=1
while [ $round -le "$rounds" ]; do
    pids=
    for disk in vd*; do
        dd if=/dev/zero of="/dev/$disk" bs=4096 seek=$((512 + round)) count=1 oflag=direct \
            conv=notrunc 2>/dev/null || fail "a write to $disk"
        yes "record $round of $disk" | head -c 4096 >"/tmp/$disk"
        dd if="/tmp/$disk" of="/dev/$disk" bs=4096 seek=$round conv=notrunc,fsync 2>/dev/null &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid" || fail "a record of round $round"
    done
    echo "POLLUX-ACK $round"
    read -r _
    round=$((round + 1))
done
