#!/bin/bash
# SPDX-License-Identifier: MIT
# The control socket of real processes, with a client of our own and, if Python has the module
# qemu.qmp (package python3-qemu-qmp), with that one.
#
#   run.sh [--pollux FILE] [--guest DIR] [TEST...]
#   run.sh --list
#
# QEMU_QMP=DIR: where the module is, if not where Python looks. Ends with 1 when a test failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pollux=$top/build/pollux
guest=$top/build/guest-linux
out=$top/build/control
tests=()
ALL="commands hostile stale inherited independent top parameters"
LIMIT=600 # seconds for one machine
MEMORY=512M

usage() { sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
    --pollux | --guest)
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

mkdir -p "$out"
socket=$out/qmp disk=$out/disk.sock image=$out/disk.img
process='' machine=''
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="${QEMU_QMP-}"

end_all() {
    for pid in $machine $process; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

start() { # [OPTION...]: the process, until both sockets are there
    "$pollux" vhost-user --iothread id=io0 --disk "file=$image,socket=$disk" "$@" \
        >"$out/pollux.log" 2>&1 &
    process=$!
    until [ -S "$disk" ] && [ -S "$socket" ] && grep -q "^disk0" "$out/pollux.log"; do
        kill -0 "$process" 2>/dev/null ||
            { echo "the process ended: $(tail -n 1 "$out/pollux.log")"; return 1; }
        sleep 0.05
    done
}

drive() { "$here/drive.py" "$1" "$socket"; }

ended() { # the process has ended well, and left no socket
    wait "$process" || { echo "the status of the process is $?"; return 1; }
    process=''
    [ ! -e "$socket" ] || { echo "the socket is left"; return 1; }
}

stale() {
    start --qmp "unix:$socket" || return 1
    if "$pollux" vhost-user --disk "size=1M,engine=null,socket=$disk.2" --qmp "unix:$socket" \
        >"$out/second.log" 2>&1; then
        echo "a second process took the socket"
        return 1
    fi
    grep -q "in use" "$out/second.log" || { cat "$out/second.log"; return 1; }
    kill -KILL "$process"
    wait "$process" 2>/dev/null || true
    [ -S "$socket" ] || { echo "no socket is left to be replaced"; return 1; }
    start --qmp "unix:$socket" && drive commands && ended
}

inherited() { # Python listens; the process has descriptor 7
    python3 - "$socket" "$pollux" vhost-user --iothread id=io0 --disk "file=$image,socket=$disk" \
        --qmp fd:7 >"$out/pollux.log" 2>&1 <<'PYTHON' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
s.listen()
os.dup2(s.fileno(), 7)
os.execv(sys.argv[2], sys.argv[2:])
PYTHON
    process=$!
    until grep -q "^disk0" "$out/pollux.log"; do
        kill -0 "$process" 2>/dev/null || { tail -n 1 "$out/pollux.log"; return 1; }
        sleep 0.05
    done
    drive commands || return 1
    wait "$process" || { echo "the status of the process is $?"; return 1; }
    process=''
    [ -S "$socket" ] || { echo "the socket of another process was removed"; return 1; }
}

# Whether `pollux top` has seen requests, and their latency.
sees_requests() {
    "$pollux" top "$socket" --once --json --interval 100ms | python3 -c '
import json, sys
rows = json.load(sys.stdin)
for row in rows["iothreads"][0], rows["disks"][0]:
    assert row["iops"] > 0 and 0 < row["lat_p50_ns"] <= row["lat_p99_ns"], row' 2>/dev/null
}

# fio in a guest of QEMU writes and verifies, while the parameters change.
parameters() {
    start --qmp "unix:$socket" || return 1
    timeout $LIMIT qemu-system-x86_64 -accel tcg -M q35,memory-backend=mem -m $MEMORY -smp 2 \
        -object memory-backend-memfd,id=mem,size=$MEMORY,share=on \
        -kernel "$guest/vmlinuz" -initrd "$guest/initrd-fio.img" \
        -append "console=ttyS0 quiet panic=-1 pollux.run=fio-verify" \
        -nodefaults -no-reboot -display none -serial "file:$out/console.log" \
        -chardev "socket,id=disk,path=$disk" -device vhost-user-blk-pci,chardev=disk,num-queues=1 \
        >"$out/qemu.log" 2>&1 &
    machine=$!
    until sees_requests; do
        kill -0 "$machine" 2>/dev/null || { echo "pollux top has seen no requests"; return 1; }
    done
    # Its end is the end of the standard input of the driver.
    tail -f /dev/null --pid="$machine" 2>/dev/null | drive parameters || return 1
    wait "$machine" || true
    machine=''
    kill -TERM "$process"
    ended || return 1
    grep -aq "^POLLUX-TEST fio-verify PASS" "$out/console.log" ||
        { grep -a '^POLLUX-TEST' "$out/console.log" || echo "the guest has no result"; return 1; }
}

why_not() { # TEST: says why it cannot run here; nothing if it can
    case $1 in
    independent)
        python3 -c 'import qemu.qmp' 2>/dev/null ||
            echo "Python has no module qemu.qmp (package python3-qemu-qmp, or QEMU_QMP=DIR)"
        ;;
    parameters)
        command -v qemu-system-x86_64 >/dev/null || echo "qemu-system-x86_64 is not installed"
        ;;
    esac
}

run_test() { # in a subshell of its own
    trap end_all EXIT
    rm -f "$out"/*.log "$socket" "$disk" "$image"
    truncate -s 64M "$image"
    case $1 in
    commands | hostile | independent) start --qmp "unix:$socket" && drive "$1" && ended ;;
    top) start --qmp "unix:$socket" && "$here/top.py" "$pollux" "$socket" && ended ;;
    stale | inherited | parameters) "$1" ;;
    *) echo "no test $1; there are: $ALL"; return 1 ;;
    esac
}

status=0 n=0
for name in "${tests[@]}"; do
    n=$((n + 1)) begin=$SECONDS
    reason=$(why_not "$name")
    if [ -n "$reason" ]; then
        echo "SKIP control $name: $reason"
    elif said=$(run_test "$name" 2>&1); then
        echo "PASS control $name  ($n of ${#tests[@]}, $((SECONDS - begin)) s)${said:+: $said}"
    else
        echo "FAIL control $name: $said"
        tail -n 20 "$out/pollux.log" 2>/dev/null | sed "s/^/    pollux | /"
        status=1
    fi
done
exit $status
