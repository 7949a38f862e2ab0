# SPDX-License-Identifier: MIT
# `make check-nested` runs every test, `make check-nested TESTS="boot smp"` some, and with TRANSPORT=mmio
# or pci the disks have that transport. A guest that cannot be made because the machine lacks apt or a
# network is a skip that says so, in run.sh.
#
# `make check-kernels` runs some tests with the kernels of other Debian suites as the host's kernel, in
# QEMU's emulated SVM machine.
#
# `make check-long` runs what takes too long for each change: every engine with every cache mode, and
# KILLS kills; PARTS names some of its parts. It leaves a table in build/nested/long/table.md.
TESTS ?=
TRANSPORT ?=
PARTS ?=
KILLS ?= 100

# What `make check` runs, and the rest.
NESTED_QUICK := boot filesystem smp doctor
NESTED_REST := $(filter-out $(NESTED_QUICK),$(basename $(notdir $(wildcard tests/nested/cases/*.sh))))

HOST_SUITES ?= bookworm trixie sid
KERNEL_TESTS ?= boot filesystem fio-verify two-disks doctor bench
HOST_KERNELS := build/host-kernels

# Each source here is a program that cases run beside Pollux.
NESTED_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/nested/*.c))

$(NESTED_TOOLS): $(B)/%: $(B)/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) -o $@ $<

# `records` runs in the guest, too, which has no libraries for it.
ifndef SAN
$(B)/tests/nested/records $(B)/tests/nested/qmp-send: LDFLAGS += -static
endif

tests: $(NESTED_TOOLS)

# 77: the machine lacks what the recipe needs.
make_guest = guest-images/linux/make-guest.sh $(GUEST_LINUX) || [ $$? -eq 77 ]

check-nested: $(B)/pollux $(NESTED_TOOLS)
	@$(make_guest)
	@tests/nested/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) \
		$(if $(TRANSPORT),--set TRANSPORT=$(TRANSPORT)) $(TESTS)

check-kernels: $(B)/pollux $(NESTED_TOOLS)
	@$(make_guest)
	@for suite in $(HOST_SUITES); do \
		guest-images/linux/make-kernel.sh $$suite $(GUEST_LINUX) $(HOST_KERNELS)/$$suite || \
			[ $$? -eq 77 ] || exit 1; \
		tests/nested/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) \
			--host-kernel $(HOST_KERNELS)/$$suite $(KERNEL_TESTS) || exit 1; \
	done

check-long: $(B)/pollux $(NESTED_TOOLS)
	@$(make_guest)
	@tests/nested/long.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --kills $(KILLS) $(PARTS)

# The disk of `make guest-debian`, booted to its login prompt and used.
check-debian: guest-debian
	@$(make_guest)
	@tests/nested/debian/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --debian $(GUEST_DEBIAN)

.PHONY: check-nested check-kernels check-long check-debian
