#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot the test Linux guest under Pollux and report, one line a test.
#
#   run.sh [--on auto|host|qemu] [--pollux FILE] [--guest DIR] [--limit SECONDS] [--show]
#          [--set NAME=VALUE]... [--host-kernel DIR] [TEST...]
#   run.sh --list
#
# --show prints the guest's console, too, while it comes; --set is for what a test takes from its
# environment. The tests in long/ run only when they are named.
# On the host's KVM where it can boot Linux; else in QEMU's emulated SVM machine, the outer machine. Its
# kernel is the guest's, or the one that guest-images/linux/make-kernel.sh left in --host-kernel's DIR,
# for which the tests always run in QEMU. Ends with 1 when a test failed, with 0 otherwise; a test that was
# skipped says why and is not counted as passed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
on=auto
pollux=$top/build/pollux
guest=$top/build/guest-linux
host_kernel=
limit=120
out=$top/build/nested
show=no
settings=()
tests=()
OUTER_START=120 # seconds the outer machine may take to come up and to go

usage() { sed -n '3,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

all_tests() { (cd "$here/cases" && printf '%s\n' *.sh | sed 's/\.sh$//'); }

while [ $# -gt 0 ]; do
    case $1 in
    --on | --pollux | --guest | --limit | --host-kernel)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        option=${1#--}
        declare "${option//-/_}=$2"
        shift
        ;;
    --set)
        [[ ${2-} =~ ^[A-Z_]+=[A-Za-z0-9_.]*$ ]] || { usage >&2; exit 2; }
        settings+=("$2")
        shift
        ;;
    --show) show=yes ;;
    --list) all_tests; exit 0 ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *)
        [ -f "$here/cases/$1.sh" ] || { echo "no test $1; there are: $(all_tests | xargs)" >&2; exit 2; }
        tests+=("$1")
        ;;
    esac
    shift
done
if [ -n "$host_kernel" ]; then
    on=qemu
    out=$out/$(basename "$host_kernel")
fi
if [ ${#tests[@]} -eq 0 ]; then
    mapfile -t tests < <(all_tests)
fi

can_boot_linux_on_host() {
    [ -r /dev/kvm ] && [ -w /dev/kvm ] && "$pollux" doctor --can-boot-linux >/dev/null 2>&1
}

# Only here it is known that QEMU is needed: `make` left to us whether it may be installed.
have_qemu() {
    command -v qemu-system-x86_64 >/dev/null ||
        { DEPS=${WANT_DEPS:-no} "$top/scripts/deps.sh" nested &&
            command -v qemu-system-x86_64 >/dev/null; }
}

passed=0 failed=0 skipped=0
declare -A result=()

report() { # STATUS NAME WHY
    [ -z "${result[$2]-}" ] || return 0
    result[$2]=$1
    printf '%s %s  (%d of %d, %d:%02d)%s\n' "$1" "$2" ${#result[@]} ${#tests[@]} \
        $((SECONDS / 60)) $((SECONDS % 60)) "${3:+  $3}"
    case $1 in
    PASS) passed=$((passed + 1)) ;;
    FAIL) failed=$((failed + 1)) ;;
    SKIP) skipped=$((skipped + 1)) ;;
    esac
}

skip_all() {
    local name
    for name in "${tests[@]}"; do report SKIP "$name" "$1"; done
}

broken="" ended=no
follow() { # read events on standard input, until they end or none comes for too long
    local event name text
    ended=no
    while IFS=' ' read -r -t $((OUTER_START + 2 * limit + 20)) event name text; do
        text=${text%$'\r'}
        name=${name%$'\r'}
        case ${event%$'\r'} in
        READY) echo "the outer machine runs Linux $name" ;;
        PASS | FAIL | SKIP) report "$event" "$name" "$text" ;;
        LOG) echo "    | $text" ;;
        BROKEN) broken="$name $text" ;;
        END)
            ended=yes
            break
            ;;
        esac
    done
}

run_on_host() {
    echo "Linux guest on the host's KVM"
    mkdir -p "$out/scratch"
    : >"$out/console.log"
    POLLUX=$pollux GUEST=$guest SCRATCH=$out/scratch LOG=$out/console.log LIMIT=$limit \
        start env "${settings[@]}" sh "$here/run-cases.sh" "${tests[@]}"
}

