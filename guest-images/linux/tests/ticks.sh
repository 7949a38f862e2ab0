#!/bin/sh
# SPDX-License-Identifier: MIT
# A line each second, until something is typed. The kernel then has reported no soft lockup and no RCU
# stall. The CPU is busy all the time: an idle CPU resets the soft lockup detector when it wakes up
# (touch_softlockup_watchdog_sched()), so the kernel would report nothing after a long stop.
. /tests/lib.sh

[ "$(cat /proc/sys/kernel/soft_watchdog 2>/dev/null)" = 1 ] || skip "this kernel detects no soft lockup"
echo "POLLUX-CLOCK $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
while :; do :; done &
i=0
# shellcheck disable=SC3045 # the sh of busybox has -t
until read -r -t 1 _; do
    i=$((i + 1))
    echo "POLLUX-TICK $i"
done
kill $!
dmesg >/tmp/dmesg
! grep -i 'soft lockup\|detected stall' /tmp/dmesg || fail "$(grep -i -m 1 'soft lockup\|detected stall' /tmp/dmesg)"
