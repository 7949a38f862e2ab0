#!/bin/sh
# SPDX-License-Identifier: MIT
# A line each second, until something is typed. No CPU was taken for locked up meanwhile.
. /tests/lib.sh

i=0
# shellcheck disable=SC3045 # the sh of busybox has -t
until read -r -t 1 _; do
    i=$((i + 1))
    echo "POLLUX-TICK $i"
done
dmesg >/tmp/dmesg
! grep -i 'soft lockup\|detected stall' /tmp/dmesg || fail "$(grep -i -m 1 'soft lockup\|detected stall' /tmp/dmesg)"
