#!/bin/sh
# SPDX-License-Identifier: MIT
# Fills a part of vda at random places, and prints the checksum of what the whole disk then holds.
. /tests/lib.sh

need_disk vda
run_fio checksum vda --ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-64k --size=16m --eta=never ||
    fail "fio: $(grep -m 1 -E 'verify|error' /tmp/fio.checksum)"
blkdiscard -o 1048576 -l 4194304 /dev/vda || fail "blkdiscard"
dd if=/dev/urandom of=/dev/vda bs=1M seek=40 count=8 oflag=direct 2>/dev/null || fail "write"
drop_caches
echo "POLLUX-SUM $(sha256sum </dev/vda | cut -d ' ' -f 1)"
