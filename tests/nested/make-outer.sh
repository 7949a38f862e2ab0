#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the initramfs of the outer machine, the part that does not change from run to run.
#
#   make-outer.sh GUESTDIR OUTDIR KERNELDIR
#
# Makes OUTDIR/outer.img from the programs of make-guest.sh's cache, GUESTDIR, and the modules of the
# kernel in KERNELDIR, which is GUESTDIR or what make-kernel.sh made.
#
# The kernel modules are those that a test may want under a disk, too. /deb holds Debian programs
# with their own libraries, apart from the host's libraries that Pollux brings.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
guest=$(cd "$1" && pwd)
out=$2
kernel=$(cd "$3" && pwd)
MODULES="kvm kvm_amd virtio_pci virtio_blk virtio_console ext4 loop null_blk scsi_debug sd_mod
    dm_mod dm_flakey dm_log_writes dm_delay"

# shellcheck source=../../guest-images/linux/lib.sh
. "$here/../../guest-images/linux/lib.sh"

mkdir -p "$out"
out=$(cd "$out" && pwd)
stamp=$(cat "$0" "$here/outer-init" "$guest/packages.stamp" "$guest/scripts.stamp" "$kernel/packages.stamp" | sha256sum | cut -c1-16)
if [ -s "$out/outer.img" ] && [ "$(cat "$out/outer.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

guest_init "$guest"
root=$out/root
rm -rf "$root"
mkdir -p "$root"/{proc,sys,dev,mnt,tmp,etc,guest,nested,pollux,deb}
install -m 755 "$here/outer-init" "$root/init"
add_busybox "$root"
# shellcheck disable=SC2086
# shellcheck disable=SC2034 # add_modules reads SYSROOT
(SYSROOT=$kernel/sysroot && add_modules "$root" "$(cat "$kernel/version")" $MODULES)
# No udev there: device-mapper makes its own nodes.
add_deb_program() { # NAME PATH
    add_program "$root/deb" "$2"
    cat >"$root/deb/bin/$1" <<END
#!/bin/sh
export DM_DISABLE_UDEV=1
exec /deb/lib64/ld-linux-x86-64.so.2 --argv0 $1 --library-path /deb/lib /deb$2 "\$@"
END
    chmod 755 "$root/deb/bin/$1"
}
mkdir -p "$root/deb/bin"
add_deb_program dmsetup /usr/sbin/dmsetup
add_deb_program mkfs.ext4 /usr/sbin/mke2fs
add_deb_program e2fsck /usr/sbin/e2fsck
cp "$guest/vmlinuz" "$guest/initrd.img" "$guest/initrd-fio.img" "$root/guest/"
pack_initramfs "$root" "$out/outer.img"
rm -rf "$root"
echo "$stamp" >"$out/outer.stamp"
