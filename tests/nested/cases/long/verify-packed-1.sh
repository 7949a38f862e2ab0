#!/bin/sh
# SPDX-License-Identifier: MIT
# fio with checksums on every engine and cache mode: packed rings, 1 queue.
. "$CASES/../cells.sh"

verify_cells packed 1
