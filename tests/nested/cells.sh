#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Sourced by cases that go through every engine with every cache mode, all as disks of one guest.
# What they find out they note, one line a cell.
. "$CASES/../guest.sh"

CELLS="linux-aio/none linux-aio/writeback linux-aio/writethrough
    io_uring/none io_uring/writeback io_uring/writethrough
    threads/none threads/writeback threads/writethrough"

# refused RING QUEUES CELL: does pollux refuse this engine with this cache? Then that is noted.
refused() {
    local text
    text=$("$POLLUX" run --kernel "$GUEST/none" --disk "file=$WORK/none,$(cell_keys "$3")" 2>&1)
    case $text in
    *"engine=${3%/*} would block on cache=${3#*/}"*)
        note "$1 $2 ${3%/*} ${3#*/} REFUSED ${text#pollux: }"
        ;;
    *) return 1 ;;
    esac
}

cell_keys() { echo "engine=${1%/*},cache=${1#*/}"; }
cell_image() { echo "${1%/*}-${1#*/}.img"; }

# all_cells TEST INITRD RING QUEUES MIB APPEND EXTRA: boot with a disk for each cell that is not in
# $REFUSED; image files are made where they are missing. Sets CELL_LIST, in the order of the disks'
# serial numbers c0, c1, ... Returns what boot does.
all_cells() {
    local name="$1" initrd="$2" ring="$3" queues="$4" mib="$5" append="$6" extra="$7" i threads keys cell

    set -- --cpus "$queues"
    i=0 threads=
    while [ $i -lt "$queues" ]; do
        set -- "$@" --iothread "$(io_thread "io$i")"
        threads="$threads${threads:+:}io$i"
        i=$((i + 1))
    done
    [ "$ring" = packed ] && append="$append pollux.packed=1" && extra="$extra,packed=on"
    keys="iothread=$threads,queues=$queues$extra"
    CELL_LIST=
    i=0
    for cell in $CELLS; do
        case " $REFUSED " in *" $cell "*) continue ;; esac
        [ -f "$WORK/$(cell_image "$cell")" ] || make_disk "$(cell_image "$cell")" "$mib"
        set -- "$@" --disk "file=$WORK/$(cell_image "$cell"),$(cell_keys "$cell"),$keys,serial=c$i"
        CELL_LIST="$CELL_LIST $cell"
        i=$((i + 1))
    done
    (boot "$name" "$initrd" "pollux.queues=$queues $append" "$@")
}

find_refused() { # RING QUEUES
    REFUSED=
    for cell in $CELLS; do
        if refused "$1" "$2" "$cell"; then REFUSED="$REFUSED $cell"; fi
    done
}

# verify_cells RING QUEUES: fio with checksums on each.
verify_cells() {
    local status=0 i=0 cell want line packed=0

    [ "$1" = packed ] && packed=1
    find_refused "$1" "$2"
    all_cells verify-all initrd-fio.img "$1" "$2" 32 "" "" || status=1
    for cell in $CELL_LIST; do
        want=back
        [ "${cell#*/}" = writethrough ] && want=through
        line=$(tr -d '\r' <"$WORK/console" | sed -n "s/.*POLLUX-CELL c$i //p")
        case $line in
        "queues=$2 packed=$packed cache=$want PASS") note "$1 $2 ${cell%/*} ${cell#*/} PASS" ;;
        *)
            note "$1 $2 ${cell%/*} ${cell#*/} FAIL ${line:-the guest did not get so far}"
            status=1
            ;;
        esac
        i=$((i + 1))
    done
    [ $status -eq 0 ] || fail "$(cat "$WORK/why" 2>/dev/null || echo "a disk is not what it should be")"
}

cell_kib() { du -k "$WORK/$(cell_image "$1")" | cut -f1; }

# discard_cells RING: what the guest trims or discards is freed in each image.
discard_cells() {
    local cell filled trimmed left step status=0

    find_refused "$1" 1
    for step in fill fstrim blkdiscard; do
        all_cells discard initrd.img "$1" 1 48 "pollux.step=$step" ",discard=unmap" || exit 1
        for cell in $CELL_LIST; do
            cell_kib "$cell" >>"$WORK/$(cell_image "$cell").kib"
        done
    done
    for cell in $CELL_LIST; do
        # shellcheck disable=SC2046
        set -- "$1" $(cat "$WORK/$(cell_image "$cell").kib")
        filled=$2 trimmed=$3 left=$4
        if [ "$filled" -gt 24576 ] && [ "$trimmed" -lt $((filled - 20480)) ] && [ "$left" -lt 64 ]; then
            note "$1 1 ${cell%/*} ${cell#*/} PASS KiB in use: $filled, after fstrim $trimmed, after blkdiscard $left"
        else
            note "$1 1 ${cell%/*} ${cell#*/} FAIL KiB in use: $filled, after fstrim $trimmed, after blkdiscard $left"
            status=1
        fi
    done
    [ $status -eq 0 ] || fail "blocks were not freed"
}
