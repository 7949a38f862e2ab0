#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Under fio, one disk fails every read and write again and again, and the file system of the other
# is full: with stop and enospc the machine pauses until somebody mends them, and every byte is right.
. "$CASES/../faults.sh"

SECTORS=65536 # 32 MiB

# Good for some seconds, then bad until the next table.
good_for() { remap bad $SECTORS flakey "$WORK/base" 0 "$1" 3600; }

loop_disk base 32
map bad $SECTORS flakey "$WORK/base" 0 6 3600
small_fs full 32
fill_fs full 4
truncate -s 32M "$WORK/full/image" || fail "cannot make an image"

hear() {
    times=0
    while read -r line; do
        echo "$line"
        case $line in
        *"pollux: paused: disk0 "*)
            times=$((times + 1))
            case $times in
            [12]) good_for 1 ;;
            *) remap bad $SECTORS linear "$WORK/base" 0 ;;
            esac
            go_on "$line"
            ;;
        *"pollux: paused: disk1 "*) empty_fs full; go_on "$line" ;;
        esac
    done
}
boot two-disks initrd-fio.img "" --cpus 1 --stats --iothread "$(io_thread io0)" \
    --iothread "$(io_thread io1)" \
    --disk "file=/dev/mapper/bad,iothread=io0,engine=linux-aio,werror=stop,rerror=stop" \
    --disk "file=$WORK/full/image,iothread=io1,engine=threads"
[ "$(pauses disk0)" -eq 3 ] || fail "the machine paused $(pauses disk0) times for the bad disk, not 3"
[ "$(pauses disk1)" -ge 1 ] || fail "the machine did not pause when the disk was full"
[ "$(grep -c ' 0 errors,' "$WORK/console")" -eq 2 ] || fail "the guest saw errors"
