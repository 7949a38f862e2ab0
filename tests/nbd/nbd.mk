# SPDX-License-Identifier: MIT
#
# `make check-nbd` boots the test Linux guest in QEMU, without KVM, on a disk of `pollux vhost-user` whose
# image is on an NBD server: nbdkit, qemu-nbd, nbd-server. TESTS="memory kill ..." runs those tests only;
# NBD_KILLS=N ends the server N times in the test kill.

NBD_KILLS ?= 5

check-nbd: $(B)/pollux
	@$(make_guest)
	@DEPS=$(WANT_DEPS) scripts/deps.sh nbd || true # what is missing is skipped
	@tests/nbd/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --kills $(NBD_KILLS) $(TESTS)

.PHONY: check-nbd
