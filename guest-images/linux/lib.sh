#!/bin/bash
# SPDX-License-Identifier: MIT
# Functions for the scripts that make initramfs images from Debian packages, without root and
# without installing anything. Sourced by bash scripts that run under `set -euo pipefail`.
#
# State, set by guest_init: GUEST_DIR, the cache. In it:
#   debs/     packages as apt-get download names them
#   sysroot/  their files, merged into one usr-merged tree
#   apt/      private package lists: of another suite, or used when the system has none or they are stale

LACKING=77 # exit status: this machine lacks apt or a network. Any other failure is the recipe's.

say() { echo "guest-linux: $*"; }
die() { echo "guest-linux: $*" >&2; exit 1; }
lacks() { echo "guest-linux: $*" >&2; exit $LACKING; }

# guest_init DIR [SUITE]: without a suite the packages are those of the system's.
guest_init() {
    GUEST_DIR=$(cd "$1" && pwd)
    SYSROOT=$GUEST_DIR/sysroot
    APT_OPTS=(-q -o APT::Sandbox::User=root -o Debug::NoLocking=1)
    [ $# -lt 2 ] || apt_use_suite "$2"
    if [ -e "$GUEST_DIR/apt/private" ]; then
        apt_use_private
    fi
    mkdir -p "$GUEST_DIR/debs"
}

# The mirror of Debian that apt is configured with.
debian_mirror() {
    local uri
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -E '/debian(/|$)' | head -n 1) || true
    echo "${uri:-http://deb.debian.org/debian}"
}

# apt_use_suite SUITE: that suite alone, from the same mirror.
apt_use_suite() {
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg signed=""

    [ ! -e $keys ] || signed="[signed-by=$keys] "
    mkdir -p "$GUEST_DIR/apt"
    echo "deb $signed$(debian_mirror) $1 main" >"$GUEST_DIR/apt/sources.list"
    APT_OPTS+=(-o "Dir::Etc::SourceList=$GUEST_DIR/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Status=/dev/null")
    apt_use_private
}

apt_use_private() {
    APT_OPTS+=(-o "Dir::State::Lists=$GUEST_DIR/apt/lists" -o "Dir::Cache=$GUEST_DIR/apt/cache")
}

# Fetch package lists into the cache, as any user; the system's own lists stay as they are.
apt_update_private() {
    say "fetching package lists into $GUEST_DIR/apt"
    mkdir -p "$GUEST_DIR/apt/lists/partial" "$GUEST_DIR/apt/cache/archives/partial"
    apt_use_private
    apt-get "${APT_OPTS[@]}" update >"$GUEST_DIR/apt/update.log" 2>&1 || return 1
    touch "$GUEST_DIR/apt/private"
}

# After apt_update_private: did a mirror answer?
have_network() { grep -q '^\(Get\|Hit\):' "$GUEST_DIR/apt/update.log" 2>/dev/null; }

need_apt() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        lacks "apt-get and dpkg-deb are not here: the test guest is made from Debian packages." \
            "Make it on a Debian system and copy its build/guest-linux here."
    fi
}

