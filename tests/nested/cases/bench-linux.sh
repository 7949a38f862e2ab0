#!/bin/sh
# SPDX-License-Identifier: MIT
# `pollux bench --guest linux`: fio in the guest, and its figures in the report. What they are says
# nothing here.
. "$CASES/../guest.sh"

out="$WORK/bench.json"
timeout -k 5 "$((2 * LIMIT))" "$POLLUX" bench --guest linux --guest-dir "$GUEST" --engine null \
    --depth 4 --rw mixed:50 --fsync 16 --policy block,cost --runs 1 --time 1 --json \
    >"$out" 2>"$WORK/error" || fail "status $?: $(tail -n 1 "$WORK/error")"
cat "$out"
for figure in iops mb_per_s lat_mean_ns lat_p50_ns lat_p99.9_ns kicks_per_request \
    iothread_cpu_ns_per_request; do
    n=$(grep -c "\"$figure\": [0-9.]*[1-9]" "$out")
    # The median and the one run, of two policies.
    [ "$n" -eq 4 ] || fail "$figure is there $n times, not 4"
done
grep -q '"guest": "linux"' "$out" || fail "the report does not name the guest"
