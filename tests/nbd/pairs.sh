#!/bin/bash
# SPDX-License-Identifier: MIT
# `pollux vhost-user` against qemu-storage-daemon on the same NBD server: nbdkit's memory plugin at a Unix
# socket. The client is `qemu-img bench` with libblkio (QEMU 7.2 or newer with virtio-blk-vhost-user), at
# depth 1 and 32, blocking and polling, in turn. Prints medians of the ratios. For a quiet machine.
#
#   pairs.sh [--pollux FILE] [--pairs N] [--uri URI] [--image-opts OPTS]
#
# QEMU_IMG and QSD are the commands of qemu-img and qemu-storage-daemon. --uri and --image-opts name another
# disk, for Pollux (--disk) and for QEMU (--blockdev).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pollux=$top/build/pollux
pairs=7
size=256M
disk='' blockdev=''
read -ra qemu_img <<<"${QEMU_IMG:-qemu-img}"
read -ra qsd <<<"${QSD:-qemu-storage-daemon}"

usage() { sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || { usage; exit 2; }
    case $1 in
    --pollux | --pairs) declare "${1#--}=$2" ;;
    --uri) disk=$2 ;;
    --image-opts) blockdev=$2 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift 2
done

short=$(mktemp -d /tmp/pairs.XXXXXX)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$short"' EXIT

start() { # SOCKET COMMAND...
    local socket=$1
    shift
    "$@" >>"$short/log" 2>&1 &
    pids+=($!)
    until [ -S "$socket" ]; do
        kill -0 $! 2>/dev/null || { cat "$short/log" >&2; exit 1; }
        sleep 0.05
    done
}

start_pollux() { # NAME IOTHREAD-KEYS
    start "$short/pollux-$1" "$pollux" vhost-user --iothread "id=io0,$2" --disk "$disk,socket=$short/pollux-$1"
}

start_qemu() { # NAME POLL-MAX-NS
    start "$short/qemu-$1" "${qsd[@]}" --object "iothread,id=io0,poll-max-ns=$2" \
        --blockdev "$blockdev,node-name=disk,cache.direct=on" \
        --export "vhost-user-blk,id=export,node-name=disk,iothread=io0,addr.type=unix,addr.path=$short/qemu-$1,writable=on"
}

iops() { # SOCKET DEPTH REQUESTS
    "${qemu_img[@]}" bench -c "$3" -d "$2" -s 4096 --image-opts \
        "driver=virtio-blk-vhost-user,path=$1,cache.direct=on" |
        awk -v n="$3" '/Run completed in/ { printf "%.0f\n", n / $4 }'
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

if [ -z "$disk" ]; then
    start "$short/nbd" nbdkit --foreground --unix "$short/nbd" memory "$size"
    disk="nbd=nbd+unix:///?socket=$short/nbd"
    blockdev="driver=nbd,server.type=unix,server.path=$short/nbd"
fi
start_pollux block poll-policy=block
start_pollux poll poll-policy=cost
start_qemu block 0
start_qemu poll 32768

echo "load at the beginning: $(cut -d ' ' -f 1-3 /proc/loadavg)"
for depth in 1 32; do
    for mode in block poll; do
        requests=$((depth == 1 ? 30000 : 150000))
        rm -f "$short"/{pollux,qemu,ratio}.n
        for ((i = 0; i < pairs; i++)); do
            for vmm in $( ((i % 2)) && echo qemu pollux || echo pollux qemu); do
                iops "$short/$vmm-$mode" $depth $requests >"$short/$vmm.last"
                cat "$short/$vmm.last" >>"$short/$vmm.n"
            done
            paste "$short/pollux.last" "$short/qemu.last" | awk '{ printf "%.2f\n", $1 / $2 }' >>"$short/ratio.n"
        done
        echo "depth $depth, $mode: Pollux $(median <"$short/pollux.n"), QEMU $(median <"$short/qemu.n") IOPS;" \
            "ratio $(median <"$short/ratio.n") ($(sort -g "$short/ratio.n" | sed -n '1p;$p' | paste -sd -))"
    done
done
echo "load at the end: $(cut -d ' ' -f 1-3 /proc/loadavg)"
