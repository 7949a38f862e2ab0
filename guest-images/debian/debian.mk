# SPDX-License-Identifier: MIT
# A Debian 12 root disk with its kernel and initrd; the script itself knows whether they are up to date.
GUEST_DEBIAN := build/guest-debian

guest-debian: $(B)/pollux
	@guest-images/debian/make-debian.sh $(GUEST_DEBIAN)
	@echo
	@echo 'Boot it (root logs in without a password; `poweroff` or Ctrl-A x ends the machine):'
	@echo
	@echo '    $(B)/pollux run --kernel $(GUEST_DEBIAN)/vmlinuz --initrd $(GUEST_DEBIAN)/initrd.img \'
	@echo '        --append "console=ttyS0 root=/dev/vda rw" --memory 1G --disk $(GUEST_DEBIAN)/disk.img'

.PHONY: guest-debian
