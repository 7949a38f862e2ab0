# SPDX-License-Identifier: MIT
# `make check-nested` runs every test, `make check-nested TESTS="boot smp"` some. A guest that cannot
# be made (no network yet) is a skip that says so, in run.sh.
TESTS ?=

check-nested: $(B)/pollux
	-@guest-images/linux/make-guest.sh $(GUEST_LINUX)
	@tests/nested/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) $(TESTS)

.PHONY: check-nested
