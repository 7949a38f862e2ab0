#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks in a Ceph cluster: `pollux vhost-user` with librbd, a real cluster of one node, and the test Linux
# guest in QEMU without KVM.
#
#   run.sh [--pollux FILE] [--guest DIR] [--kills N] [TEST...]
#   run.sh --list
#
# One cluster serves all tests; each has an image of its own. The test kill ends the OSD by SIGKILL N times
# (10) while fio in the guest writes and verifies. Without Ceph all is skipped, with the names of the
# packages. Ends with 1 when a test failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pollux=$top/build/pollux
guest=$top/build/guest-linux
out=$top/build/rbd
kills=10
tests=()
ALL="abi verify threads discard export resize snapshot lock kill gone sigterm connecting"

usage() { sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
    --pollux | --guest | --kills)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        declare "${1#--}=$2"
        shift
        ;;
    --list) echo $ALL; exit 0 ;;
    --help | -h) usage; exit 0 ;;
    *) tests+=("$1") ;;
    esac
    shift
done
[ ${#tests[@]} -gt 0 ] || read -rd '' -a tests <<<"$ALL" || true

# shellcheck source=tests/nbd/guest.sh
. "$here/../nbd/guest.sh"
# shellcheck source=tests/rbd/cluster.sh
. "$here/cluster.sh"

short=$(mktemp -d /tmp/rbd.XXXXXX)
socket=$short/disk.sock
mkdir -p "$out"
mon='' osd=''

end_test() {
    [ -z "$machine" ] || kill -TERM "$machine" 2>/dev/null || true # timeout passes it on to QEMU
    [ -z "$back_end" ] || kill -KILL "$back_end" 2>/dev/null || true
    [ -z "${osd-}" ] || kill -CONT "$osd" 2>/dev/null || true
}

end_all() {
    local pid
    for pid in $(cat "$out/osd.pid" 2>/dev/null) $mon; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$short" "$out/cluster" "$out/osd.pid"
}

# A test may start another OSD, and runs in a subshell.
start_osd() { # and wait until it serves
    osd_start >>"$out/cluster.log" 2>&1 && echo "$osd" >"$out/osd.pid" && timeout 120 rbd -c "$conf" ls >/dev/null
}

rbd() { timeout 120 rbd -c "$conf" --no-progress "$@"; }
sum() { sha256sum | cut -d ' ' -f 1; }

kill_osd() {
    local i
    for ((i = 0; i < kills; i++)); do
        sleep 0.$((RANDOM % 9 + 1)) # where it hits is what the test varies
        osd_kill
        sleep 0.$((RANDOM % 5)) # as does the length of the pause
        start_osd || { echo "the OSD does not start"; return 1; }
        kill -0 "$machine" 2>/dev/null || { echo "the machine ended after $i kills"; return 1; }
    done
}

run_test() { # in a subshell of its own
    local keys="rbd=rbd/$1,conf=$conf" status=0
    trap end_test EXIT
    osd=$(cat "$out/osd.pid")
    rm -f "$out"/{pollux,console,qemu,server}.log "$short"/*
    rbd create --size 64M "$1" || return
    case $1 in
    abi)
        [ -e /usr/include/rbd/librbd.h ] || { echo "SKIP librbd-dev is not installed"; return; }
        cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$top" -c -o "$out/abi.o" "$here/abi.c"
        ;;
    verify) verify "$keys,queues=2,discard=unmap" ;;
    threads)
        verify "$keys,iothread=a:b,cache=writethrough" --iothread id=a,poll-policy=fixed --iothread id=b
        ;;
    discard)
        start_back_end "$keys,discard=unmap" && start_machine discard 1 step=blkdiscard && verdict discard
        ;;
    export) # what the guest read last is what the cluster has
        start_back_end "$keys,discard=unmap" && start_machine checksum 1 && verdict checksum || return
        [ "$(sed -n 's/.*POLLUX-SUM \([0-9a-f]*\).*/\1/p' "$out/console.log")" = "$(rbd export "$1" - | sum)" ] ||
            { echo "rbd export differs from what the guest wrote"; return 1; }
        ;;
    resize)
        start_back_end "$keys" && start_machine resize 1 bytes=$((96 << 20)) &&
            await_line "POLLUX-GUEST sees $((64 << 20)) bytes" && rbd resize --size 96M "$1" && verdict resize
        ;;
    snapshot)
        rbd snap create "$1@s" && ! "$pollux" vhost-user --disk "rbd=rbd/$1@s,conf=$conf,socket=$socket" 2>&1 |
            grep -v 'readonly=on' && start_back_end "rbd=rbd/$1@s,conf=$conf,readonly=on" &&
            start_machine readonly 1 && verdict readonly
        ;;
    lock)
        start_back_end "$keys" || return
        "$pollux" vhost-user --disk "$keys,socket=$short/second.sock" >>"$out/server.log" 2>&1 && status=1
        grep -q 'is in use by another client' "$out/server.log" || status=1
        # Another client does not take the lock over to write.
        timeout 60 rbd -c "$conf" bench --io-type write --io-total 4K "$1" >>"$out/server.log" 2>&1 && status=1
        end_back_end && [ $status = 0 ] && start_back_end "$keys" && end_back_end
        ;;
    kill)
        LIMIT=$((kills * 25 + 300)) # a cluster takes some seconds to get over it, and more on a busy machine
        start_back_end "$keys,queues=2" && start_machine reconnect 2 seconds=$((kills * 25)) &&
            await_line "fio starts" && kill_osd && verdict reconnect
        ;;
    gone)
        sed 's/^\[client\]/&\nrados osd op timeout = 2/' "$conf" >"$short/ceph.conf"
        start_back_end "rbd=rbd/$1,conf=$short/ceph.conf" &&
            start_machine disk-errors 1 expect=vda:w+vmr-w-mw+v && await_line POLLUX-MEND || return
        osd_kill
        answer_guest
        until [ "$(grep -c POLLUX-MEND "$out/console.log")" -gt 1 ]; do
            kill -0 "$machine" 2>/dev/null || break
            sleep 0.1
        done
        start_osd && answer_guest && verdict disk-errors
        ;;
    sigterm)
        start_back_end "$keys" && start_machine reconnect 1 seconds=60 && await_line "fio starts" &&
            kill -STOP "$osd" && await_in_flight && kill -TERM "$back_end" || return
        ! wait "$back_end" || status=1 # with requests that nobody answers it gives up, and says so
        kill -CONT "$osd"
        [ $status = 0 ] && await "$out/pollux.log" 'are given up' 0
        ;;
    connecting)
        sed 's/^mon host = .*/mon host = v1:127.0.0.1:1/' "$conf" >"$short/ceph.conf"
        "$pollux" vhost-user --disk "rbd=rbd/$1,conf=$short/ceph.conf,socket=$socket" 2>>"$out/pollux.log" &
        back_end=$!
        until grep -qs msgr-worker /proc/"$back_end"/task/*/comm; do
            kill -0 "$back_end" || { echo 'it ended before it connected'; return 1; }
            sleep 0.1
        done
        kill -TERM "$back_end"
        wait "$back_end" || status=$?
        back_end=''
        [ $status = 143 ] || { echo "SIGTERM did not end it: status $status"; return 1; }
        ;;
    *) echo "no test $1; there are:" $ALL; return 1 ;;
    esac
}

for program in ceph-mon:ceph-mon ceph-osd:ceph-osd ceph:ceph-common rbd:ceph-common \
    qemu-system-x86_64:qemu-system-x86; do
    need "${program%:*}" "${program#*:}" || exit 0
done
ldconfig -p | grep -q librbd.so.1 || { echo "SKIP librbd1 is not installed"; exit 0; }
rm -rf "$out/cluster"
trap end_all EXIT
cluster_make "$out/cluster" >"$out/cluster.log" 2>&1 ||
    { echo "FAIL rbd: the cluster does not start"; tail -n 20 "$out/cluster.log"; exit 1; }
echo "$osd" >"$out/osd.pid"
run_all rbd "${tests[@]}"
