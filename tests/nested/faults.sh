#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Sourced by the cases that put a disk which fails under an image: devices of the kernel's, in the
# outer machine. What a case makes is taken away again at its end, which fails when somebody still
# has hold of it: so a case proves that Pollux let go of its disks.
. "$CASES/../guest.sh"

[ -n "${OUTER-}" ] || skip "real disk faults need a machine of their own: tests/nested/run.sh --on qemu"

# A guest's line ends with it, one of Pollux's does not.
# shellcheck disable=SC2034
CR=$(printf '\r')

# soon COMMAND...: it works, if not at once then in a while; the kernel releases some things late.
soon() {
    local left=100
    until "$@" 2>/dev/null; do
        left=$((left - 1))
        [ $left -gt 0 ] || { "$@"; return; }
        sleep 0.1
    done
}

at_end() { echo "soon $*" >>"$WORK/at-end"; }

# now COMMAND...: what was to be done at the end.
now() {
    soon "$@" || fail "this failed: $*"
    grep -vxF "soon $*" "$WORK/at-end" >"$WORK/at-end.now"
    mv "$WORK/at-end.now" "$WORK/at-end"
}

clean_up() {
    local status=$? line
    trap - EXIT
    [ -f "$WORK/at-end" ] && tac "$WORK/at-end" >"$WORK/at-end.now" && while read -r line; do
        eval "$line" || { echo "this failed: $line"; : >"$WORK/left"; }
    done <"$WORK/at-end.now"
    [ $status -ne 0 ] || [ ! -e "$WORK/left" ] || fail "a disk is still in use after the machine"
    exit $status
}
trap clean_up EXIT

# tool NAME ARG...: a program from the directory of this file.
tool() {
    local program="$CASES/../$1"
    shift
    [ -x "$program" ] || skip "there is no program $program: make check-nested builds it"
    "$program" "$@"
}

load() { modprobe "$@" || fail "cannot load $*"; }

# loop_disk NAME MIB: $WORK/NAME is a block device on the sparse file $WORK/NAME.file. It goes around
# the page cache: a failed flush of a loop device that does not is final.
loop_disk() {
    truncate -s "$(($2 << 20))" "$WORK/$1.file" && load loop || fail "cannot make $1.file"
    loop_of "$1" "$WORK/$1.file"
    tool loop-direct "$WORK/$1" || fail "no direct I/O on $1.file"
}

# loop_of NAME FILE: the same on a file that is there, through the page cache.
loop_of() {
    local device
    device=$(losetup -f) && losetup "$device" "$2" || fail "no loop device for $2"
    ln -s "$device" "$WORK/$1"
    at_end losetup -d "$device"
}

# scsi_disk NAME MIB BLOCK: $WORK/NAME is a block device in memory, with blocks of so many bytes.
scsi_disk() {
    load sd_mod
    load scsi_debug dev_size_mb="$2" sector_size="$3"
    at_end rmmod scsi_debug
    soon scsi_link "$WORK/$1" || fail "scsi_debug has no disk"
}
scsi_link() {
    local device
    device=$(basename /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*)
    [ -b "/dev/$device" ] && ln -sf "/dev/$device" "$1"
}

# small_fs NAME MIB: an ext4 file system on $WORK/NAME, mounted there, in which blocks are taken when
# they are written and no later.
small_fs() {
    loop_disk "$1.disk" "$2"
    mkfs.ext4 -q -m 0 "$WORK/$1.disk" && mkdir "$WORK/$1" && load ext4 &&
        mount -t ext4 -o nodelalloc "$WORK/$1.disk" "$WORK/$1" || fail "no file system $1"
    at_end umount "$WORK/$1"
}

# fill_fs NAME [MIB]: no block is free, but for so many MiB. empty_fs NAME: they are, again.
fill_fs() {
    local block
    dd if=/dev/zero of="$WORK/$1/spare" bs=1M count="${2-0}" 2>/dev/null
    for block in 1M 4k; do
        dd if=/dev/zero bs=$block >>"$WORK/$1/ballast" 2>/dev/null
        sync
    done
    rm "$WORK/$1/spare"
    sync
}
empty_fs() { rm -f "$WORK/$1/ballast"; sync; }

# map NAME SECTORS TARGET...: the device-mapper device /dev/mapper/NAME.
map() {
    local name="$1" sectors="$2"
    shift 2
    load "dm-$1"
    dmsetup create "$name" --table "0 $sectors $*" || fail "no device-mapper device $name: $*"
    at_end dmsetup remove "$name"
}

# remap NAME SECTORS TARGET...: another table for a device that is in use.
remap() {
    local name="$1" sectors="$2"
    shift 2
    dmsetup reload "$name" --table "0 $sectors $*" && dmsetup resume "$name" || fail "cannot mend $name"
}

# slow_by MS: each request of the device-mapper device slow, $SECTORS long and on $WORK/base, takes so long.
slow_by() { remap slow "$SECTORS" delay "$WORK/base" 0 "$1"; }

# seen TEXT [SIGNAL]: waits until Pollux or the guest has printed the text, and sends Pollux the signal
# every half second until then. After LIMIT seconds the disk answers again, and the case fails.
seen() {
    local left=$((LIMIT * 2))
    until grep -q "$1" "$WORK/console"; do
        left=$((left - 1))
        if [ $left -eq 0 ]; then
            cat "$WORK/console"
            slow_by 20
            kill -9 "$(pidof pollux)"
            fail "not seen: $1"
        fi
        [ -z "${2-}" ] || kill "-$2" "$(pidof pollux)"
        sleep 0.5
    done
}

# keyboard: make what `answer` types reach the guest. To be called before boot.
keyboard() {
    KEYBOARD=$WORK/keyboard
    mkfifo "$KEYBOARD" && exec 8<>"$KEYBOARD" || fail "cannot make a fifo"
}
answer() { echo "$*" >&8; }

# go_on LINE: end the pause that the line tells of.
go_on() {
    local pid="${1##*kill -CONT }"
    kill -CONT "${pid%% *}"
}
# pauses [DISK]: how often the machine paused.
pauses() { grep -c "pollux: paused: ${1-}" "$WORK/console"; }