# real_kernel META: the package that a linux-image meta package stands for.
real_kernel() {
    apt-cache "${APT_OPTS[@]}" depends "$1" 2>/dev/null |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

# kernel_closure IMAGE: this linux-image package and those of the same version that it needs. Until
# Debian 13 the image is all there is; later it is empty, and linux-binary has the kernel, linux-modules
# the modules.
kernel_closure() {
    local version=${1#linux-image-}
    apt-cache "${APT_OPTS[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "$1" |
        grep -xF -e "$1" -e "linux-base-$version" -e "linux-binary-$version" -e "linux-modules-$version"
}

# unpacked_kernel BUSYBOX VERSION FILE: copy the kernel from the sysroot and make the index of its modules.
unpacked_kernel() {
    local busybox=$1 from
    shift

    for from in "$SYSROOT/boot/vmlinuz-$1" "$SYSROOT/usr/lib/modules/$1/vmlinuz"; do
        [ ! -s "$from" ] || break
    done
    cp "$from" "$2" || die "no kernel in the packages of Linux $1"
    "$busybox" depmod -b "$SYSROOT/usr" "$1"
}

# library_closure PACKAGE...: these packages and every library package that they need. Only names
# of library packages are followed: maintainer scripts never run here, so perl, debconf and the
# like are not needed.
library_closure() {
    apt-cache "${APT_OPTS[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "$@" |
        awk -v roots="$*" '
            /^[^ ]/ { pkg = $1 }
            /Depends:/ && $NF ~ /^(lib|zlib|gcc-[0-9]+-base)/ { needs[pkg] = needs[pkg] " " $NF }
            END {
                n = split(roots, queue, " ")
                for (i = 1; i <= n; i++)
                    seen[queue[i]] = 1
                for (i = 1; i <= n; i++) {
                    print queue[i]
                    m = split(needs[queue[i]], d, " ")
                    for (j = 1; j <= m; j++)
                        if (!(d[j] in seen)) {
                            seen[d[j]] = 1
                            queue[++n] = d[j]
                        }
                }
            }'
}

# deb_files PACKAGE...: file names, version and all, of the candidates.
deb_files() {
    apt-get "${APT_OPTS[@]}" download --print-uris "$@" 2>/dev/null | awk '{ print $2 }' | sort
}

# fetch_debs PACKAGE...: download what is not in debs/ yet.
fetch_debs() {
    local pkg file missing=()

    for file in $(deb_files "$@"); do
        pkg=${file%%_*}
        [ -s "$GUEST_DIR/debs/$file" ] || missing+=("$pkg")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "downloading ${#missing[@]} Debian packages"
    (cd "$GUEST_DIR/debs" && apt-get "${APT_OPTS[@]}" download "${missing[@]}") \
        >"$GUEST_DIR/download.log" 2>&1
}

# extract_debs FILE...: merge the packages' files into the sysroot.
extract_debs() {
    local file d

    for d in bin sbin lib lib64; do
        mkdir -p "$SYSROOT/usr/$d"
        ln -sfn "usr/$d" "$SYSROOT/$d"
    done
    for file; do
        dpkg-deb --fsys-tarfile "$GUEST_DIR/debs/$file" |
            tar -x --keep-directory-symlink --no-same-owner -C "$SYSROOT" \
                --exclude=./usr/share --exclude=./etc --exclude=./var
    done
}

# add_program ROOT PATH...: copy programs and the shared libraries they need from the sysroot.
add_program() {
    local root=$1 prog lib libdir=$SYSROOT/usr/lib/x86_64-linux-gnu
    shift

    for prog; do
        install -D -m 755 "$SYSROOT$prog" "$root$prog"
        "$libdir/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$libdir:$libdir/ceph" \
            --list "$SYSROOT$prog" >"$GUEST_DIR/ldd.out" 2>&1 ||
            die "libraries of $prog are missing: $(tail -n 1 "$GUEST_DIR/ldd.out")"
        awk '$2 == "=>" { print $3 }' "$GUEST_DIR/ldd.out" | while read -r lib; do
            case $lib in
            "$libdir"/*) install -D "$lib" "$root/lib/${lib##*/}" ;;
            *ld-linux-x86-64*) ;;
            *) die "$prog needs $lib, which is in none of the packages" ;;
            esac
        done
    done
    install -D "$libdir/ld-linux-x86-64.so.2" "$root/lib64/ld-linux-x86-64.so.2"
}

# add_modules ROOT VERSION MODULE...: copy kernel modules with what they depend on, and the index
# that modprobe reads. Modules built into the kernel are fine. Needs modules.dep.
add_modules() {
    local tree=$SYSROOT/usr/lib/modules/$2 to=$1/lib/modules/$2
    shift 2

    mkdir -p "$to"
    awk -v wanted="$*" -v builtin="$tree/modules.builtin" '
        function base(path) {
            sub(/.*\//, "", path)
            sub(/\.ko.*$/, "", path)
            gsub(/-/, "_", path)
            return path
        }
        BEGIN { while ((getline line <builtin) > 0) have[base(line)] = 1 }
        {
            file = substr($1, 1, length($1) - 1)
            path[base(file)] = file
            line_of[file] = $0
        }
        END {
            n = split(wanted, w, " ")
            for (i = 1; i <= n; i++) {
                name = base(w[i])
                if (name in path)
                    queue[++q] = path[name]
                else if (!(name in have)) {
                    print "no kernel module " w[i] > "/dev/stderr"
                    exit 1
                }
            }
            for (i = 1; i <= q; i++) {
                if (queue[i] in done)
                    continue
                done[queue[i]] = 1
                print line_of[queue[i]]
                m = split(line_of[queue[i]], d, " ")
                for (j = 2; j <= m; j++)
                    queue[++q] = d[j]
            }
        }' "$tree/modules.dep" >"$to/modules.dep"
    sed 's/:.*//' "$to/modules.dep" | while read -r file; do
        install -D -m 644 "$tree/$file" "$to/$file"
    done
    cp "$tree/modules.builtin" "$to/"
}

# add_busybox ROOT: busybox with a link for each applet, the shell among them.
add_busybox() {
    local root=$1 applet
    mkdir -p "$root/bin"
    install -m 755 "$SYSROOT/usr/bin/busybox" "$root/bin/busybox"
    for applet in $("$SYSROOT/usr/bin/busybox" --list); do
        [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done
}

# pack_initramfs ROOT FILE: a cpio archive, not compressed: unpacking costs more than it saves.
# Padded to 512 bytes, so that archives can be joined with cat.
pack_initramfs() {
    local busybox=$SYSROOT/usr/bin/busybox
    (cd "$1" && find . | sort | "$busybox" cpio -o -H newc -R 0:0) >"$2.tmp" 2>/dev/null
    truncate -s %512 "$2.tmp"
    mv "$2.tmp" "$2"
}
