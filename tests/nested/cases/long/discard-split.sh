#!/bin/sh
# SPDX-License-Identifier: MIT
# fstrim and blkdiscard free blocks of the image with every engine and cache mode: split rings.
. "$CASES/../cells.sh"

discard_cells split
