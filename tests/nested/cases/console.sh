#!/bin/sh
# SPDX-License-Identifier: MIT
# The console takes input: a shell in the guest computes what is typed, then powers off.
. "$CASES/../guest.sh"

mkfifo "$WORK/in" "$WORK/out" || fail "cannot make a fifo"
timeout -k 5 "$LIMIT" "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initrd.img" \
    --append "console=ttyS0 quiet panic=-1 pollux.run=shell" <"$WORK/in" >"$WORK/out" 2>&1 &
pid=$!
exec 8>"$WORK/in" 7<"$WORK/out"
answer=
while read -r line <&7; do
    echo "$line"
    case $line in
    *"busybox shell"*) echo 'echo "the sum is $((6 * 7))"; poweroff -f' >&8 ;;
    *"the sum is 42"*) answer=yes ;;
    esac
done
wait $pid || fail "pollux run ended with status $?"
[ -n "$answer" ] || fail "the shell did not answer"
