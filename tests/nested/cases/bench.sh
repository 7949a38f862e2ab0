#!/bin/sh
# SPDX-License-Identifier: MIT
# `pollux bench` measures with the built-in guest: a figure for each policy, in memory and on a disk. What
# they are says nothing here.
. "$CASES/../guest.sh"

out="$WORK/bench.json"
timeout -k 5 "$LIMIT" "$POLLUX" bench --file "$WORK" --size 16M --engine null,linux-aio --depth 4 \
    --policy block,cost --runs 1 --time 0.1 --json \
    >"$out" 2>"$WORK/error" || fail "status $?: $(tail -n 1 "$WORK/error")"
cat "$out"
grep -q '"guest": "built-in"' "$out" || fail "the report does not name the guest"
# Null, in memory, on disk: the median and the one run, of two policies.
n=$(grep -c '"iops": [0-9.]*[1-9]' "$out")
[ "$n" -eq 12 ] || fail "iops is there $n times, not 12"
