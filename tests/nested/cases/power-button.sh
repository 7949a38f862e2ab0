#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# system_powerdown on the control socket presses the power button: the guest sees the key, and ends.
. "$CASES/../guest.sh"

QMP_SEND=$CASES/../qmp-send
[ -x "$QMP_SEND" ] || skip "there is no program qmp-send: make check-nested builds it"

# Each line of the guest comes through here, so the button is pressed when the guest waits for it.
hear() {
    local line
    while read -r line; do
        echo "$line"
        case $line in
        *POLLUX-BUTTON*)
            "$QMP_SEND" "$WORK/qmp" 1 '{"execute":"query-status"}' '{"execute":"system_powerdown"}' \
                '{"execute":"query-status"}' >"$WORK/answers" || fail "the control socket failed"
            ;;
        esac
    done
}

boot power-button initrd.img "" --cpus 1 --qmp "unix:$WORK/qmp"
grep -q '"event":"POWERDOWN"' "$WORK/answers" || fail "no event POWERDOWN: $(cat "$WORK/answers")"
[ ! -e "$WORK/qmp" ] || fail "the control socket is left"
