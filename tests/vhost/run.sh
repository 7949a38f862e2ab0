#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks of `pollux vhost-user` in the test Linux guest of a real QEMU, without KVM.
#
#   run.sh [--pollux FILE] [--guest DIR] [--kills N] [TEST...]
#   run.sh --list
#
# Each test starts back end and machine anew. The kill tests end the back end by SIGKILL N times (3)
# while fio in the guest writes and verifies. Ends with 1 when a test failed; where QEMU is not
# installed, says so and skips.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pollux=$top/build/pollux
guest=$top/build/guest-linux
out=$top/build/vhost
kills=3
tests=()
ALL="verify-split verify-packed verify-queues kill-split kill-packed resize"
MEMORY=512M

usage() { sed -n '3,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
    --pollux | --guest | --kills)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        declare "${1#--}=$2"
        shift
        ;;
    --list) echo "$ALL"; exit 0 ;;
    --help | -h) usage; exit 0 ;;
    *) tests+=("$1") ;;
    esac
    shift
done
[ ${#tests[@]} -gt 0 ] || read -ra tests <<<"$ALL"
limit=$((300 + kills * 4)) # seconds for one machine

mkdir -p "$out"
socket=$out/disk.sock image=$out/disk.img
back_end='' machine=''

end_all() {
    for pid in $machine $back_end; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

start_back_end() { # [KEYS of --disk]
    "$pollux" vhost-user --stats --disk "file=$image,socket=$socket$*" >>"$out/pollux.log" 2>&1 &
    back_end=$!
    until [ -S "$socket" ]; do
        kill -0 "$back_end" 2>/dev/null || { echo "the back end ended: $(tail -n 1 "$out/pollux.log")"; return 1; }
        sleep 0.05
    done
}

# start_machine RUN DEVICE-OPTIONS SETTING...: the console goes to console.log.
start_machine() {
    local device=$2 word append="console=ttyS0 quiet no_timer_check pollux.run=$1"
    shift 2
    for word in "$@"; do append="$append pollux.$word"; done
    timeout $limit qemu-system-x86_64 -accel tcg -M q35,memory-backend=mem -m $MEMORY -smp 2 \
        -object memory-backend-memfd,id=mem,size=$MEMORY,share=on \
        -kernel "$guest/vmlinuz" -initrd "$guest/initrd-fio.img" -append "$append" \
        -nodefaults -no-reboot -display none -serial "file:$out/console.log" \
        -chardev "socket,id=disk,path=$socket,reconnect=1" \
        -device "vhost-user-blk-pci,chardev=disk,$device" >"$out/qemu.log" 2>&1 &
    machine=$!
}

await_line() { # TEXT: of the console; fails when the machine ends before
    until grep -aq "$1" "$out/console.log" 2>/dev/null; do
        kill -0 "$machine" 2>/dev/null || { grep -aq "$1" "$out/console.log" && return; return 1; }
        sleep 0.1
    done
}

# The back end is killed and started again, as often as asked for, while fio runs.
kill_back_end() { # KEYS
    local i
    for ((i = 0; i < kills; i++)); do
        sleep 0.$((RANDOM % 9 + 1)) # where it hits is what the test varies
        kill -KILL "$back_end"
        wait "$back_end" 2>/dev/null || true
        start_back_end "$1" || return 1
        # QEMU looks once a second whether somebody listens again.
        until grep -aq "^disk0" "$out/pollux.log"; do sleep 0.1; done
        sleep 1.2
    done
}

verdict() { # RUN
    wait "$machine" || true
    machine=''
    kill -TERM "$back_end"
    if ! wait "$back_end"; then
        echo "the back end did not end with 0: $(tail -n 1 "$out/pollux.log")"
        return 1
    fi
    back_end=''
    if grep -q 'disconnected:' "$out/pollux.log"; then
        echo "the back end says: $(grep -m 1 'disconnected:' "$out/pollux.log")"
        return 1
    fi
    grep -aq "^POLLUX-TEST $1 PASS" "$out/console.log" && return
    echo "$(grep -a '^POLLUX-TEST' "$out/console.log" || echo 'no result; see console.log and qemu.log')"
    return 1
}

run_test() { # in a subshell of its own
    trap end_all EXIT
    rm -f "$out/console.log" "$out/pollux.log" "$socket" "$image"
    truncate -s 64M "$image"
    case $1 in
    verify-split) start_back_end && start_machine fio-verify num-queues=1 && verdict fio-verify ;;
    verify-packed)
        start_back_end ,packed=on && start_machine fio-verify num-queues=1,packed=on packed=1 &&
            verdict fio-verify
        ;;
    verify-queues)
        start_back_end ,queues=4,discard=unmap && start_machine verify-all num-queues=4 queues=2 &&
            verdict verify-all
        ;;
    kill-split)
        start_back_end ,queues=2 &&
            start_machine reconnect num-queues=2 seconds=$((kills * 3 + 5)) &&
            await_line "fio starts" && kill_back_end ,queues=2 && verdict reconnect
        ;;
    kill-packed)
        start_back_end ,packed=on &&
            start_machine reconnect num-queues=1,packed=on packed=1 seconds=$((kills * 3 + 5)) &&
            await_line "fio starts" && kill_back_end ,packed=on && verdict reconnect
        ;;
    resize)
        start_back_end && start_machine resize num-queues=1 bytes=$((96 << 20)) &&
            await_line "POLLUX-GUEST sees" && truncate -s 96M "$image" &&
            kill -HUP "$back_end" && verdict resize
        ;;
    *) echo "no test $1; there are: $ALL"; return 1 ;;
    esac
}

if ! command -v qemu-system-x86_64 >/dev/null; then
    echo "SKIP vhost-user in QEMU: qemu-system-x86_64 is not installed"
    exit 0
fi
status=0 n=0
for name in "${tests[@]}"; do
    n=$((n + 1)) begin=$SECONDS
    if why=$(run_test "$name" 2>&1); then
        echo "PASS vhost-user $name  ($n of ${#tests[@]}, $((SECONDS - begin)) s)"
    else
        echo "FAIL vhost-user $name: $why"
        for log in console pollux qemu; do
            tail -n 20 "$out/$log.log" 2>/dev/null | sed "s/^/    $log | /"
        done
        status=1
    fi
done
exit $status
