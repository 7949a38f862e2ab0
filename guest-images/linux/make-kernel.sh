#!/bin/bash
# SPDX-License-Identifier: MIT
# Fetch the kernel of a Debian suite, as any user, installing nothing.
#
#   make-kernel.sh SUITE GUESTDIR DIR     GUESTDIR is make-guest.sh's cache, DIR gets the kernel
#
# Makes DIR/vmlinuz, DIR/version, DIR/packages.stamp and DIR/sysroot with the modules. The lists of the
# suite come from the mirror that apt is configured with. Ends as make-guest.sh does: 77 is for a
# machine without apt or a network and without the kernel in DIR.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$1
guest=$2

# shellcheck source=lib.sh
. "$here/lib.sh"

META_KERNEL=linux-image-cloud-amd64

mkdir -p "$3"
dir=$(cd "$3" && pwd)
exec 9>"$dir/lock"
flock 9
busybox=$guest/sysroot/usr/bin/busybox
recipe=$(cat "$here/make-kernel.sh" "$here/lib.sh" | sha256sum | cut -c1-16)

have_kernel() { [ "$(head -n 1 "$dir/packages.stamp" 2>/dev/null)" = "$recipe" ]; }

need_apt
[ -x "$busybox" ] || lacks "no test guest in $guest"
guest_init "$dir" "$suite"

# A day is how old the lists may get.
if have_kernel && [ -n "$(find "$dir/apt/private" -mtime -1 2>/dev/null)" ]; then
    exit 0
fi

fetch() {
    kernel=$(real_kernel $META_KERNEL)
    [ -n "$kernel" ] || return 1
    mapfile -t packages < <(kernel_closure "$kernel")
    files=$(deb_files "${packages[@]}")
    [ -n "$files" ] && fetch_debs "${packages[@]}"
}

if ! { apt_update_private && fetch; }; then
    have_network && die "cannot fetch the kernel of Debian $suite: see $dir/apt/update.log and $dir/download.log"
    ! have_kernel || exit 0
    lacks "no network to fetch the kernel of Debian $suite"
fi
if have_kernel && [ "$(tail -n +2 "$dir/packages.stamp")" = "$files" ]; then
    exit 0
fi

KVER=${kernel#linux-image-}
say "unpacking Linux $KVER of Debian $suite"
rm -rf "$dir/packages.stamp" "$SYSROOT"
# shellcheck disable=SC2086
extract_debs $files
unpacked_kernel "$busybox" "$KVER" "$dir/vmlinuz"
echo "$KVER" >"$dir/version"
printf '%s\n%s\n' "$recipe" "$files" >"$dir/packages.stamp"
