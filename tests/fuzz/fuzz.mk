# SPDX-License-Identifier: MIT
# Fuzz targets: each fuzz_*.c is a program on libFuzzer, built by clang with sanitizers in a directory
# of its own. For each row of tests/fuzz/plants there is another with a bug planted in the product, which
# the target must find. `make fuzz FUZZ="ring waits"` runs some of them only.
FUZZ_TIME ?= 60
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_B := build/fuzz
FUZZ_CC := clang
FUZZ_CFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all $(filter-out -fsanitize=% -Wno-error,$(POLLUX_CFLAGS)) \
	-Wno-missing-field-initializers
FUZZ_COVERAGE := -fsanitize=fuzzer-no-link
FUZZ_WRAP := virtq_start virtq_stop virtq_break virtq_split_pop virtq_split_push \
	virtq_packed_pop virtq_packed_push sem_wait

FUZZ_SUPPORT := $(patsubst %.c,$(FUZZ_B)/%.o, \
	$(filter-out tests/fuzz/fuzz_%.c,$(wildcard tests/fuzz/*.c)))
FUZZ_LIB := $(patsubst %.c,$(FUZZ_B)/%.o,$(filter-out cli/main.c,$(SRCS)))

fuzz:
	@FUZZ_TIME=$(FUZZ_TIME) tests/fuzz/run.sh $(FUZZ)

# What run.sh asks for once it knows that the compiler can do it.
FUZZ_PLANTS := $(shell sed -n 's/^\([a-z][a-z-]*\) .*/\1/p' tests/fuzz/plants)
base_of = $(firstword $(subst -, ,$(1)))
fuzz-programs: $(FUZZ:%=$(FUZZ_B)/fuzz_%) \
	$(foreach p,$(FUZZ_PLANTS),$(if $(filter $(call base_of,$(p)),$(FUZZ)),$(FUZZ_B)/planted_$(p)))

$(FUZZ_B)/%.o: %.c tests/fuzz/fuzz.mk
	$(call say,FUZZ-CC,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_COVERAGE) -MMD -MP -c -o $@ $<

# Memory is compared after every step: what does that is fast, and of no interest to the fuzzer.
$(FUZZ_B)/tests/fuzz/guest.o: FUZZ_CFLAGS += -O2 -fno-sanitize=all
$(FUZZ_B)/tests/fuzz/guest.o: FUZZ_COVERAGE :=

# The support may stand in for parts of the product, so it is looked through first.
$(FUZZ_B)/libsupport.a: $(FUZZ_SUPPORT)
$(FUZZ_B)/libpollux.a: $(FUZZ_LIB)
$(FUZZ_B)/%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

fuzz_link = $(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $(FUZZ_WRAPS_$(1)) -o $@ $(filter %.o,$^) \
	$(FUZZ_B)/libsupport.a $(FUZZ_B)/libpollux.a $(LDLIBS)
FUZZ_WRAPS_blk := $(addprefix -Wl$(comma)--wrap=,$(FUZZ_WRAP))
FUZZ_WRAPS_mmio := $(FUZZ_WRAPS_blk)
FUZZ_WRAPS_pci := $(FUZZ_WRAPS_blk)
FUZZ_WRAPS_vhost := $(FUZZ_WRAPS_blk)

$(FUZZ_B)/fuzz_%: $(FUZZ_B)/tests/fuzz/fuzz_%.o $(FUZZ_B)/libsupport.a $(FUZZ_B)/libpollux.a
	$(call say,FUZZ-LINK,$@)
	$(Q)$(call fuzz_link,$*)

# The planted object comes before the library, so the library's own is not looked at.
define planted_rule
$(FUZZ_B)/planted_$(1): $(FUZZ_B)/tests/fuzz/fuzz_$(call base_of,$(1)).o $(FUZZ_B)/plants/$(1).o \
		$(FUZZ_B)/libsupport.a $(FUZZ_B)/libpollux.a
	$$(call say,FUZZ-LINK,$$@)
	$$(Q)$$(call fuzz_link,$(call base_of,$(1)))
endef
$(foreach p,$(FUZZ_PLANTS),$(eval $(call planted_rule,$(p))))

$(FUZZ_B)/plants/%.o: tests/fuzz/plants tests/fuzz/plant.sh $(SRCS)
	@mkdir -p $(@D)
	$(Q)tests/fuzz/plant.sh $* >$(@D)/$*.c
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_COVERAGE) -c -o $@ $(@D)/$*.c

.PHONY: fuzz fuzz-programs
-include $(FUZZ_LIB:.o=.d) $(wildcard $(FUZZ_B)/tests/fuzz/*.d)
