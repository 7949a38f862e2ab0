#!/bin/sh
# SPDX-License-Identifier: MIT
# fio measures vda for `pollux bench --guest linux`, as pollux.depth, bs, rw, mixed (percent of reads),
# fsync (writes to a flush; 0: none), time and seed say. Between the marks it runs; its JSON follows.
. /tests/lib.sh

need_disk vda
command -v fio >/dev/null || fail "fio is not in this initramfs; boot initrd-fio.img"
[ -n "$depth$bs$rw$time" ] || fail "pollux.depth= and the rest are not on the command line"
sleep 0.2 # what came up with the guest is done

echo "POLLUX-BENCH begin"
fio --name=bench --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth="$depth" --bs="$bs" \
    --rw="$rw" --rwmixread="${mixed:-50}" --fsync="${fsync:-0}" --time_based --runtime="$time" \
    --randrepeat=0 --randseed="${seed:-1}" --norandommap --unified_rw_reporting=1 \
    --clat_percentiles=0 --lat_percentiles=1 \
    --percentile_list=1:10:25:50:75:90:95:99:99.5:99.9:99.95:99.99 \
    --output-format=json --output=/tmp/fio.json 2>/tmp/fio.err ||
    fail "fio: $(cat /tmp/fio.err /tmp/fio.json | grep -m 1 -v '^{')"
echo "POLLUX-BENCH end"
cat /tmp/fio.json
