#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that nobody has told of its console is silent on a terminal: one line says what is missing.
. "$CASES/../guest.sh"

mkfifo "$WORK/err" || fail "cannot make a fifo"
[ -c /dev/console ] || skip "no console that could be the terminal"
timeout -k 5 "$LIMIT" "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initrd.img" \
    --append "quiet panic=-1 pollux.run=shell" </dev/null >/dev/console 2>"$WORK/err" &
pid=$!
lines=0
while read -r line; do
    echo "$line"
    case $line in
    *'Linux needs --append "console=ttyS0"')
        lines=$((lines + 1))
        kill $pid ;;
    esac
done <"$WORK/err"
wait $pid
[ $lines = 1 ] || fail "$lines hints"
