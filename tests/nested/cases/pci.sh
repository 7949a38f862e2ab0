#!/bin/sh
# SPDX-License-Identifier: MIT
# A stock kernel finds 31 disks on the PCI bus, keeps their BARs, gives each queue an MSI-X interrupt,
# follows a disk that grows, and removes and finds a disk again. With pci=off it has the virtio-mmio disk.
. "$CASES/../guest.sh"

# say COMMAND...: the guest's shell runs it and prints "is: RESULT".
say() { echo "echo is: \$($*)" >&8; }

# start APPEND OPTION...: the guest's shell, with its input on 8 and its output on 7.
start() {
    append=$1
    shift
    rm -f "$WORK/in" "$WORK/out"
    mkfifo "$WORK/in" "$WORK/out" || fail "cannot make a fifo"
    timeout -k 5 "$LIMIT" "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initrd.img" \
        --append "console=ttyS0 quiet panic=-1 pollux.run=shell $append" "$@" \
        <"$WORK/in" >"$WORK/out" 2>&1 &
    pid=$!
    exec 8>"$WORK/in" 7<"$WORK/out"
}

# hear_until TEXT: print what the guest says up to a line with TEXT.
hear_until() {
    while read -r line <&7; do
        echo "$line"
        case $line in *"$1"*) return ;; esac
    done
    fail "the guest did not say: $1"
}

# machine: the process id of pollux. busybox's timeout becomes the program, other ones start it.
machine() {
    if [ "$(cat /proc/$pid/comm)" = pollux ]; then echo $pid; else cat /proc/$pid/task/$pid/children; fi
}

make_disk disk.img 16
set --
while [ $# -lt 60 ]; do set -- "$@" --disk engine=null,size=16M,transport=pci; done
start "" --cpus 2 --disk "file=$WORK/disk.img,transport=pci,queues=2" "$@"
hear_until "busybox shell"
say 'ls -d /sys/block/vd* | wc -l'
hear_until "is: 31"
say 'dd if=/dev/vdae of=/dev/null bs=1M 2>&1 | tail -n 1'
hear_until "is: 16+0 records out"
say 'ls /sys/bus/pci/devices | wc -l; sed -n 1p /sys/bus/pci/devices/0000:00:1f.0/resource'
hear_until "is: 32 0x00000000d10f0000 0x00000000d10f7fff"
say 'grep -c PCI-MSI.*virtio0-req /proc/interrupts'
hear_until "is: 2"
echo 'cd /sys/bus/pci/drivers/virtio-pci; echo 0000:00:01.0 >unbind; ls /sys/block/vda
    echo 0000:00:01.0 >bind; cd /' >&8
hear_until "No such file"
say 'dd if=/dev/vda of=/dev/null bs=1M 2>&1 | tail -n 1'
hear_until "is: 16+0 records out"
truncate -s 32M "$WORK/disk.img"
kill -HUP "$(machine)" || fail "cannot signal the machine"
echo 'until [ $(cat /sys/block/vda/size) = 65536 ]; do sleep 0.1; done; echo is: grown; poweroff -f' >&8
hear_until "is: grown"
wait $pid || fail "pollux run ended with status $?"

start pci=off --disk "file=$WORK/disk.img,transport=mmio" --disk engine=null,size=16M,transport=pci
hear_until "busybox shell"
say 'cat /sys/block/vd*/size'
hear_until "is: 65536"
echo 'poweroff -f' >&8
wait $pid || fail "pollux run ended with status $?"
