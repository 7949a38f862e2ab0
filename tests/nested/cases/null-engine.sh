#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk without a file: engine=null.
. "$CASES/../guest.sh"

boot boot initrd.img "pollux.size=$((1 << 30))" --cpus 1 \
    --iothread "$(io_thread io0)" --disk "engine=null,size=1G,iothread=io0"
