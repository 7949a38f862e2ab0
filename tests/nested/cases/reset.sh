#!/bin/sh
# SPDX-License-Identifier: MIT
# A reset by the guest ends `run` with 0, as a power-off does.
. "$CASES/../guest.sh"

make_disk disk.img 16
boot boot initrd.img "pollux.then=reset" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
grep -q 'reboot: machine restart\|reboot: Restarting system' "$WORK/console" ||
    fail "the guest did not leave through a reset"
