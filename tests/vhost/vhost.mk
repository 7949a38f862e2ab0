# SPDX-License-Identifier: MIT
#
# `make check-vhost` boots the test Linux guest in QEMU, without KVM, on disks of `pollux vhost-user`;
# TESTS="kill-split ..." runs those tests only, VHOST_KILLS=N ends the back end N times in each of the
# kill tests.

VHOST_KILLS ?= 3

check-vhost: $(B)/pollux
	@$(make_guest)
	@tests/vhost/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --kills $(VHOST_KILLS) $(TESTS)

.PHONY: check-vhost
