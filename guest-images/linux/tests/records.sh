#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes records that are acknowledged on the console until the host kills Pollux: to the file
# system that the host made on vda, and to vdb as it is. The case adds the program /bin/records to
# the initramfs.
. /tests/lib.sh

need_disk vda
need_disk vdb
mount -t ext4 /dev/vda /mnt || fail "cannot mount vda"
/bin/records write /mnt /dev/vdb
fail "the writers ended"
