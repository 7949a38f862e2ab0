#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks that fail at 1 MiB give the errors that the case configured. pollux.expect
# has a word of steps for each disk: vda:r-,vdb:w+v
#   r  read there        w  write there       f  flush       + it succeeds   - it fails with EIO
#   v  what was written is read back          x  it is not: the disk still has what it had
#   m  the host repairs the disk
# shellcheck shell=dash
. /tests/lib.sh

try() { # DISK + or -, COMMAND...
    local what="$1: $3 ${4#if=/tmp/}" want="$2"
    shift 2
    if "$@" 2>/tmp/error; then
        [ "$want" = + ] || fail "$what: no error"
    elif [ "$want" = + ]; then
        fail "$what: $(grep -v records /tmp/error | tail -n 1)"
    else
        grep -q 'Input/output error\|I/O error' /tmp/error ||
            fail "$what: $(grep -v records /tmp/error | tail -n 1)"
    fi
}

steps() { # DISK STEPS
    local disk="$1" left="$2" step sign
    while [ -n "$left" ]; do
        step=$(echo "$left" | cut -c 1)
        sign=$(echo "$left" | cut -c 2)
        left=${left#?}
        case $step in
        [rwf]) left=${left#?} ;;
        *) sign= ;;
        esac
        echo "$disk: $step$sign"
        case $step in
        r) try "$disk" "$sign" dd if="/dev/$disk" of=/tmp/read bs=4096 skip=256 count=1 iflag=direct ;;
        w) try "$disk" "$sign" dd if=/tmp/new of="/dev/$disk" bs=4096 seek=256 count=1 oflag=direct \
            conv=notrunc ;;
        f) try "$disk" "$sign" dd if=/dev/null of="/dev/$disk" bs=4096 conv=notrunc,fsync ;;
        v | x)
            try "$disk" + dd if="/dev/$disk" of=/tmp/read bs=4096 skip=256 count=1 iflag=direct
            if [ "$step" = v ]; then
                cmp /tmp/new /tmp/read || fail "$disk lost what was written"
            else
                cmp -s /tmp/new /tmp/read && fail "$disk has what could not be written"
            fi
            ;;
        m)
            echo "POLLUX-MEND $disk"
            read -r _
            ;;
        esac
    done
}

[ -n "$expect" ] || fail "pollux.expect= is not on the command line"
dd if=/dev/urandom of=/tmp/new bs=4096 count=1 2>/dev/null
for word in $(echo "$expect" | tr ',' ' '); do
    disk=${word%%:*}
    need_disk "$disk"
    try "$disk" + dd if="/dev/$disk" of=/tmp/read bs=4096 count=1 iflag=direct
    steps "$disk" "${word#*:}"
done
