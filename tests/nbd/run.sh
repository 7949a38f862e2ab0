#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks on NBD servers, and images of other formats than raw: `pollux vhost-user` with real servers, and
# the test Linux guest in QEMU without KVM.
#
#   run.sh [--pollux FILE] [--guest DIR] [--kills N] [TEST...]
#   run.sh --list
#
# Each test starts server, back end and machine anew. The test kill ends the server by SIGKILL N times
# (20) while fio in the guest writes and verifies. A test whose server is not installed is skipped, with
# the name of the package. Ends with 1 when a test failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pollux=$top/build/pollux
guest=$top/build/guest-linux
out=$top/build/nbd
kills=20
tests=()
ALL="memory discard delay threads error tls qemu-nbd nbd-server qcow2 kill gone held helper-ends
    helper-killed sigterm connecting resize"

usage() { sed -n '3,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

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

# The socket has a short name: the path of a socket has at most 107 bytes.
short=$(mktemp -d /tmp/nbd.XXXXXX)
mkdir -p "$out"
socket=$short/disk.sock server_socket=$short/nbd.sock image=$out/disk.img
uri="nbd+unix:///?socket=$server_socket"
server=''
# shellcheck source=tests/nbd/guest.sh
. "$here/guest.sh"

end_all() {
    [ -z "$machine" ] || kill -TERM "$machine" 2>/dev/null || true # timeout passes it on to QEMU
    for pid in $back_end $server; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}
trap 'end_all; rm -rf "$short"' EXIT

start_server() { # COMMAND...
    rm -f "$server_socket"
    "$@" >>"$out/server.log" 2>&1 &
    server=$!
    until grep -q " 00010000 .* $server_socket\$" /proc/net/unix; do # it listens
        kill -0 "$server" 2>/dev/null || { echo "the server ended: $(tail -n 1 "$out/server.log")"; return 1; }
        sleep 0.05
    done
}

start_nbdkit() { start_server nbdkit --foreground --unix "$server_socket" "$@"; }

end_server() {
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    server=''
}

# The server keeps the file in the host's page cache when it is killed.
kill_server() {
    local i
    for ((i = 0; i < kills; i++)); do
        sleep 0.$((RANDOM % 9 + 1)) # where it hits is what the test varies
        end_server
        sleep 0.$((RANDOM % 5)) # as does the length of the pause
        : >"$out/server.log"
        start_nbdkit file "$image" || return 1
        until [ "$(grep -c 'connected to' "$out/pollux.log")" -gt "$i" ]; do
            kill -0 "$machine" 2>/dev/null || { echo "the machine ended after $i kills"; return 1; }
            sleep 0.1
        done
    done
}

make_qcow2() {
    qemu-img create -q -f qcow2 "$out/base.qcow2" 64M &&
        qemu-io -c 'write -P 5 40M 1M' "$out/base.qcow2" >/dev/null &&
        qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$out/top.qcow2" &&
        base_sum=$(sha256sum "$out/base.qcow2")
}

check_qcow2() {
    local file
    for file in base top; do
        qemu-img check -q "$out/$file.qcow2" || { echo "qemu-img check of $file.qcow2 failed"; return 1; }
    done
    [ "$(sha256sum "$out/base.qcow2")" = "$base_sum" ] || { echo "the backing file has changed"; return 1; }
    qemu-io -c 'read -P 5 40M 1M' "$out/top.qcow2" | grep -q 'Pattern verification failed' &&
        { echo "data of the backing file is lost"; return 1; }
    # What the guest wrote is in the overlay.
    [ "$(qemu-img compare -q "$out/base.qcow2" "$out/top.qcow2"; echo $?)" = 1 ]
}

run_test() { # in a subshell of its own
    trap end_all EXIT
    rm -f "$out"/*.log "$out"/*.qcow2 "$short"/* "$image"
    truncate -s 64M "$image"
    need qemu-system-x86_64 qemu-system-x86 || return
    case $1 in
    memory | discard | delay | threads | error | tls | kill | gone | held | sigterm | connecting | resize) need nbdkit nbdkit ;;
    qemu-nbd | qcow2 | helper-ends | helper-killed) need qemu-nbd qemu-utils ;;
    nbd-server) need nbd-server nbd-server ;;
    esac || return
    case $1 in
    memory) start_nbdkit memory 64M && verify "nbd=$uri,queues=2,discard=unmap" ;;
    discard)
        start_nbdkit memory 64M && start_back_end "nbd=$uri,discard=unmap" &&
            start_machine discard 1 step=blkdiscard && verdict discard
        ;;
    delay) start_nbdkit --filter=delay memory 64M rdelay=2ms wdelay=5ms && verify "nbd=$uri,queues=2" ;;
    threads)
        start_nbdkit memory 64M &&
            verify "nbd=$uri,iothread=a:b,cache=directsync" --iothread id=a,poll-policy=fixed --iothread id=b
        ;;
    error)
        start_nbdkit --filter=error memory 64M error-pwrite=EIO error-pwrite-rate=100% \
            "error-file=$short/trigger" && start_back_end "nbd=$uri" &&
            start_machine disk-errors 1 expect=vda:mw-xr+ && await_line POLLUX-MEND &&
            touch "$short/trigger" && answer_guest && verdict disk-errors
        ;;
    tls)
        need psktool gnutls-bin || return
        psktool -u alice -p "$short/keys.psk" >/dev/null &&
            start_nbdkit --tls=require --tls-psk="$short/keys.psk" memory 64M &&
            verify "nbd=nbds+unix://alice@/?socket=$server_socket&tls-psk-file=$short/keys.psk,queues=2"
        ;;
    qemu-nbd)
        start_server qemu-nbd -f raw -k "$server_socket" -t --discard=unmap "$image" &&
            verify "nbd=$uri,queues=2,discard=unmap"
        ;;
    nbd-server)
        printf '[generic]\nunixsock = %s\n[a]\nexportname = %s\nfilesize = %d\ntrim = true
flush = true\nfua = true\n' "$server_socket" "$image" $((64 << 20)) >"$out/nbd-server.conf"
        start_server nbd-server -d -C "$out/nbd-server.conf" &&
            verify "nbd=nbd+unix:///a?socket=$server_socket,queues=2,discard=unmap"
        ;;
    qcow2)
        make_qcow2 && verify "file=$out/top.qcow2,format=qcow2,queues=2,discard=unmap" && check_qcow2
        ;;
    kill)
        start_nbdkit file "$image" && start_back_end "nbd=$uri,queues=2" &&
            start_machine reconnect 2 seconds=$((kills * 3 + 5)) &&
            await_line "fio starts" && kill_server && verdict reconnect
        ;;
    gone)
        start_nbdkit memory 64M && start_back_end "nbd=$uri,reconnect-timeout=2s" &&
            start_machine disk-errors 1 expect=vda:w+vmr-w- && await_line POLLUX-MEND &&
            end_server && answer_guest && verdict disk-errors &&
            await "$out/pollux.log" 'fail until it answers again' 0
        ;;
    held)
        start_nbdkit file "$image" && start_back_end "nbd=$uri,reconnect-timeout=1s,werror=stop" &&
            start_machine disk-errors 1 expect=vda:w+vmw+v && await_line POLLUX-MEND &&
            end_server && answer_guest && await_log 'kill -CONT' &&
            start_nbdkit file "$image" && await_log 'connected to' && kill -CONT "$back_end" &&
            verdict disk-errors
        ;;
    helper-ends)
        make_qcow2 && start_back_end "file=$out/top.qcow2,format=qcow2" &&
            start_machine disk-errors 1 expect=vda:w+vmr-w- && await_line POLLUX-MEND &&
            pkill -KILL -P "$back_end" && answer_guest && verdict disk-errors &&
            await "$out/pollux.log" 'qemu-nbd has ended' 0
        ;;
    helper-killed) # qemu-nbd ends with Pollux, and no file stays
        local before=(/tmp/pollux-*/nbd) after helper
        make_qcow2 && start_back_end "file=$out/top.qcow2,format=qcow2" || return
        helper=$(pgrep -P "$back_end")
        kill -KILL "$back_end"
        while kill -0 "$helper" 2>/dev/null; do sleep 0.1; done
        after=(/tmp/pollux-*/nbd)
        [ "${before[*]}" = "${after[*]}" ] || { echo "files stay: ${after[*]}"; return 1; }
        ;;
    resize)
        start_nbdkit file "$image" && start_back_end "nbd=$uri" &&
            start_machine resize 1 bytes=$((96 << 20)) &&
            await_line "POLLUX-GUEST sees $((64 << 20)) bytes" && truncate -s 96M "$image" &&
            kill -HUP "$back_end" && verdict resize
        ;;
    connecting) # to a server that is silent
        start_nbdkit memory 64M || return
        kill -STOP "$server"
        "$pollux" vhost-user --disk "nbd=$uri,socket=$socket" 2>>"$out/pollux.log" &
        back_end=$!
        until find /proc/"$back_end"/fd -lname 'socket:*' | grep -q .; do
            kill -0 "$back_end" || { echo 'it ended before it connected'; return 1; }
            sleep 0.1
        done
        kill -TERM "$back_end"
        local status=0
        wait "$back_end" || status=$?
        back_end=''
        [ $status = 143 ] || { echo "SIGTERM did not end it: status $status"; return 1; }
        ;;
    sigterm)
        start_nbdkit memory 64M && start_back_end "nbd=$uri" && start_machine reconnect 1 seconds=60 &&
            await_line "fio starts" && kill -STOP "$server" && await_in_flight &&
            kill -TERM "$back_end" || return
        # With requests that nobody answers it gives up, and says so.
        ! wait "$back_end" && await "$out/pollux.log" 'are given up' 0
        ;;
    *) echo "no test $1; there are:" $ALL; return 1 ;;
    esac
}

run_all nbd "${tests[@]}"
