#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs of tests/vm run on the /dev/kvm of the outer machine. A program that ends with 77 is
# skipped, with its reason; one that fails or exceeds PROGRAM_LIMIT fails the case.
. "$CASES/../guest.sh"

[ "${OUTER-}" = yes ] || skip "make check runs these programs on the host's KVM"

# Seconds, for emulation: one test, and one program.
export CK_DEFAULT_TIMEOUT=120
PROGRAM_LIMIT=240

cd "$CASES/.." || fail "no $CASES/.." # docs/ is there
passed=0 failed=""
for program in "${POLLUX%/*}"/tests/vm/test_*; do
    [ -x "$program" ] || skip "there are no programs of tests/vm: make tests builds them"
    name=${program##*/}
    timeout -k 5 $PROGRAM_LIMIT "$program" </dev/null >"$WORK/out" 2>&1
    status=$?
    cat "$WORK/out"
    case $status in
    0) passed=$((passed + 1)) ;;
    77) note "$name is skipped: $(tail -n 1 "$WORK/out")" ;;
    *)
        failed="$failed $name"
        note "$name ended with status $status"
        grep -E ':[FE]:' "$WORK/out" | head -n 5 | while read -r line; do note "$line"; done
        ;;
    esac
    note "$name: $(grep '^[0-9]*%' "$WORK/out")"
done
[ -z "$failed" ] || fail "failed:$failed"
[ $passed -gt 0 ] || fail "no program ran"
