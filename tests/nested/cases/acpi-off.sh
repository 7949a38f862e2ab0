#!/bin/sh
# SPDX-License-Identifier: MIT
# With acpi=off a stock kernel has one CPU, no disk and no power-off, and Pollux says so in one line.
. "$CASES/../guest.sh"

make_disk disk.img 16
mkfifo "$WORK/in" "$WORK/out" || fail "cannot make a fifo"
timeout -k 5 "$LIMIT" "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initrd.img" \
    --append "console=ttyS0 quiet panic=-1 pollux.run=shell acpi=off" --cpus 2 \
    --disk "file=$WORK/disk.img" <"$WORK/in" >"$WORK/out" 2>&1 &
pid=$!
exec 8>"$WORK/in" 7<"$WORK/out"
lines=0 cpus='' halted=''
while read -r line <&7; do
    echo "$line"
    case $line in
    "pollux: acpi=off: the guest has one CPU, cannot power off, and finds disks only with "*)
        lines=$((lines + 1)) ;;
    *"busybox shell"*)
        # shellcheck disable=SC2016
        echo 'echo "there are $(grep -c ^processor /proc/cpuinfo) and $(ls /sys/block | wc -l)"
            poweroff -f' >&8 ;;
    *"there are 1 and 0"*) cpus=1 ;;
    *"System halted"*)
        halted=yes
        kill $pid ;;
    esac
done
wait $pid
[ $lines = 1 ] || fail "$lines lines on what the guest lacks"
[ -n "$cpus" ] || fail "the guest has not one CPU and no disk"
[ -n "$halted" ] || fail "the guest did not halt"
