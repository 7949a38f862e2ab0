#!/bin/sh
# SPDX-License-Identifier: MIT
# Check the models, and that each planted bug is found. Usage: run.sh OUTPUT_DIRECTORY
# Exit: 0 good, 1 not, 77 skipped.
set -u

src=$(cd "$(dirname "$0")" && pwd)
out=$1
cc=${CC:-cc}
failed=0

if ! command -v spin >/dev/null; then
    echo "skip: spin is not installed (apt-get install spin)"
    exit 77
fi

# build MODEL DEFINES TITLE safety|PROPERTY OPTIMISATION: makes $dir with the verifiers; all but
# `safety` need the second. A search that ends early is not worth an optimised build.
build() {
    dir=$out/$(echo "$1 $2" | tr -d ' ' | tr -- '-=' '..')
    rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" || exit 1
    # shellcheck disable=SC2086
    if ! { spin $2 -a "$src/$1.pml" &&
        "$cc" $5 -w -DSAFETY -DNOCLAIM -o safety pan.c &&
        { [ "$4" = safety ] || "$cc" $5 -w -DNFAIR=3 -o liveness pan.c; }; } >log 2>&1; then
        echo "FAIL $3: does not build, see $dir/log"
        cat log
        failed=1
        return 1
    fi
}

# verify VERIFIER ARGUMENTS: 0 no error in a complete search, 1 an error found, 2 neither
verify() {
    verifier=$1
    shift
    "./$verifier" -m2000000 "$@" >"$verifier.$#.log" 2>&1
    cat "$verifier.$#.log" >>log
    if grep -q 'errors: 1$' "$verifier.$#.log"; then
        return 1
    fi
    grep -q 'errors: 0$' "$verifier.$#.log" &&
        ! grep -qE 'max search depth too small|out of memory|Search not completed' "$verifier.$#.log" ||
        return 2
}

# good MODEL DEFINES: complete search, for deadlock, assertions and every LTL property
good() {
    title="$1.pml${2:+ ${2#-D}}"
    build "$1" "$2" "$title" both -O2 || return
    if ! verify safety; then
        echo "FAIL $title: deadlock, assertion or no complete search, see $dir/log"
        failed=1
        return
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' safety.0.log)
    # shellcheck disable=SC2013
    for property in $(sed -n 's/^ltl \([a-z_]*\).*/\1/p' "$src/$1.pml"); do
        if ! verify liveness -a -f -N "$property"; then
            echo "FAIL $title: property $property, see $dir/log"
            failed=1
            return
        fi
    done
    echo "ok $title (states $states)"
}

# bad MODEL DEFINES BUG PROPERTY: PROPERTY is `safety` or the name of an LTL property
bad() {
    title="$1.pml${2:+ ${2#-D}} BUG=$3"
    build "$1" "$2 -DBUG=$3" "$title" "$4" -O0 || return
    if [ "$4" = safety ]; then
        verify safety
    else
        verify liveness -a -f -N "$4"
    fi
    if [ $? -eq 1 ]; then
        echo "ok $title: found"
    else
        echo "FAIL $title: not found, see $dir/log"
        failed=1
    fi
}

mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1

good notify ''
for bug in 1 2 3 4 5 6; do
    bad notify '' $bug safety
done
bad notify '' 7 rests

for variant in 0 1; do
    good virtq-notify -DEVENT_IDX=$variant
    for bug in 1 2 3 4 5 6; do
        bad virtq-notify -DEVENT_IDX=$variant $bug safety
    done
done
for bug in 7 8 9; do
    bad virtq-notify -DEVENT_IDX=1 $bug safety
done

good poll-end ''
for bug in 1 2 3 4 5 6 8 9 10; do
    bad poll-end '' $bug safety
done
bad poll-end '' 7 virtqueue

good inflight ''
for bug in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
    bad inflight '' $bug safety
done

exit $failed
