#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Boot the Debian disk, log in on its serial console, let fio verify what it wrote, power off.
#
#   session.sh POLLUX DIR DISK WORK     DIR has vmlinuz and initrd.img; the guest writes to DISK
#
# Runs on the host, and under busybox in the outer machine. Prints the console; ends with 0 if every
# step was seen and the machine ended with status 0, else with 1 and the step that was not.
pollux=$1 dir=$2 disk=$3 work=$4
console=$work/console

mkdir -p "$work"
rm -f "$work/keyboard" "$console"
mkfifo "$work/keyboard" || exit 1
: >"$console"
"$pollux" run --kernel "$dir/vmlinuz" --initrd "$dir/initrd.img" \
    --append "console=ttyS0 root=/dev/vda rw" --memory 1G --disk "file=$disk" \
    <"$work/keyboard" >"$console" 2>&1 &
pid=$!
exec 8>"$work/keyboard"
tail -f "$console" &
viewer=$!

end() { # STATUS WORD...
    local status=$1
    shift
    kill "$pid" 2>/dev/null
    kill "$viewer"
    echo
    echo "debian: $*"
    exit "$status"
}

# A prompt has no line feed, so that the file is searched until the text is in it.
expect() { # TEXT
    until grep -q -- "$1" "$console"; do
        kill -0 "$pid" 2>/dev/null || end 1 "the machine ended before '$1'"
        sleep 1
    done
    echo
    echo "debian: saw '$1'"
}

type_line() { echo "$1" >&8; }

# The sums keep the echo of the typed line from being taken for its output.
expect "debian login:"
type_line root
expect "root@debian:~#"
type_line "systemctl is-system-running; echo systemd \$((6 * 7))"
expect "systemd 42"
type_line "fio --name=verify --filename=/root/fio --size=8M --rw=randwrite --bs=4k --direct=1 \
--ioengine=libaio --iodepth=4 --verify=crc32c --do_verify=1 >/tmp/fio.log && echo verified \$((6 * 8))"
expect "verified 48"
type_line poweroff
wait "$pid"
status=$?
[ $status -eq 0 ] || end 1 "pollux run ended with status $status"
end 0 "the guest logged in, fio verified its data, the machine powered off"
