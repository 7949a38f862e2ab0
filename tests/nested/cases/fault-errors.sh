#!/bin/sh
# SPDX-License-Identifier: MIT
# Every kind of disk error under every policy, each on a disk of its own: the guest sees what
# docs/faults.md says, and the two disks that stop the machine go on when they are mended.
# shellcheck shell=dash
. "$CASES/../faults.sh"

SECTORS=8192 # 4 MiB; the faults are at 1 MiB

flakey() { # NAME FEATURE...: all writes fail
    local name="$1"
    shift
    loop_disk "$name.base" 4
    map "$name" $SECTORS flakey "$WORK/$name.base" 0 0 1 "$@"
}
sparse() { # NAME: an image without a block, and no free block to be had
    small_fs "$1.fs" 8
    fill_fs "$1.fs"
    truncate -s 4M "$WORK/$1.fs/image" || fail "cannot make an image"
}

# A block that cannot be read, for those who only read.
DEBUG=/sys/bus/pseudo/drivers/scsi_debug
load sd_mod
load scsi_debug dev_size_mb=8 opts=2 medium_error_start=2048 medium_error_count=8
at_end rmmod scsi_debug
scsi_disk() { [ -b /dev/"$(basename "$DEBUG"/adapter0/host*/target*/*/block/*)" ]; }
soon scsi_disk || fail "scsi_debug has no disk"
scsi=/dev/$(basename "$DEBUG"/adapter0/host*/target*/*/block/*)

flakey vdc 1 error_writes
flakey vdd 1 error_writes
flakey vde 1 error_writes
flakey vdi 1 error_writes
# A loop device through the page cache, on a device that fails.
flakey vdl 1 error_writes
loop_of vdl /dev/mapper/vdl
sparse vdf
sparse vdj

# The file under the loop device ends before the device does.
loop_disk vdg 4
truncate -s 512K "$WORK/vdg.file"

# The file under the loop device has a hole that cannot be filled. The loop device says EIO (Linux 6.1) or
# ENOSPC (6.12): under werror=report the guest sees an error after either.
small_fs vdh.fs 16
dd if=/dev/zero of="$WORK/vdh.fs/file" bs=1M count=4 conv=fsync 2>/dev/null || fail "cannot write"
loop_of vdh "$WORK/vdh.fs/file"
blkdiscard -o $((1 << 20)) -l $((1 << 20)) "$WORK/vdh" || fail "cannot punch a hole"
fill_fs vdh.fs

mend() {
    case $1 in
    vd[cdeil]) remap "$1" $SECTORS linear "$WORK/$1.base" 0 ;;
    vdf | vdh | vdj) empty_fs "$1.fs" ;;
    vdg) truncate -s 4M "$WORK/vdg.file" ;;
    vdk) echo 0 >$DEBUG/opts ;;
    esac
}
hear() {
    while read -r line; do
        echo "$line"
        line=${line%"$CR"}
        case $line in
        "POLLUX-MEND "*) mend "${line#POLLUX-MEND }"; answer ;;
        *"pollux: paused: disk9 "*) mend vdj; go_on "$line" ;;
        *"pollux: paused: disk10 "*) mend vdk; go_on "$line" ;;
        esac
    done
}
keyboard
export VERBOSITY="quiet loglevel=2" # the kernel's I/O errors would cut into what the test says

aio=iothread=io0,engine=linux-aio
uring=iothread=io0,engine=io_uring
threads=iothread=io0,engine=threads
boot disk-errors initrd.img "pollux.expect=vda:r-,vdb:r+,vdc:w-mw+v,vdd:w+xmw+v,vde:w-mw+v,vdf:w-mw+v,\
vdg:r-mr+,vdh:w-mw+v,vdi:w+f-mf-,vdj:w+v,vdk:r+,vdl:w+f-mf-" --cpus 1 --stats --iothread "$(io_thread io0)" \
    --disk "file=$scsi,$aio,readonly=on,rerror=report" \
    --disk "file=$scsi,$uring,readonly=on,rerror=ignore" \
    --disk "file=/dev/mapper/vdc,$aio,werror=report" \
    --disk "file=/dev/mapper/vdd,$threads,werror=ignore" \
    --disk "file=/dev/mapper/vde,$uring" \
    --disk "file=$WORK/vdf.fs/image,$aio,werror=report" \
    --disk "file=$WORK/vdg,$uring,rerror=report" \
    --disk "file=$WORK/vdh,$aio,werror=report" \
    --disk "file=/dev/mapper/vdi,$threads,cache=writeback,werror=stop" \
    --disk "file=$WORK/vdj.fs/image,$uring,werror=stop" \
    --disk "file=$scsi,$threads,readonly=on,rerror=stop" \
    --disk "file=$WORK/vdl,iothread=io0,cache=none,werror=stop"
grep -q "disk11: .*/vdl is in the host's page cache in spite of O_DIRECT.*engine is threads" "$WORK/console" ||
    fail "the page cache under disk11 was not found out"
[ "$(pauses)" -eq 2 ] || fail "the machine paused $(pauses) times, not for 2 disks"
[ "$(grep -c ' 0 in flight, 0 of them held' "$WORK/console")" -eq 12 ] || fail "requests were left"
