#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Pollux is killed while the guest writes records and flushes, $KILLS times; each time every record that
# the guest acknowledged must be there. Each kill takes the next engine, cache mode and ring, on the
# images that the last one left. After half of the kills the host's disk loses power as well: what
# was in the host's page cache is gone. $FIRST is the number of the first kill, which says what kind
# it is.
. "$CASES/../guest.sh"

[ -n "${OUTER-}" ] || skip "loss of power needs a machine of its own: tests/nested/run.sh --on qemu"
RECORDS=$CASES/../records
[ -x "$RECORDS" ] || skip "there is no program 'records': make check-nested builds it"
KILLS=${KILLS:-2} FIRST=${FIRST:-0}
STORE=$WORK/store # the file system with the images, on a device whose writes can be cut off
IMAGE=$STORE/fs.img RAW=$STORE/raw.img

# The combinations, in turn: engine, cache mode, ring, queues, and what the kill takes with it.
set_kind() { # NUMBER
    case $(($1 % 8)) in
    0) engine=linux-aio cache=none ;;
    1) engine=io_uring cache=writeback ;;
    2) engine=threads cache=writethrough ;;
    3) engine=io_uring cache=none ;;
    4) engine=threads cache=writeback ;;
    5) engine=linux-aio cache=directsync ;;
    6) engine=io_uring cache=writethrough ;;
    7) engine=threads cache=none ;;
    esac
    [ $((($1 / 8) % 2)) -eq 0 ] && ring="split" || ring=packed
    # Engines, cache modes and rings come round every 16 kills, so this takes turns for each.
    [ $((($1 + $1 / 16) % 2)) -eq 0 ] && loss="process" || loss=power
    queues=$((1 + ($1 % 5 == 4)))
}

verdict() { note "$ring $queues $engine $cache $*"; }

# bad WHAT: this kill cost something.
bad() {
    verdict "FAIL lost: $loss, after $lived ms, 0 flushes; $*"
    fail "$what: $*"
}

table() { echo "0 $sectors $1 $loop 0 $2"; }

make_store() {
    for module in loop dm_mod dm_flakey; do
        modprobe $module || fail "cannot load $module"
    done
    truncate -s 640M "$WORK/device" && loop=$(losetup -f) && losetup "$loop" "$WORK/device" ||
        fail "cannot make a loop device"
    sectors=$((640 << 11))
    dmsetup create store --table "$(table linear)" || fail "cannot make the device 'store'"
    mkdir -p "$STORE"
    mkfs.ext4 -q -t ext4 /dev/mapper/store && mount -t ext4 /dev/mapper/store "$STORE" ||
        fail "cannot make the file system for the images"
    truncate -s 256M "$IMAGE" && truncate -s 64M "$RAW" && mkfs.ext4 -q -t ext4 -F "$IMAGE" &&
        sync || fail "cannot make the images"
}

# From now on nothing that is written reaches the device, and what did not reach it yet is lost.
cut_power() {
    dmsetup load store --table "$(table flakey "0 1 1 drop_writes")" &&
        dmsetup resume --nolockfs store || fail "cannot cut the power"
}

power_again() {
    umount "$STORE" || fail "cannot unmount the images"
    dmsetup load store --table "$(table linear)" && dmsetup resume store &&
        mount -t ext4 /dev/mapper/store "$STORE" || fail "cannot mount the images after the loss of power"
}

# How many of the writers have acknowledged something.
heard() { grep -o '^A[0-9]' "$WORK/console" | sort -u | wc -l; }

# The guest's, with the program added.
make_initrd() {
    mkdir -p "$WORK/add/bin" && cp "$RECORDS" "$WORK/add/bin/" && {
        cat "$GUEST/initrd.img"
        (cd "$WORK/add" && find . | cpio -o -H newc 2>/dev/null)
    } >"$WORK/initrd.img" || fail "cannot make the initrd"
}

forget_store() {
    umount "$WORK/mnt"
    umount "$STORE"
    dmsetup remove store
    losetup -d "$loop"
} 2>/dev/null

# run_and_kill: sets $lived, the milliseconds that the guest had after every writer had been heard.
run_and_kill() {
    local keys="engine=$engine,cache=$cache,queues=$queues,iothread=io0:io1" append="" waited=0 pid

    [ $queues -gt 1 ] || keys="engine=$engine,cache=$cache,iothread=io0"
    if [ $ring = packed ]; then
        keys="$keys,packed=on"
        append="pollux.packed=1"
    fi
    : >"$WORK/console"
    "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$WORK/initrd.img" \
        --append "console=ttyS0 quiet panic=-1 pollux.run=records $append" --cpus $queues \
        --iothread "$(io_thread io0)" --iothread "$(io_thread io1)" \
        --disk "file=$IMAGE,$keys" --disk "file=$RAW,$keys" </dev/null >>"$WORK/console" 2>&1 &
    pid=$!
    until [ "$(heard)" -ge 6 ]; do
        ! grep -q '^State:.Z' /proc/$pid/status && [ $waited -lt $((LIMIT * 4)) ] && ! grep -q '^E[0-9]' "$WORK/console" || {
            kill -9 $pid 2>/dev/null
            cat "$WORK/console"
            fail "$what: the guest did not begin: $(tail -n 1 "$WORK/console" | tr -d '\r')"
        }
        usleep 250000
        waited=$((waited + 1))
    done
    lived=$(awk "BEGIN { srand($SEED + $number); rand(); print int(rand() * 4000) }")
    usleep $((lived * 1000))
    kill -9 $pid || fail "$what: pollux had ended before: $(tail -n 1 "$WORK/console")"
    [ $loss = process ] || cut_power
    wait $pid
    "$RECORDS" wait "$IMAGE" "$RAW"
    if grep '^E[0-9]' "$WORK/console"; then fail "$what: the guest saw an error"; fi
    tr -d '\r' <"$WORK/console" | grep '^A' >>"$WORK/told"
    [ $loss = process ] || power_again
}

# check: the journal is replayed, the file system has no fault, and no record is missing.
check() {
    e2fsck -p "$IMAGE" >"$WORK/replay" 2>&1
    [ $? -le 1 ] && e2fsck -f -n "$IMAGE" >"$WORK/fsck" 2>&1 || {
        cat "$WORK/replay" "$WORK/fsck"
        bad "e2fsck: $(grep . "$WORK/fsck" | head -n 1)"
    }
    mount -o loop,ro "$IMAGE" "$WORK/mnt" || bad "cannot mount"
    found=$("$RECORDS" check "$WORK/mnt" "$RAW" "$WORK/told") || {
        echo "$found"
        bad "$(echo "$found" | head -n 1)"
    }
    umount "$WORK/mnt" || fail "$what: cannot unmount"
    echo "$what: $found"
}

SEED=${SEED:-$(awk 'BEGIN { srand(); print int(rand() * 1000000) }')}
trap forget_store EXIT
make_store
mkdir -p "$WORK/mnt"
: >"$WORK/told"
make_initrd
number=$FIRST
while [ $number -lt $((FIRST + KILLS)) ]; do
    set_kind $number
    what="kill $number ($engine $cache $ring, queues: $queues, lost: $loss, seed $SEED)"
    before=$(wc -l <"$WORK/told")
    run_and_kill
    check
    verdict "PASS lost: $loss, after $lived ms, $(($(wc -l <"$WORK/told") - before)) flushes;" \
        "$(grep -q 'recovering journal' "$WORK/replay" && echo 'journal replayed, ')$found"
    number=$((number + 1))
done
