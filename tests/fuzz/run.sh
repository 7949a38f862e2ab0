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
time=${FUZZ_TIME:-60}
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

# run PROGRAM CORPUS... - the log is PROGRAM.log
run() {
    program=$1
    shift
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "$b/$program" -timeout=20 \
        -rss_limit_mb=2048 -max_len=4096 -max_total_time="$time" -print_final_stats=1 \
        -verbosity=1 -artifact_prefix="$b/$program-" "$@" >"$b/$program.log" 2>&1 </dev/null
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
    rm -f "$b/fuzz_$1"-*
    if ! run "fuzz_$1" "$b/corpus/$1" "$seeds"; then
        tail -n 40 "$b/fuzz_$1.log"
        echo "fuzz: $1: FAILED; again with: $b/fuzz_$1 $(ls "$b/fuzz_$1"-* 2>/dev/null)"
        return 1
    fi
    result="$(figure "$runs" "fuzz_$1") executions, coverage $(figure "$coverage" "fuzz_$1")"
    result="$result, features $(figure "$features" "fuzz_$1")"

    # From the seeds alone: what the run before has learned would make it too easy.
    rm -rf "$b/corpus/$1-planted"/*
    if run "planted_$1" "$b/corpus/$1-planted" "$seeds"; then
        echo "fuzz: $1: $result; FAILED to find the planted bug in ${time} s"
        return 1
    fi
    rm -f "$b/planted_$1"-*
    found=$(figure "$tried" "planted_$1")
    echo "fuzz: $1: $result; planted bug found after ${found:-0} executions"
}

for target; do
    fuzz "$target" || status=1
done
exit $status
