#!/bin/sh
# SPDX-License-Identifier: MIT
# fio writes at random offsets, at high and at low queue depth, in blocks of many sizes, and verifies
# every byte.
. /tests/lib.sh

need_disk vda
[ "$(bytes vda)" -ge $((32 << 20)) ] || fail "vda is smaller than 32 MiB"
run_fio deep vda --ioengine=libaio --iodepth=32 --rw=randrw --bsrange=4k-64k --size=16m ||
    fail "libaio, depth 32: $(grep -m 1 -E 'verify|error' /tmp/fio.deep)"
run_fio shallow vda --ioengine=psync --rw=randrw --bs=512 --size=512k --offset=16m ||
    fail "psync, 512 bytes: $(grep -m 1 -E 'verify|error' /tmp/fio.shallow)"
run_fio flush vda --ioengine=libaio --iodepth=4 --rw=randwrite --bs=4k --size=2m --offset=20m \
    --fsync=8 || fail "with flushes: $(grep -m 1 -E 'verify|error' /tmp/fio.flush)"
grep -h -E 'IOPS=' /tmp/fio.*
