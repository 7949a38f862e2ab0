#!/bin/bash
# SPDX-License-Identifier: MIT
# Functions of tests/nbd/run.sh and tests/rbd/run.sh: a back end, `pollux vhost-user`, whose image is on a
# server, and the test Linux guest in QEMU without KVM. Sourced by bash scripts that run under `set -euo
# pipefail` and have set pollux, guest, out (a directory for logs), short (a directory whose name is short:
# the path of a socket has at most 107 bytes), and socket in it.
#
# State: back_end and machine are the processes, or empty.
# shellcheck disable=SC2154

MEMORY=512M
LIMIT=600 # seconds for one machine
back_end='' machine=''

need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || { echo "SKIP $2 is not installed"; return 77; }
}

start_back_end() { # IMAGE-KEYS [OPTION...]: the keys of --disk
    local keys=$1
    shift
    "$pollux" vhost-user --stats "$@" --disk "$keys,socket=$socket" >>"$out/pollux.log" 2>&1 &
    back_end=$!
    until [ -S "$socket" ]; do
        kill -0 "$back_end" 2>/dev/null || { echo "the back end ended: $(tail -n 1 "$out/pollux.log")"; return 1; }
        sleep 0.05
    done
}

# start_machine RUN QUEUES SETTING...: the console is console.log, its input the descriptor 7.
start_machine() {
    local queues=$2 word append="console=ttyS0 quiet no_timer_check panic=-1 pollux.run=$1 pollux.queues=$2"
    shift 2
    for word in "$@"; do append="$append pollux.$word"; done
    mkfifo "$short/input"
    exec 7<>"$short/input"
    timeout $LIMIT qemu-system-x86_64 -accel tcg -M q35,memory-backend=mem -m $MEMORY -smp 2 \
        -object memory-backend-memfd,id=mem,size=$MEMORY,share=on \
        -kernel "$guest/vmlinuz" -initrd "$guest/initrd-fio.img" -append "$append" \
        -nodefaults -no-reboot -display none -serial stdio \
        -chardev "socket,id=disk,path=$socket,reconnect=1" \
        -device "vhost-user-blk-pci,chardev=disk,num-queues=$queues" \
        <&7 >"$out/console.log" 2>"$out/qemu.log" &
    machine=$!
}

await() { # FILE TEXT PID: fails when the process ends before
    until grep -aq "$2" "$1" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || { grep -aq "$2" "$1" && return; echo "no '$2' in ${1##*/}"; return 1; }
        sleep 0.1
    done
}
await_line() { await "$out/console.log" "$1" "$machine"; }
await_log() { await "$out/pollux.log" "$1" "$back_end"; }
await_in_flight() { # a request
    until grep -qE ', [1-9][0-9]* in flight' "$out/pollux.log"; do
        kill -0 "$machine" 2>/dev/null || { echo "the machine ended without a request"; return 1; }
        kill -USR1 "$back_end"
        sleep 0.2
    done
}
answer_guest() { echo >&7; }

end_back_end() {
    kill -TERM "$back_end"
    wait "$back_end" || { echo "the back end did not end with 0: $(tail -n 1 "$out/pollux.log")"; return 1; }
    back_end=''
}

verdict() { # RUN
    wait "$machine" || true
    machine=''
    end_back_end || return 1
    grep -aq "^POLLUX-TEST $1 PASS" "$out/console.log" && return
    grep -a '^POLLUX-TEST' "$out/console.log" || echo 'no result; see console.log and qemu.log'
    return 1
}

verify() { # IMAGE-KEYS [OPTION...]: fio in the guest finds every byte again
    start_back_end "$@" && start_machine verify-all 2 && verdict verify-all
}

# run_all KIND TEST...: run_test TEST in a subshell for each; its output is the reason of a failure.
run_all() {
    local kind=$1 name why begin log status=0 n=0
    shift
    for name; do
        n=$((n + 1)) begin=$SECONDS
        if why=$(run_test "$name" 2>&1); then
            echo "PASS $kind $name  ($n of $#, $((SECONDS - begin)) s)"
        elif [[ $why == SKIP* ]]; then
            echo "SKIP $kind $name: ${why#SKIP }"
        else
            echo "FAIL $kind $name: $why"
            for log in console pollux server qemu; do
                tail -n 20 "$out/$log.log" 2>/dev/null | sed "s/^/    $log | /" || true
            done
            status=1
        fi
    done
    return $status
}
