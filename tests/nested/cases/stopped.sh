#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Pollux is stopped for 25 s, and frozen for 25 s: the guest goes on, and its kernel, whose limit is
# 20 s, takes no CPU for locked up.
. "$CASES/../faults.sh"

PAUSE=25

# ticks N: the guest has printed so many more lines; a kernel that would complain has done so after 10.
ticks() {
    local until
    until=$(($(grep -c POLLUX-TICK "$WORK/console") + $1))
    while [ "$(grep -c POLLUX-TICK "$WORK/console")" -lt $until ]; do sleep 0.5; done
}

hear() {
    local pid
    ticks 3
    pid=$(pidof pollux)
    kill -STOP "$pid"
    sleep $PAUSE
    kill -CONT "$pid"
    ticks 10
    echo "$pid" >"$WORK/cgroup/test/cgroup.procs"
    echo 1 >"$WORK/cgroup/test/cgroup.freeze"
    until grep -q 'frozen 1' "$WORK/cgroup/test/cgroup.events"; do sleep 0.1; done
    sleep $PAUSE
    echo 0 >"$WORK/cgroup/test/cgroup.freeze"
    ticks 10
    answer enough
    cat >/dev/null
}

mkdir "$WORK/cgroup" && mount -t cgroup2 cgroup "$WORK/cgroup" || skip "no control groups here"
at_end umount "$WORK/cgroup"
mkdir "$WORK/cgroup/test" || fail "no control group"
at_end rmdir "$WORK/cgroup/test"
make_disk disk.img 8
keyboard
boot ticks initrd.img "" --cpus 1 --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
! grep -i 'soft lockup' "$WORK/console" || fail "the guest's kernel complains"
