#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot the disk of `make guest-debian` under Pollux to its login prompt and use it: session.sh.
#
#   run.sh [--on auto|host|qemu] [--pollux FILE] [--guest DIR] [--debian DIR] [--limit SECONDS]
#
# On the host's KVM where it can boot Linux, else in QEMU's emulated SVM machine, whose kernel is the
# test guest's (--guest). The disk of the cache stays as it is. Ends with 1 when the test failed, with
# 0 when it passed or the machine lacks what it needs, which is said.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)
on=auto
pollux=$top/build/pollux
guest=$top/build/guest-linux
debian=$top/build/guest-debian
limit=1800
out=$top/build/nested/debian

# Without XSAVE: QEMU 7.2 emulates it in a way that the kernel warns of.
CPU=max,-xsave,-avx,-avx2,-fma,-f16c,-vaes,-vpclmulqdq,-pku

usage() { sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
    --on | --pollux | --guest | --debian | --limit)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        declare "${1#--}=$2"
        shift
        ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

can_boot_linux_on_host() {
    [ -r /dev/kvm ] && [ -w /dev/kvm ] && "$pollux" doctor --can-boot-linux >/dev/null 2>&1
}

pass() { echo "PASS debian${1:+  $1}"; exit 0; }
skip() { echo "SKIP debian  $1"; exit 0; }
fail() {
    tail -n 30 "$out/console.log" "$out/stderr.log" 2>/dev/null | tr -d '\r' | sed 's/^/    | /'
    echo "FAIL debian  $1 (console: $out/console.log)"
    exit 1
}

run_on_host() {
    cp --sparse=always "$debian/disk.img" "$out/disk.img"
    timeout -k 5 "$limit" sh "$here/session.sh" "$pollux" "$debian" "$out/disk.img" "$out/session" \
        >"$out/console.log" 2>"$out/stderr.log" || fail "status $?"
    rm -f "$out/disk.img"
    pass
}

pack_run() {
    local root=$out/run lib

    rm -rf "$root"
    mkdir -p "$root/debian" "$root/nested"
    install -D -m 755 "$pollux" "$root/pollux/pollux"
    ldd "$pollux" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r lib; do
        install -D -m 755 "$lib" "$root$lib"
    done
    cp "$debian/vmlinuz" "$debian/initrd.img" "$root/debian/"
    cp "$here/session.sh" "$root/nested/"
    install -m 755 "$here/outer-init" "$root/init"
    # shellcheck source=../../../guest-images/linux/lib.sh
    . "$top/guest-images/linux/lib.sh"
    guest_init "$guest"
    pack_initramfs "$root" "$out/run.img"
    rm -rf "$root"
}

run_in_qemu() {
    local result

    "$top/tests/nested/make-outer.sh" "$guest" "$out" "$guest"
    pack_run
    cat "$out/outer.img" "$out/run.img" >"$out/initrd.img"
    rm -f "$out/run.img"
    result=$(timeout -k 5 "$limit" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu $CPU \
        -smp 1 -m 2G -nodefaults -no-user-config -display none -no-reboot \
        -drive "if=virtio,format=raw,snapshot=on,file=$debian/disk.img" \
        -serial "file:$out/console.log" -serial stdio \
        -kernel "$guest/vmlinuz" -initrd "$out/initrd.img" -append "console=ttyS0 quiet panic=-1" \
        </dev/null 2>"$out/stderr.log" | tr -d '\r') || true
    case $result in
    PASS) pass "in QEMU's emulated SVM machine" ;;
    FAIL*) fail "${result#FAIL }" ;;
    *) fail "the machine ended or took more than $limit s" ;;
    esac
}

[ -x "$pollux" ] || { echo "no $pollux: run make first" >&2; exit 2; }
[ -s "$debian/recipe.stamp" ] || { echo "no guest in $debian: run make guest-debian first" >&2; exit 2; }
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || { echo "another run uses $out" >&2; exit 2; }
rm -f "$out/console.log" "$out/stderr.log"

case $on in
auto) if can_boot_linux_on_host; then on=host; else on=qemu; fi ;;
host | qemu) ;;
*) usage >&2; exit 2 ;;
esac

if [ $on = host ]; then
    run_on_host
fi
[ -s "$guest/packages.stamp" ] || { echo "no guest in $guest: run make guest-linux first" >&2; exit 2; }
command -v qemu-system-x86_64 >/dev/null ||
    DEPS=${WANT_DEPS:-no} "$top/scripts/deps.sh" nested || true
command -v qemu-system-x86_64 >/dev/null ||
    skip "the host's KVM cannot boot Linux and qemu-system-x86_64 is not installed"
run_in_qemu