# What changes from run to run: Pollux with its libraries, the cases, the list.
pack_run() {
    local root=$out/run lib program tool

    rm -rf "$root"
    mkdir -p "$root/pollux" "$root/nested"
    install -m 755 "$pollux" "$root/pollux/pollux"
    mkdir -p "$root/pollux/tests/vm" "$root/nested/docs"
    cp "$top"/docs/*.md "$root/nested/docs/"
    # `make demo` compiles no tests.
    for program in "$(dirname "$pollux")"/tests/vm/test_*; do
        if [ -f "$program" ] && [ -x "$program" ]; then cp -t "$root/pollux/tests/vm" "$program"; fi
    done
    find "$root/pollux" -type f -exec ldd {} + | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
        grep -v ':$' | sort -u | while read -r lib; do
        install -D -m 755 "$lib" "$root$lib"
    done
    cp -r "$here"/*.sh "$here/cases" "$root/nested/"
    for tool in "$(dirname "$pollux")"/tests/nested/*; do
        if [ -f "$tool" ] && [ -x "$tool" ]; then cp "$tool" "$root/nested/"; fi
    done
    {
        printf 'LIST="%s"\nLIMIT=%s\n' "${tests[*]}" "$limit"
        if [ ${#settings[@]} -gt 0 ]; then printf 'export %s\n' "${settings[@]}"; fi
    } >"$root/nested/env"
    # shellcheck source=../../guest-images/linux/lib.sh
    . "$top/guest-images/linux/lib.sh"
    guest_init "$guest"
    pack_initramfs "$root" "$out/run.img"
    rm -rf "$root"
}

# One CPU: with two, each emulated by a thread of its own, QEMU 7.2's SVM loses interrupts and faults of
# the inner machine, or resets the outer one, in about every tenth boot. No XSAVE, and nothing that needs
# it: QEMU's SVM does not intercept XSETBV, so an inner machine sets XCR0 of the outer one, whose kernel
# then warns (6.1) or panics (7.2).
CPU_MODEL=max,-xsave,-avx,-avx2,-fma,-f16c,-vaes,-vpclmulqdq,-pku
run_in_qemu() {
    echo "Linux guest inside QEMU's emulated SVM machine (slow: no timings)"
    "$here/make-outer.sh" "$guest" "$out" "${host_kernel:-$guest}"
    pack_run
    cat "$out/outer.img" "$out/run.img" >"$out/initrd.img"
    rm -f "$out/scratch.img" "$out/swap.img" "$out/console.log"
    truncate -s 1G "$out/scratch.img"
    truncate -s 4G "$out/swap.img"
    start timeout --foreground -k 5 $((OUTER_START + (2 * limit + 20) * ${#tests[@]})) \
        qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu $CPU_MODEL -smp 1 -m 2G -nodefaults \
        -no-user-config -display none -no-reboot \
        -drive "if=virtio,format=raw,cache=unsafe,file=$out/scratch.img" \
        -drive "if=virtio,format=raw,cache=unsafe,file=$out/swap.img" \
        -serial "file:$out/console.log" -serial stdio \
        -kernel "${host_kernel:-$guest}/vmlinuz" -initrd "$out/initrd.img" \
        -append "console=ttyS0 quiet no_timer_check panic=-1"
    rm -f "$out/scratch.img" "$out/swap.img"
}

# start COMMAND...: run it with its events followed; it never outlives this script.
start() {
    local pid tail
    exec 4< <(exec "$@" </dev/null 2>"$out/stderr.log")
    pid=$!
    if [ $show = yes ]; then
        tail --pid=$pid -s 0.1 -n +1 -F "$out/console.log" 2>/dev/null | tr -d '\r' &
        tail=$!
    fi
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null || true" EXIT
    # The results come by another way than the console: printed after it, they do not cut into it.
    if [ $show = yes ]; then
        follow <&4 >"$out/results"
        wait $tail || true
        cat "$out/results"
    else
        follow <&4
    fi
    [ $ended = yes ] || kill $pid 2>/dev/null || true
    wait $pid || true
    trap - EXIT
    exec 4<&-
}

[ -x "$pollux" ] || { echo "no $pollux: run make first" >&2; exit 2; }
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || { echo "another run uses $out" >&2; exit 2; }

case $on in
auto) if can_boot_linux_on_host; then on=host; else on=qemu; fi ;;
host | qemu) ;;
*) usage >&2; exit 2 ;;
esac

if [ ! -s "$guest/packages.stamp" ]; then
    skip_all "no test guest in $guest: make guest-linux says why"
elif [ -n "$host_kernel" ] && [ ! -s "$host_kernel/packages.stamp" ]; then
    skip_all "no kernel in $host_kernel: guest-images/linux/make-kernel.sh says why"
elif [ $on = host ]; then
    run_on_host
elif have_qemu; then
    run_in_qemu
else
    skip_all "the host's KVM cannot boot Linux and qemu-system-x86_64 is not installed"
fi

for name in "${tests[@]}"; do
    if [ -z "${result[$name]-}" ]; then
        report FAIL "$name" "${broken:-no result: the machine ended or took too long}"
        lost=yes
    fi
done
if [ -n "${lost-}" ]; then
    echo "last lines of $out/console.log and $out/stderr.log:"
    tail -q -n 30 "$out/console.log" "$out/stderr.log" 2>/dev/null | tr -d '\r' | sed 's/^/    | /'
fi
echo "Linux guest: $passed passed, $failed failed, $skipped skipped (console: $out/console.log)"
[ $failed -eq 0 ]
