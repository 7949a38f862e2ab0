# SPDX-License-Identifier: MIT
#
# `make check-control` drives the control socket of real processes; TESTS="commands ..." runs those
# tests only. QEMU_QMP=DIR is where Python finds the module qemu.qmp, if not in its own places.

check-control: $(B)/pollux
	@$(make_guest)
	@tests/control/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) $(TESTS)

.PHONY: check-control
