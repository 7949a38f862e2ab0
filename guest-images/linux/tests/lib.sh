#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Sourced by the tests: each ends with 0 when it passed, or by one of these.

fail() { echo "$*" >/tmp/why; exit 1; }
skip() { echo "$*" >/tmp/why; exit 77; }

# need_disk DISK: it is there and, with pollux.packed=1, its driver uses packed rings (feature 34).
need_disk() {
    [ -b "/dev/$1" ] || fail "no disk $1; there are: $(cd /sys/block && echo *)"
    [ -z "$packed" ] || [ "$(cut -c 35 "/sys/block/$1/device/features")" = 1 ] ||
        fail "$1 does not use packed rings"
}

# bytes DISK: its capacity.
bytes() { echo $(($(cat "/sys/block/$1/size") * 512)); }

# drop_caches: the next reads come from the disk and not from the page cache.
drop_caches() { sync; echo 3 >/proc/sys/vm/drop_caches; }

# run_fio NAME DISK ARG...: bounded, checked I/O on a whole disk.
run_fio() {
    local name="$1" disk="$2"
    shift 2
    command -v fio >/dev/null || fail "fio is not in this initramfs; boot initrd-fio.img"
    fio --name="$name" --filename="/dev/$disk" --direct=1 --verify=crc32c --verify_fatal=1 \
        --do_verify=1 --verify_backlog=64 --output="/tmp/fio.$name" "$@"
}
