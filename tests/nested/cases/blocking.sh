#!/bin/sh
# SPDX-License-Identifier: MIT
# The same data check with polling off: every request goes through eventfds and ppoll.
. "$CASES/../guest.sh"

make_disk disk.img 64
boot filesystem initrd.img "" --cpus 1 \
    --iothread id=io0,poll-max-ns=0 --disk "$(file_disk disk.img io0)"
