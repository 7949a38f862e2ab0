#!/bin/sh
# SPDX-License-Identifier: MIT
# fio with checksums on every engine and cache mode: split rings, 1 queue.
. "$CASES/../cells.sh"

verify_cells split 1
