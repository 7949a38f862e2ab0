#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk gets another size while the guest runs: waits for $bytes, and uses the last block.
. /tests/lib.sh

need_disk vda
[ -n "$bytes" ] || fail "pollux.bytes= is not on the command line"
echo "POLLUX-GUEST sees $(bytes vda) bytes"
while [ "$(bytes vda)" != "$bytes" ]; do
    usleep 100000
done
dd if=/dev/zero of=/dev/vda bs=4096 count=1 seek=$((bytes / 4096 - 1)) conv=fsync 2>/tmp/dd ||
    fail "the last block cannot be written: $(cat /tmp/dd)"
