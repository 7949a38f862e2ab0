#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs of tests/vm run on the /dev/kvm of the outer machine. A program that ends with 77 is
# skipped, with its reason; one that fails or exceeds PROGRAM_LIMIT fails the case. A program for which
# less time is left of TOTAL_LIMIT is skipped, with that reason, if it does not end in that time.
. "$CASES/../guest.sh"

[ "${OUTER-}" = yes ] || skip "make check runs these programs on the host's KVM"

# Seconds, for emulation: one test, one program, and all programs.
export CK_DEFAULT_TIMEOUT=60
PROGRAM_LIMIT=90
TOTAL_LIMIT=150

now() { cut -d. -f1 /proc/uptime; }

cd "$CASES/.." || fail "no $CASES/.." # docs/ is there
start=$(now) passed=0 failed=""
for program in "${POLLUX%/*}"/tests/vm/test_*; do
    [ -x "$program" ] || skip "there are no programs of tests/vm: make tests builds them"
    name=${program##*/}
    begin=$(now)
    limit=$((start + TOTAL_LIMIT - begin))
    if [ $limit -le 0 ]; then
        note "$name is skipped: the programs before it took $((begin - start)) s"
        continue
    fi
    [ $limit -lt $PROGRAM_LIMIT ] || limit=$PROGRAM_LIMIT
    timeout -k 5 $limit "$program" </dev/null >"$WORK/out" 2>&1
    status=$?
    cat "$WORK/out"
    case $status in
    0) passed=$((passed + 1)) ;;
    77) note "$name is skipped: $(tail -n 1 "$WORK/out")" ;;
    124 | 137 | 143)
        if [ $limit -eq $PROGRAM_LIMIT ]; then
            failed="$failed $name"
        fi
        note "$name did not end in $limit s"
        ;;
    *)
        failed="$failed $name"
        note "$name ended with status $status"
        grep -E ':[FE]:' "$WORK/out" | head -n 5 | while read -r line; do note "$line"; done
        ;;
    esac
    note "$name, $(($(now) - begin)) s: $(grep '^[0-9]*%' "$WORK/out")"
done
[ -z "$failed" ] || fail "failed:$failed"
[ $passed -gt 0 ] || fail "no program ran"
