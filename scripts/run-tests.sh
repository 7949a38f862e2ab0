#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-tests.sh LIMIT PROGRAM... - run test programs in turn, each at most LIMIT seconds
#
# A program passes with exit status 0 and is skipped with 77, after having said why; anything else
# fails. Says before each program how far it is: the program's number and the minutes and seconds so far.
# Ends with one line of sums, and non-zero if a program failed or there was none.

limit=$1
shift

passed=0 failed=0 skipped=0 failures=
number=0 start=$(date +%s)

so_far() {
    seconds=$(($(date +%s) - start))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

for prog; do
    number=$((number + 1))
    echo "== ${prog##*/} ($number of $#, $(so_far))"
    timeout -k 10 "$limit" "$prog" </dev/null
    status=$?
    case $status in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)); echo "${prog##*/}: skipped" ;;
    *)
        failed=$((failed + 1))
        failures="$failures ${prog##*/}"
        case $status in
        124 | 137) echo "${prog##*/}: did not end within $limit seconds" ;;
        *) echo "${prog##*/}: failed with status $status" ;;
        esac
        ;;
    esac
done

[ -n "$failures" ] && echo "failed:$failures"
echo "$passed programs passed, $failed failed, $skipped skipped in $(so_far)"
[ $# -gt 0 ] && [ $failed -eq 0 ]
