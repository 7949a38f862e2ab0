#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes records that are acknowledged on the console until somebody kills the machine: to the file
# system that the host made on vda, and to vdb as it is. The program /bin/records is brought by the
# one who boots.
. /tests/lib.sh

need_disk vda
need_disk vdb
mount -t ext4 /dev/vda /mnt || fail "cannot mount vda"
/bin/records write /mnt /dev/vdb
fail "the writers ended"
