#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Power is lost whenever the guest has been told that its writes are durable: dm-log-writes knows what
# was on the medium then, and every record is there; for each cache mode and engine, on block devices
# and in files of a file system with a journal.
. "$CASES/../faults.sh"

ROUNDS=4
DEVICES="vda vdb vdc vdd vde vdf vdg vdh"
FILES="vdi vdj"

logged() { # NAME MIB
    loop_disk "$1.log" 64
    map "$1" $(($2 << 11)) log-writes "$WORK/$1.base" "$WORK/$1.log"
}
for name in $DEVICES; do
    loop_disk "$name.base" 4
    logged "$name" 4
done
for name in $FILES; do
    loop_disk "$name.base" 16
    mkfs.ext4 -q "$WORK/$name.base" || fail "cannot make a file system"
    cp "$WORK/$name.base.file" "$WORK/$name.before"
    logged "$name" 16
    load ext4
    mkdir "$WORK/$name" && mount -t ext4 "/dev/mapper/$name" "$WORK/$name" || fail "cannot mount"
    at_end umount "$WORK/$name"
    truncate -s 4M "$WORK/$name/image"
    sync
done

hear() {
    while read -r line; do
        echo "$line"
        line=${line%"$CR"}
        case $line in
        "POLLUX-ACK "*)
            for name in $DEVICES $FILES; do
                dmsetup message "$name" 0 mark "${line#POLLUX-ACK }"
            done
            answer
            ;;
        esac
    done
}
keyboard

disk() { echo "file=$1,iothread=io0,engine=$2,cache=$3"; }
boot durable initrd.img "pollux.rounds=$ROUNDS" --cpus 1 --iothread "$(io_thread io0)" \
    --disk "$(disk /dev/mapper/vda linux-aio none)" \
    --disk "$(disk /dev/mapper/vdb io_uring none)" \
    --disk "$(disk /dev/mapper/vdc threads none)" \
    --disk "$(disk /dev/mapper/vdd threads writeback)" \
    --disk "$(disk /dev/mapper/vde io_uring writeback)" \
    --disk "$(disk /dev/mapper/vdf threads writethrough)" \
    --disk "$(disk /dev/mapper/vdg io_uring writethrough)" \
    --disk "$(disk /dev/mapper/vdh linux-aio directsync)" \
    --disk "$(disk "$WORK/vdi/image" linux-aio none)" \
    --disk "$(disk "$WORK/vdj/image" io_uring writethrough)"

# after NAME ROUND: $WORK/found gets the records on the disk that a loss of power after ROUND leaves.
after() {
    local image="$WORK/after"
    rm -f "$image"
    if [ -d "$WORK/$1" ]; then
        cp "$WORK/$1.before" "$image"
    else
        truncate -s 4M "$image"
    fi
    tool log-replay "$WORK/$1.log.file" "$image" "$2" || fail "$1: no log of round $2"
    if [ -d "$WORK/$1" ]; then
        mount -t ext4 -o loop "$image" "$WORK/mnt" || fail "$1: no file system after round $2"
        image=$WORK/mnt/image
    fi
    dd if="$image" of="$WORK/found" bs=4096 skip=1 count="$2" 2>/dev/null
    [ ! -d "$WORK/$1" ] || soon umount "$WORK/mnt"
}

mkdir "$WORK/mnt"
for name in $FILES; do
    now umount "$WORK/$name"
done
for name in $DEVICES $FILES; do
    now dmsetup remove "$name"
    : >"$WORK/expected"
    round=1
    while [ $round -le $ROUNDS ]; do
        yes "record $round of $name" | head -c 4096 >>"$WORK/expected"
        after "$name" $round
        cmp "$WORK/expected" "$WORK/found" ||
            fail "$name: power lost after round $round, and a record that was flushed is lost"
        round=$((round + 1))
    done
done
