#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make demo` shows.
. "$CASES/../guest.sh"

export VERBOSITY=
make_disk disk.img 64
boot demo initrd.img "" --cpus 2 \
    --iothread "$(io_thread io0)" --disk "$(file_disk disk.img io0)"
