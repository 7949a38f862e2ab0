#!/bin/bash
# SPDX-License-Identifier: MIT
# Run the long tests and make a table of what they found.
#
#   long.sh [--pollux FILE] [--guest DIR] [--kills N] [--with COMMAND] [PART...]
#
# The parts are verify, discard and kills; without any, all are run. What each run printed stays in
# build/nested/long, so that parts can be repeated one by one; the table is made from all of it. COMMAND
# is put before each run: "nice", "flock FILE". Ends with 1 when a test failed or had to be skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
pollux=$top/build/pollux
guest=$top/build/guest-linux
kills=100
with=
out=$top/build/nested/long
parts=()
SLICE=10     # kills for one outer machine and its images
LIMIT=600    # seconds for one guest

usage() { sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
    --pollux | --guest | --kills | --with)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        declare "${1#--}=$2"
        shift
        ;;
    --help | -h) usage; exit 0 ;;
    verify | discard | kills) parts+=("$1") ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
[ ${#parts[@]} -gt 0 ] || parts=(verify discard kills)
mkdir -p "$out"
status=0

about() {
    echo "date $(date -u +%F)"
    echo "pollux $(git -C "$top" describe --always --dirty 2>/dev/null || echo "without git")"
    echo "linux $(cat "$guest/version")"
    echo "fio $(sed -n 's/^fio_\([^_]*\)_.*/\1/p' "$guest/packages.stamp")"
    echo "qemu $(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')"
}

run() { # NAME TEST [run.sh option...]
    local name=$1 test=$2
    shift 2
    {
        about
        # shellcheck disable=SC2086
        $with "$here/run.sh" --on qemu --pollux "$pollux" --guest "$guest" --limit $LIMIT "$@" "$test" || true
    } 2>&1 | tee "$out/$name.log"
    grep -q "^PASS $test" "$out/$name.log" || status=1
}

for part in "${parts[@]}"; do
    case $part in
    verify)
        for ring in split packed; do
            for queues in 1 4; do run "verify-$ring-$queues" "long/verify-$ring-$queues"; done
        done
        ;;
    discard) for ring in split packed; do run "discard-$ring" "long/discard-$ring"; done ;;
    kills)
        rm -f "$out"/kills-*.log
        for ((first = 0; first < kills; first += SLICE)); do
            n=$((kills - first < SLICE ? kills - first : SLICE))
            run "kills-$first" kills --set KILLS=$n --set FIRST=$first
        done
        ;;
    esac
done

"$here/verified.sh" "$out" | tee "$out/table.md"
exit $status
