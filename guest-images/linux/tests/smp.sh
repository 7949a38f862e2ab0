#!/bin/sh
# SPDX-License-Identifier: MIT
# All vCPUs (pollux.cpus) are up, each does I/O, and each reads what another one wrote.
. /tests/lib.sh

need_disk vda
[ -n "$cpus" ] || fail "pollux.cpus= is not on the command line"
[ "$(nproc)" -eq "$cpus" ] || fail "nproc says $(nproc), not $cpus"

pids=
cpu=0
while [ $cpu -lt "$cpus" ]; do
    dd if=/dev/urandom of="/tmp/in$cpu" bs=64k count=16 2>/dev/null
    taskset -c $cpu dd if="/tmp/in$cpu" of=/dev/vda bs=4k seek=$((cpu * 256)) conv=notrunc \
        oflag=direct 2>/dev/null &
    pids="$pids $!"
    cpu=$((cpu + 1))
done
for pid in $pids; do
    wait "$pid" || fail "a write failed"
done

cpu=0
while [ $cpu -lt "$cpus" ]; do
    reader=$(((cpu + 1) % cpus))
    taskset -c $reader dd if=/dev/vda bs=4k skip=$((cpu * 256)) count=256 iflag=direct \
        2>/dev/null | cmp - "/tmp/in$cpu" || fail "CPU $reader does not see what CPU $cpu wrote"
    cpu=$((cpu + 1))
done
