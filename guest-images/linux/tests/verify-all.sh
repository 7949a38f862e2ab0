#!/bin/sh
# SPDX-License-Identifier: MIT
# On every disk, one after another, fio writes and finds every byte again: with as many jobs as the disk
# has queues, each on a CPU of its own, deep, in blocks of many sizes, with flushes; then in single
# sectors from buffers that are aligned no better. Prints each disk's properties and its result.
. /tests/lib.sh

[ -n "$queues" ] || fail "pollux.queues= is not on the command line"
bad=
for dir in /sys/block/vd*; do
    disk=${dir##*/}
    rm -f /tmp/fio.*
    if run_fio deep "$disk" --ioengine=libaio --iodepth=16 --rw=randrw --bsrange=4k-64k --fsync=32 \
        --size=$((16 / queues))m --offset_increment=$((16 / queues))m --numjobs="$queues" \
        --cpus_allowed="0-$((queues - 1))" --cpus_allowed_policy=split --eta=never &&
        run_fio sectors "$disk" --ioengine=libaio --iodepth=4 --rw=randrw --bsrange=512-8k \
            --iomem_align=512 --size=1m --offset=24m --fsync=64 --eta=never; then
        verdict=PASS
    else
        verdict="FAIL $(grep -h -m 1 -E 'verify|error' /tmp/fio.*)"
        bad="$bad $disk"
    fi
    set -- "$dir"/mq/*
    echo "POLLUX-CELL $(cat "$dir/serial") queues=$# packed=$(cut -c 35 "$dir/device/features")" \
        "cache=$(cut -d ' ' -f 2 "$dir/queue/write_cache") $verdict"
done
[ -z "$bad" ] || fail "wrong on$bad"
