# SPDX-License-Identifier: MIT
#
# `make check-rbd` boots the test Linux guest in QEMU, without KVM, on a disk of `pollux vhost-user` whose
# image is in a Ceph cluster of one node. TESTS="verify kill ..." runs those tests only; RBD_KILLS=N ends the
# OSD N times in the test kill.

RBD_KILLS ?= 10

check-rbd: $(B)/pollux
	@$(make_guest)
	@DEPS=$(WANT_DEPS) scripts/deps.sh rbd || true # what is missing is skipped
	@tests/rbd/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --kills $(RBD_KILLS) $(TESTS)

.PHONY: check-rbd
