#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# A disk that takes its time, first little, then much. A guest that powers off, or panics, with all its
# requests in flight ends the machine.
. "$CASES/../faults.sh"

SECTORS=16384 # 8 MiB, of the device slow

loop_disk base 8
map slow $SECTORS delay "$WORK/base" 0 20

hear() {
    while read -r line; do
        echo "$line"
        case $line in
        *POLLUX-HOLD*) slow_by 2500; answer ;;
        esac
    done
}
keyboard

boot in-flight initrd-fio.img "pollux.fio=1" --cpus 1 --iothread "$(io_thread io0)" \
    --disk "file=/dev/mapper/slow,iothread=io0,engine=linux-aio"
slow_by 20
boot in-flight initrd.img "pollux.then=panic" --cpus 1 --iothread "$(io_thread io0)" \
    --disk "file=/dev/mapper/slow,iothread=io0,engine=io_uring"
grep -q 'Kernel panic - not syncing' "$WORK/console" || fail "the guest did not panic"
