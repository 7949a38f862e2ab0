#!/bin/sh
# SPDX-License-Identifier: MIT
# Run cases one after another and tell the events, one a line, on standard output:
#   BEGIN name | PASS name | SKIP name why | FAIL name why | LOG name text | END
# Everything else that a case prints goes to $LOG. Runs on the host and, under busybox, in the outer
# machine. Takes from the environment: POLLUX GUEST SCRATCH LOG LIMIT.
#
#   run-cases.sh CASE...

CASES=$(cd "$(dirname "$0")/cases" && pwd)
export CASES POLLUX GUEST LIMIT

exec 3>&1 # for what a case notes

for name; do
    echo "BEGIN $name"
    export NAME="$name"
    export WORK="$SCRATCH/$name"
    rm -rf "$WORK"
    mkdir -p "$WORK"
    echo "=== case $name" >>"$LOG"
    {
        sh "$CASES/$name.sh" 2>&1
        echo $? >"$WORK/exit"
    } | tee "$WORK/output" >>"$LOG"
    status=$(cat "$WORK/exit")
    why=$(tail -n 1 "$WORK/why" 2>/dev/null)
    case $status in
    0) echo "PASS $name" ;;
    77) echo "SKIP $name ${why:-no reason given}" ;;
    *)
        echo "FAIL $name ${why:-status $status}"
        tail -n 40 "$WORK/output" | tr -d '\r' | cut -c1-400 | sed "s|^|LOG $name |"
        ;;
    esac
    rm -rf "$WORK"
done
echo END
