#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh TARGET... - fuzz each target for FUZZ_TIME seconds, then see that it finds its planted bug
#
# One line for each: executions, coverage, and after how many executions the planted bug was found.
# Each run begins with the seeds and with what earlier runs of this tree found worth keeping. An
# input that fails is kept in build/fuzz. Without a compiler that can fuzz: says so, and ends with 0.

cd "$(dirname "$0")/../.." || exit
b=build/fuzz
status=0

can_fuzz() {
    printf 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n);
int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return 0; }\n' |
        clang -fsanitize=fuzzer,address,undefined -x c -o "$b/can-fuzz" - 2>"$b/can-fuzz.log"
}

mkdir -p $b/corpus
if ! can_fuzz; then
    DEPS=${WANT_DEPS:-yes} scripts/deps.sh fuzz
    can_fuzz || {
        echo "fuzz: skipped: clang with libFuzzer is not there: $(head -n 1 "$b/can-fuzz.log")"
        exit 0
    }
fi
make --no-print-directory -j"$(nproc)" FUZZ="$*" fuzz-programs || exit

# run PROGRAM CORPUS... - for $time seconds; the log is PROGRAM.log
run() {
    program=$1
    shift
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "$b/$program" -timeout=20 \
        -rss_limit_mb=2048 -max_len=4096 -max_total_time="$time" -print_final_stats=1 \
        -verbosity=1 -artifact_prefix="$b/$program." "$@" >"$b/$program.log" 2>&1 </dev/null
}

figure() { sed -n "$1" "$b/$2.log" | tail -n 1; }
runs='s/^stat::number_of_executed_units: *//p'
coverage='s/.* cov: \([0-9]*\) .*/\1/p'
features='s/.* ft: \([0-9]*\) .*/\1/p'
tried='s/^#\([0-9]*\).*/\1/p'

fuzz() {
    seeds=$b/corpus/$1-seeds
    rm -rf "$seeds"
    mkdir -p "$seeds" "$b/corpus/$1" "$b/corpus/$1-planted"
    FUZZ_SEEDS=$seeds "$b/fuzz_$1" || return
    rm -f "$b/fuzz_$1".*-*
    time=${FUZZ_TIME:-60}
    if ! run "fuzz_$1" "$b/corpus/$1" "$seeds"; then
        tail -n 40 "$b/fuzz_$1.log"
        echo "fuzz: $1: FAILED; again with: $b/fuzz_$1 $(ls "$b/fuzz_$1".*-* 2>/dev/null)"
        return 1
    fi
    result="$(figure "$runs" "fuzz_$1") executions, coverage $(figure "$coverage" "fuzz_$1")"
    result="$result, features $(figure "$features" "fuzz_$1")"

    # The limit is for a busy machine: most are found in a second. From the seeds alone: what the run before has learned would make it too easy.
    [ "$time" -lt 60 ] && time=60
    for plant in $(sed -n "s/^\($1\(-[a-z]*\)*\) .*/\1/p" tests/fuzz/plants); do
        rm -rf "$b/corpus/$1-planted"/*
        rm -f "$b/planted_$plant".*-*
        if run "planted_$plant" "$b/corpus/$1-planted" "$seeds" ||
            [ ! -s "$(ls "$b/planted_$plant".crash-* 2>/dev/null)" ]; then
            echo "fuzz: $1: $result; FAILED to find the bug planted as $plant in ${time} s"
            return 1
        fi
        found=$(figure "$tried" "planted_$plant")
        result="$result; $plant's planted bug found after ${found:-0}"
    done
    echo "fuzz: $1: $result"
}

for target; do
    fuzz "$target" || status=1
done
exit $status
