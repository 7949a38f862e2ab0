#!/bin/sh
# SPDX-License-Identifier: MIT
# Two disks at once, each with its own pattern: no disk loses a request or gets data of the other.
. /tests/lib.sh

need_disk vda
need_disk vdb
common="--ioengine=libaio --iodepth=16 --rw=randrw --bsrange=4k-32k --size=8m"
# shellcheck disable=SC2086
run_fio a vda $common --randseed=11 &
a=$!
# shellcheck disable=SC2086
run_fio b vdb $common --randseed=22 &
b=$!
wait $a || fail "vda: $(grep -m 1 -E 'verify|error' /tmp/fio.a)"
wait $b || fail "vdb: $(grep -m 1 -E 'verify|error' /tmp/fio.b)"

dd if=/dev/zero bs=1M count=4 2>/dev/null | tr '\0' 'A' >/tmp/a
dd if=/dev/zero bs=1M count=4 2>/dev/null | tr '\0' 'B' >/tmp/b
dd if=/tmp/a of=/dev/vda bs=64k oflag=direct 2>/dev/null & a=$!
dd if=/tmp/b of=/dev/vdb bs=64k oflag=direct 2>/dev/null & b=$!
wait $a || fail "write to vda"
wait $b || fail "write to vdb"
dd if=/dev/vda bs=64k count=64 iflag=direct 2>/dev/null | cmp - /tmp/a || fail "vda has other data"
dd if=/dev/vdb bs=64k count=64 iflag=direct 2>/dev/null | cmp - /tmp/b || fail "vdb has other data"
