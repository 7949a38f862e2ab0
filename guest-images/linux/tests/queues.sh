#!/bin/sh
# SPDX-License-Identifier: MIT
# vda has as many queues as pollux.queues says, and all vCPUs at once find what they wrote.
. /tests/lib.sh

need_disk vda
[ -n "$queues" ] || fail "pollux.queues= is not on the command line"
have=$(find /sys/block/vda/mq -mindepth 1 -maxdepth 1 | wc -l)
[ "$have" -eq "$queues" ] || fail "vda has $have queues, not $queues"
run_fio queues vda --ioengine=libaio --iodepth=8 --rw=randrw --bsrange=4k-32k --size=4m \
    --offset_increment=8m --numjobs="$queues" --cpus_allowed="0-$((queues - 1))" \
    --cpus_allowed_policy=split ||
    fail "fio: $(grep -m 1 -E 'verify|error' /tmp/fio.queues)"
grep -h -E 'IOPS=' /tmp/fio.queues
