#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel has the memory that the host gave (pollux.mib), but for what it needs itself, and some
# of it lies above 4 GiB if there is more than fits below.
. /tests/lib.sh

[ -n "$mib" ] || fail "pollux.mib= is not on the command line"
total=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
echo "MemTotal: $total MiB of $mib"
[ "$total" -le "$mib" ] || fail "MemTotal is $total MiB, the host gave $mib"
[ "$total" -ge $((mib * 9 / 10)) ] || fail "MemTotal is only $total of $mib MiB"
if [ "$mib" -gt 4096 ]; then
    grep -q '^100000000-[0-9a-f]* : System RAM' /proc/iomem || fail "no RAM at 4 GiB"
fi
# The buffers of dd are above 4 GiB: Linux allocates the highest memory first.
dd if=/dev/vda of=/tmp/x bs=1M count=8 iflag=direct 2>/dev/null || fail "cannot read vda"
