# SPDX-License-Identifier: MIT
# The test Linux guest, from Debian packages; the script itself knows what is up to date.
GUEST_LINUX := build/guest-linux

guest-linux:
	guest-images/linux/make-guest.sh $(GUEST_LINUX)

.PHONY: guest-linux
