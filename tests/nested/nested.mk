# SPDX-License-Identifier: MIT
# `make check-nested` runs every test, `make check-nested TESTS="boot smp"` some. A guest that cannot
# be made (no network yet) is a skip that says so, in run.sh.
TESTS ?=

# Each source here is a program that cases run beside Pollux.
NESTED_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/nested/*.c))

$(NESTED_TOOLS): $(B)/%: $(B)/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) -o $@ $<

tests: $(NESTED_TOOLS)

check-nested: $(B)/pollux $(NESTED_TOOLS)
	-@guest-images/linux/make-guest.sh $(GUEST_LINUX)
	@tests/nested/run.sh --pollux $(B)/pollux --guest $(GUEST_LINUX) $(TESTS)

.PHONY: check-nested
