#!/bin/sh
# SPDX-License-Identifier: MIT
# `pollux doctor` finds that the host's KVM boots Linux.
. "$CASES/../guest.sh"

"$POLLUX" doctor >"$WORK/doctor" 2>&1
status=$?
cat "$WORK/doctor"
[ $status -eq 0 ] || fail "status $status: $(tail -n 1 "$WORK/doctor")"
"$POLLUX" doctor --can-boot-linux || fail "doctor --can-boot-linux ended with $?"
