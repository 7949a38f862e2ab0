#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh PURPOSE... - see that the packages for these purposes are there
#
# Purposes: build, check, nested, nbd, rbd, debian, lint, clang, fuzz, results. What is missing is installed
# through apt-get when this runs as root or with password-less sudo, and said first; else the command to
# type is printed. DEPS=no in the environment switches all of it off.
#
# A package counts as present when the program or header that is wanted from it is, so other
# distributions can use their own packages. Nothing here may need more than a POSIX shell.

set -u

[ "${DEPS:-yes}" = no ] && exit 0

# PACKAGE:PROBE, a probe with a slash is a header below an include directory, one with = a pattern.
packages_for() {
    case $1 in
    build) echo gcc:cc gcc:ar libc6-dev:/stdio.h libaio-dev:/libaio.h \
        liburing-dev:/liburing.h libnbd-dev:/libnbd.h libjansson-dev:/jansson.h \
        libncurses-dev:/curses.h libseccomp-dev:/seccomp.h \
        systemtap-sdt-dev:/sys/sdt.h ;;
    check) echo check:/check.h spin:spin python3:python3 ;;
    nbd) echo nbdkit:nbdkit qemu-utils:qemu-nbd nbd-server:nbd-server gnutls-bin:psktool ;;
    rbd) echo librbd1:=/usr/lib/*/librbd.so.1 ceph-mon:ceph-mon ceph-osd:ceph-osd ceph-common:rbd ;;
    nested) echo qemu-system-x86:qemu-system-x86_64 ;;
    debian) echo mmdebstrap:mmdebstrap e2fsprogs:=/usr/sbin/mke2fs fakeroot:fakeroot \
        uidmap:newuidmap \
        debian-archive-keyring:=/usr/share/keyrings/debian-archive-keyring.gpg ;;
    lint) echo clang:clang clang-format:clang-format cppcheck:cppcheck shellcheck:shellcheck ;;
    clang) echo clang:clang ;;
    results) echo python3:python3 qemu-system-x86:qemu-system-x86_64 fio:fio ;;
    fuzz) echo clang:clang 'libclang-rt-14-dev:=/usr/lib/llvm-*/lib/clang/*/lib/linux/*fuzzer-x*.a' ;;
    *) echo "deps.sh: unknown purpose '$1'" >&2; exit 2 ;;
    esac
}

present() {
    case $1 in
    =*) ls ${1#=} >/dev/null 2>&1 ;;
    /*) [ -e "/usr/include$1" ] || [ -e "/usr/local/include$1" ] ||
        [ -e "/usr/include/$(uname -m)-linux-gnu$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=
for purpose; do
    list=$(packages_for "$purpose") || exit
    for entry in $list; do
        package=${entry%%:*}
        present "${entry#*:}" && continue
        case " $missing " in
        *" $package "*) ;;
        *) missing="${missing:+$missing }$package" ;;
        esac
    done
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "pollux: missing, by their Debian names: $missing" >&2
    echo "pollux: install them with your package manager, or type DEPS=no to go on without" >&2
    exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo=sudo
else
    echo "pollux: missing packages: $missing; type:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends $missing" >&2
    exit 1
fi

log=$(mktemp) || exit
trap 'rm -f "$log"' EXIT

# shellcheck disable=SC2086 # lists of words
install_missing() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Use-Pty=0 $missing </dev/null >"$log" 2>&1
}

echo "pollux: installing with apt-get: $missing (DEPS=no switches this off)" >&2
# A fresh system has no package lists, an old one has lists of packages that are gone.
if ! install_missing; then
    $sudo apt-get update -q </dev/null >"$log" 2>&1 && install_missing || {
        cat "$log" >&2
        echo "pollux: could not install: $missing" >&2
        exit 1
    }
fi
