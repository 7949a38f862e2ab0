#!/bin/bash
# SPDX-License-Identifier: MIT
# Make a Debian 12 root disk, with the kernel and the initrd that boot it.
#
#   make-debian.sh [DIR]       DIR is the cache, build/guest-debian if not given
#
# Makes DIR/disk.img         an ext4 file system without a partition table: systemd, login, fio
#       DIR/vmlinuz          the kernel of linux-image-cloud-amd64
#       DIR/initrd.img       the initrd that initramfs-tools makes for it
#       DIR/version          the kernel's version
#
# Needs mmdebstrap, mke2fs and a network, and no root: for an ordinary user mmdebstrap works in a user
# namespace. (Its fakechroot mode does not configure systemd.) Nothing is mounted on the host. A disk
# that is there is kept, with what guests wrote to it, until the recipe changes. MIRROR=URL takes the
# packages from another mirror.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
dir=${1:-$top/build/guest-debian}
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH does not have mke2fs

SUITE=bookworm
DISK_SIZE=2G
PACKAGES=linux-image-cloud-amd64,initramfs-tools,systemd-sysv,udev,kmod,login,e2fsprogs,fio

say() { echo "guest-debian: $*"; }
die() { echo "guest-debian: $*" >&2; exit 1; }

# How to name FILE in a line that is typed where this was started.
shown() { realpath --relative-base="$PWD" "$1"; }

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec 9>"$dir/lock"
flock 9

recipe=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
if [ "$(cat "$dir/recipe.stamp" 2>/dev/null)" = "$recipe" ] && [ -s "$dir/disk.img" ] &&
    [ -s "$dir/vmlinuz" ] && [ -s "$dir/initrd.img" ]; then
    say "$(shown "$dir") is up to date"
    exit 0
fi

for program in mmdebstrap mke2fs; do
    command -v $program >/dev/null || die "$program is not installed: see scripts/deps.sh debian"
done

# The files' owners are root and others, which only root may give away: fakeroot records them.
mode=root
as_root=
if [ "$(id -u)" -ne 0 ]; then
    mode=unshare
    as_root=fakeroot
    command -v fakeroot >/dev/null || die "fakeroot is not installed: see scripts/deps.sh debian"
    unshare --user true 2>/dev/null ||
        die "this host does not let you make a user namespace. As root, allow it (sysctl" \
            "kernel.unprivileged_userns_clone=1; on Ubuntu" \
            "kernel.apparmor_restrict_unprivileged_userns=0), or run make guest-debian as root."
    grep -qE "^($(id -un)|$(id -u)):" /etc/subuid 2>/dev/null ||
        die "you have no ids in /etc/subuid. As root: usermod --add-subuids 100000-165535" \
            "--add-subgids 100000-165535 $(id -un)"
fi

rm -f "$dir/recipe.stamp"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# $1 is the guest's root directory, for mmdebstrap's shell.
# shellcheck disable=SC2016
make_tree() {
    mmdebstrap --mode=$mode --variant=minbase --include=$PACKAGES --aptopt='Acquire::Retries "3"' \
        --customize-hook='echo debian >"$1/etc/hostname"' \
        --customize-hook='printf "127.0.0.1 localhost debian\n" >"$1/etc/hosts"' \
        --customize-hook='echo "/dev/vda / ext4 defaults 0 1" >"$1/etc/fstab"' \
        --customize-hook='chroot "$1" passwd --delete root' \
        $SUITE "$work/root.tar" ${MIRROR:+"$MIRROR"}
}

say "making a Debian 12 disk; this downloads about 150 MB and takes some minutes"
if ! make_tree >"$dir/mmdebstrap.log" 2>&1 9>&-; then
    tail -n 8 "$dir/mmdebstrap.log" | sed 's/^/    | /' >&2
    if grep -qE 'Could not (resolve|connect)|Temporary failure|Unable to connect|Failed to fetch' \
        "$dir/mmdebstrap.log"; then
        die "cannot download Debian's packages from ${MIRROR:-http://deb.debian.org/debian}. This" \
            "needs a network once; MIRROR=URL names another mirror."
    fi
    die "mmdebstrap failed: see $(shown "$dir/mmdebstrap.log")"
fi

say "writing the file system"
cat >"$work/make-disk.sh" <<'END'
set -e
mkdir root
tar -xf root.tar -C root --exclude='./dev/*'
cp root/boot/vmlinuz-* vmlinuz
cp root/boot/initrd.img-* initrd.img
chmod 644 vmlinuz initrd.img
mke2fs -q -t ext4 -L root -d root disk.img "$1"
rm -rf root
END
(cd "$work" && $as_root sh make-disk.sh $DISK_SIZE) >"$dir/mke2fs.log" 2>&1 9>&- ||
    die "could not make the file system: $(tail -n 1 "$dir/mke2fs.log")"
tar -tf "$work/root.tar" | sed -n 's|^\./boot/vmlinuz-||p' >"$dir/version"

mv "$work/vmlinuz" "$work/initrd.img" "$work/disk.img" "$dir/"
echo "$recipe" >"$dir/recipe.stamp"
say "made $(shown "$dir"): Linux $(cat "$dir/version"), $(du -h "$dir/disk.img" | cut -f1) of" \
    "$DISK_SIZE in disk.img"
