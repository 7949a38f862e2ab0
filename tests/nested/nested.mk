# SPDX-License-Identifier: MIT
# `make check-nested` runs every test, `make check-nested TESTS="boot smp"` some. A guest that cannot
# be made (no network yet) is a skip that says so, in run.sh.
#
# `make check-long` runs what takes too long for each change: every engine with every cache mode, and
# KILLS kills; PARTS names some of its parts. It leaves a table in build/nested/long/table.md.
TESTS ?=
PARTS ?=
KILLS ?= 100

# Each source here is a program that cases run beside Pollux.
NESTED_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/nested/*.c))

$(NESTED_TOOLS): $(B)/%: $(B)/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) -o $@ $<

# `records` runs in the guest, too, which has no libraries for it.
ifndef SAN
$(B)/tests/nested/records: LDFLAGS += -static
endif

tests: $(NESTED_TOOLS)

check-nested: $(B)/pollux $(NESTED_TOOLS)
	-@guest-images/linux/make-guest.sh $(GUEST_LINUX)
	@tests/nested/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) $(TESTS)

check-long: $(B)/pollux $(NESTED_TOOLS)
	-@guest-images/linux/make-guest.sh $(GUEST_LINUX)
	@tests/nested/long.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) --kills $(KILLS) $(PARTS)

.PHONY: check-nested check-long
