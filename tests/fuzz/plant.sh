#!/bin/sh
# SPDX-License-Identifier: MIT
#
# plant.sh TARGET - print the source that TARGET's row in tests/fuzz/plants names, with the bug in it
#
# Fails if the product has changed so that the row fits no more.

row=$(grep "^$1[[:space:]]" tests/fuzz/plants) || { echo "plants: no row for $1" >&2; exit 1; }
# shellcheck disable=SC2086 # the row's words
set -f -- $row
file=$2
shift 2
edit=$*
sed "$edit" "$file" | cmp -s - "$file" && {
    echo "plants: the row for $1 changes nothing in $file: $edit" >&2
    exit 1
}
exec sed "$edit" "$file"
