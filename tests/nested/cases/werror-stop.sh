#!/bin/sh
# SPDX-License-Identifier: MIT
# The disk fails while a file exists: under werror=stop the machine pauses, and after SIGCONT fio
# finds every byte.
. "$CASES/../guest.sh"

# mend: whenever the machine has paused let the disk work again, go on, and after a while fail anew.
mend() {
    times=0

    while [ $times -lt 3 ]; do
        while [ "$(grep -c 'pollux: paused: ' "$WORK/console")" -le $times ]; do
            sleep 0.2
        done
        line=$(grep 'pollux: paused: ' "$WORK/console" | tail -n 1 | tr -d '\r')
        pid=${line##*kill -CONT }
        rm -f "$WORK/fail"
        kill -CONT "${pid%% *}"
        times=$((times + 1))
        echo $times >"$WORK/times"
        [ $times -eq 3 ] || { sleep 1; : >"$WORK/fail"; }
    done
}

make_disk disk.img 32
: >"$WORK/fail"
: >"$WORK/console"
mend &
mender=$!
boot fio-verify initrd-fio.img "" --cpus 2 --iothread "$(io_thread io0)" \
    --disk "$(file_disk disk.img io0),werror=stop,rerror=stop,fault-errors=1000000,fault-file=$WORK/fail" \
    --stats
kill $mender 2>/dev/null
[ "$(cat "$WORK/times")" -ge 1 ] || fail "the machine did not pause"
grep ' 0 errors' "$WORK/console" || fail "the guest saw errors"
