#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the test Linux guest from Debian packages: as any user, installing nothing.
#
#   make-guest.sh [DIR]        DIR is the cache, build/guest-linux unless told
#
# Makes DIR/vmlinuz         the kernel of linux-image-cloud-amd64
#       DIR/initrd.img      busybox, e2fsprogs, the modules a disk needs, init and the tests
#       DIR/initrd-fio.img  the same, and fio with the 80 MB of libraries it is linked with
# and leaves DIR/sysroot and DIR/version for tests/nested.
#
# Nothing is done when neither the recipe nor the packages' versions changed; without a network,
# what the cache holds is used. Ends with 77 where the machine has no apt or no network, and with 1
# where the recipe failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
dir=${1:-$top/build/guest-linux}

# shellcheck source=lib.sh
. "$here/lib.sh"

META_KERNEL=linux-image-cloud-amd64
PROGRAMS="busybox-static fio e2fsprogs dmsetup"
MODULES="virtio_mmio virtio_pci virtio_blk ext4 button evdev"

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec 9>"$dir/lock"
flock 9
guest_init "$dir"

recipe=$(cat "$here/make-guest.sh" "$here/lib.sh" | sha256sum | cut -c1-16)
scripts=$(cat "$here/init" "$here"/tests/*.sh | sha256sum | cut -c1-16)

complete() { [ -s "$dir/vmlinuz" ] && [ -s "$dir/initrd.img" ] && [ -s "$dir/initrd-fio.img" ]; }

# The images that change with init and the tests: cheap, no packages needed.
make_initrd() {
    local root=$dir/root

    rm -rf "$root"
    cp -a "$dir/base" "$root"
    install -m 755 "$here/init" "$root/init"
    mkdir -p "$root/tests"
    install -m 755 "$here"/tests/*.sh "$root/tests/"
    pack_initramfs "$root" "$dir/initrd.img"
    cat "$dir/initrd.img" "$dir/fio.img" >"$dir/initrd-fio.img.tmp"
    mv "$dir/initrd-fio.img.tmp" "$dir/initrd-fio.img"
    rm -rf "$root"
    echo "$scripts" >"$dir/scripts.stamp"
}

# Without new package lists there cannot be new versions, and then apt need not be asked.
lists_changed() {
    [ -n "$(find /var/lib/apt/lists "$dir/apt/lists" -maxdepth 1 -newer "$dir/packages.stamp" \
        2>/dev/null | head -n 1)" ]
}

use_cache() {
    if [ "$scripts" != "$(cat "$dir/scripts.stamp" 2>/dev/null)" ] || ! complete; then
        make_initrd
        say "tests packed into $dir/initrd.img"
    fi
    exit 0
}

have_base() {
    [ -s "$dir/packages.stamp" ] && [ -s "$dir/vmlinuz" ] && [ -d "$dir/base" ] &&
        [ -s "$dir/fio.img" ] && [ "$(head -n 1 "$dir/packages.stamp")" = "$recipe" ]
}

if have_base && ! lists_changed; then
    use_cache
fi

need_apt

resolve() {
    kernel=$(real_kernel $META_KERNEL)
    [ -n "$kernel" ] || return 1
    # shellcheck disable=SC2086
    packages="$(kernel_closure "$kernel") $(library_closure $PROGRAMS)"
    # shellcheck disable=SC2086
    files=$(deb_files $packages)
    [ -n "$files" ]
}

# After apt_update_private.
give_up() {
    have_network && die "$1"
    if have_base; then
        say "cannot ask for newer packages; using the guest in the cache"
        touch "$dir/packages.stamp"
        use_cache
    fi
    lacks "$1"
}

resolve || { apt_update_private && resolve; } ||
    give_up "apt does not know $META_KERNEL. This needs Debian's package lists: run \`apt-get
update\` as root on a Debian system with a network, then try again (details: $dir/apt/update.log)."

if have_base && [ "$(tail -n +2 "$dir/packages.stamp")" = "$files" ]; then
    touch "$dir/packages.stamp"
    use_cache
fi

# shellcheck disable=SC2086
fetch() { fetch_debs $packages; }
fetch || { apt_update_private && resolve && fetch; } ||
    give_up "cannot download the Debian packages: see $dir/download.log. This needs a network
once; afterwards the cache is used."

say "unpacking $kernel and $(echo "$files" | wc -l) packages"
rm -rf "$dir/packages.stamp" "$dir/base" "$SYSROOT"
# shellcheck disable=SC2086
extract_debs $files
KVER=${kernel#linux-image-}
unpacked_kernel "$SYSROOT/usr/bin/busybox" "$KVER" "$dir/vmlinuz"
echo "$KVER" >"$dir/version"

base=$dir/base
mkdir -p "$base"/{proc,sys,dev,mnt,tmp,etc,lib,lib64}
add_busybox "$base"
rm -f "$base"/bin/{mke2fs,mkfs.ext2}
add_program "$base" /usr/sbin/mke2fs /usr/sbin/e2fsck
ln -s mke2fs "$base/usr/sbin/mkfs.ext4"
# shellcheck disable=SC2086
add_modules "$base" "$KVER" $MODULES

fio=$dir/fio
rm -rf "$fio"
mkdir -p "$fio"
add_program "$fio" /usr/bin/fio
pack_initramfs "$fio" "$dir/fio.img"
rm -rf "$fio"

make_initrd
printf '%s\n%s\n' "$recipe" "$files" >"$dir/packages.stamp"
say "made $dir: Linux $KVER, $(du -h "$dir/initrd.img" | cut -f1) initrd.img"
