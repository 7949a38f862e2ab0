#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The guest resets a device whose I/O thread hangs in the kernel, on the disk of another: signals are
# obeyed, and when that disk answers the guest goes on.
. "$CASES/../faults.sh"

SECTORS=16384 # 8 MiB, of the device slow

# hear: when the guest asks for it, the disk hangs; then @end is how that ends.
hear() {
    seen POLLUX-HOLD
    slow_by 600000
    answer go
    seen POLLUX-RESET
    seen '^io0 does not answer' USR1
    case $end in
    answer) slow_by 20 ;;
    term)
        kill -TERM "$(pidof pollux)"
        seen 'pollux: io0 does not answer; its requests are given up'
        slow_by 20
        ;;
    esac
    cat >/dev/null
}

hang() {
    end=$1
    boot unbind initrd.img "" --cpus 1 --iothread "$(io_thread io0)" --stats \
        --disk "file=/dev/mapper/slow,iothread=io0,engine=sync" --disk "$(file_disk idle.img io0)"
}

loop_disk base 8
map slow $SECTORS delay "$WORK/base" 0 20
make_disk idle.img 8
keyboard
hang answer
(hang term)
[ "$(cat "$WORK/status")" -eq 143 ] || fail "the status is $(cat "$WORK/status"), not that of SIGTERM"
