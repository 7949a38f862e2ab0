#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel is up and finds the disk, with the size that the host said (pollux.size, in bytes).
. /tests/lib.sh

need_disk vda
echo "vda: $(bytes vda) bytes"
[ "$(bytes vda)" -gt 0 ] || fail "vda has no capacity"
[ -z "$size" ] || [ "$(bytes vda)" -eq "$size" ] || fail "vda has $(bytes vda) bytes, not $size"
dd if=/dev/vda of=/dev/null bs=4096 count=16 2>/dev/null || fail "cannot read vda"
