#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The I/O thread hangs in the kernel: a read of a disk that does not answer. SIGUSR1 and SIGTERM are
# obeyed before the disk answers.
. "$CASES/../faults.sh"

SECTORS=16384 # 8 MiB, of the device slow

loop_disk base 8
map slow $SECTORS delay "$WORK/base" 0 20

: >"$WORK/console"
"$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initrd.img" \
    --append "console=ttyS0 panic=-1 pollux.run=in-flight" --iothread "$(io_thread io0)" \
    --disk "file=/dev/mapper/slow,iothread=io0,engine=sync" --trace "$WORK/trace" --stats \
    </dev/null >"$WORK/console" 2>&1 &
pid=$!
seen 'Linux version'
slow_by 600000 # the guest looks for partitions
seen '^io0 does not answer' USR1
kill -TERM $pid
usleep 100
kill -TERM $pid
seen 'pollux: io0 does not answer; its requests are given up'
seen '^disk0: .* reads'
slow_by 20
wait $pid
status=$?
tail -n 12 "$WORK/console"
[ $status -eq 143 ] || fail "the status is $status, not that of SIGTERM"
[ -s "$WORK/trace" ] || fail "the trace was not written"
