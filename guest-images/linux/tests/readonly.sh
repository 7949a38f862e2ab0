#!/bin/sh
# SPDX-License-Identifier: MIT
# A read-only disk reports that it is read-only; reads succeed, writes fail.
. /tests/lib.sh

need_disk vda
[ "$(cat /sys/block/vda/ro)" -eq 1 ] || fail "vda does not say that it is read-only"
dd if=/dev/vda of=/dev/null bs=4096 count=16 iflag=direct 2>/dev/null || fail "cannot read vda"
if dd if=/dev/zero of=/dev/vda bs=4096 count=1 oflag=direct 2>/dev/null; then
    fail "a write to a read-only disk went through"
fi
