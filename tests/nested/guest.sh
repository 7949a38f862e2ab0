#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Sourced by the cases (POSIX sh; inside the outer machine it is busybox's). A case ends with 0 when
# it passed, or through fail or skip. The runner sets POLLUX (the command), GUEST (directory with
# vmlinuz and the initrds), WORK (an empty directory on a file system that has O_DIRECT) and LIMIT
# (seconds that one guest may take).

fail() { echo "$*" >"$WORK/why"; exit 1; }
skip() { echo "$*" >"$WORK/why"; exit 77; }

# note TEXT: the run shows it at once, whatever becomes of the case.
note() { echo "LOG $NAME $*" >&3; }

# make_disk NAME MIB: an image of zeroes in $WORK.
make_disk() { truncate -s "$(($2 << 20))" "$WORK/$1" || fail "cannot make the disk image $1"; }

# hear: is given what the console says while the guest runs. A case that reacts to it has its own.
hear() { cat; }

# boot TEST INITRD APPEND [pollux option...]: boot the guest, let it run its test TEST, and fail
# unless it passed and the machine then ended well. The console is left in $WORK/console; what is
# written to $KEYBOARD, if there is one, the guest reads.
boot() {
    local name="$1" initrd="$2" append="$3" status line
    shift 3

    echo "--- $POLLUX run, guest test $name"
    : >"$WORK/console" # hear must not find the output of an earlier boot
    # Through tee, so that the console is seen even where the machine around it hangs.
    {
        timeout -k 5 "$LIMIT" "$POLLUX" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/$initrd" \
            --append "console=ttyS0 ${VERBOSITY-quiet} panic=-1 pollux.run=$name $append" "$@" \
            <"${KEYBOARD:-/dev/null}" 2>&1
        echo $? >"$WORK/status"
    } | tee "$WORK/console" | hear
    status=$(cat "$WORK/status")

    line=$(tr -d '\r' <"$WORK/console" | grep -o "POLLUX-TEST $name .*" | head -n 1)
    case $line in
    "POLLUX-TEST $name PASS") ;;
    "POLLUX-TEST $name SKIP "*) skip "guest: ${line#*SKIP }" ;;
    "POLLUX-TEST $name FAIL "*) fail "guest: ${line#*FAIL }" ;;
    *)
        [ $status -eq 124 ] || [ $status -eq 143 ] || [ $status -eq 137 ] &&
            fail "no result within $LIMIT s"
        fail "the guest ended without a result; pollux's status is $status"
        ;;
    esac
    [ $status -eq 0 ] || fail "the guest passed, but pollux run ended with status $status"
}

# data_sum: what the guest's filesystem test said about its files.
data_sum() { tr -d '\r' <"$WORK/console" | sed -n 's/.*POLLUX-DATA //p'; }

io_thread() { echo "id=$1,poll-max-ns=32768,poll-policy=grow-shrink"; }
# TRANSPORT=mmio or pci chooses the transport of all disks but those whose case names one.
file_disk() {
    echo "file=$WORK/$1,iothread=$2,engine=linux-aio,cache=none${TRANSPORT:+,transport=$TRANSPORT}"
}
