#!/bin/sh
# SPDX-License-Identifier: MIT
# Waits for the power button, as a program that shuts down does: an input event of the key KEY_POWER.
. /tests/lib.sh

modprobe evdev || skip "there is no module evdev"
button=$(grep -l 'Power Button' /sys/class/input/event*/device/name 2>/dev/null | head -n 1 | cut -d / -f 5)
[ -n "$button" ] || fail "the kernel found no power button: $(cat /sys/class/input/input*/name)"
echo "POLLUX-BUTTON $button"
# struct input_event: 16 bytes of time, type 1 (key), code 116, value 1 (pressed).
event=$(head -c 24 "/dev/input/$button" | od -A n -t x1 -j 16 -N 8 | tr -d ' \n')
[ "$event" = 0100740001000000 ] || fail "the event is $event"
