# SPDX-License-Identifier: MIT
# The bench guest: a bare-metal ELF image, and the object that carries it inside libpollux.
# The root Makefile includes this before it uses LIB_OBJS. The guest has flags of its own: what
# a user puts into CFLAGS or SAN is meant for programs with a C library under them.

BENCH_DIR := guest-images/bench
BENCH_OUT := $(B)/$(BENCH_DIR)
BENCH_ELF := $(BENCH_OUT)/bench.elf

BENCH_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=small -march=x86-64 \
	-mgeneral-regs-only -mno-red-zone -fcf-protection=none -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-tree-loop-distribute-patterns \
	-Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -I.
BENCH_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,-z,norelro -Wl,--fatal-warnings

# clang has no -fno-tree-loop-distribute-patterns; -ffreestanding keeps it from calling memcpy().
ifneq ($(findstring clang,$(shell $(CC) --version)),)
BENCH_CFLAGS := $(filter-out -fno-tree-loop-distribute-patterns,$(BENCH_CFLAGS))
endif

BENCH_SRCS := $(filter-out %/bench-elf.S,$(wildcard $(BENCH_DIR)/*.c $(BENCH_DIR)/*.S))
BENCH_OBJS := $(addprefix $(B)/,$(addsuffix .o,$(BENCH_SRCS)))

LIB_OBJS += $(BENCH_OUT)/bench-elf.o

bench-guest: $(BENCH_ELF)

$(BENCH_OBJS): $(B)/%.o: % $(BENCH_DIR)/bench.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

$(BENCH_ELF): $(BENCH_OBJS) $(BENCH_DIR)/bench.ld
	$(call say,LINK,$@)
	$(Q)$(CC) $(BENCH_LDFLAGS) -Wl,-T,$(BENCH_DIR)/bench.ld -o $@ $(BENCH_OBJS)

$(BENCH_OUT)/bench-elf.o: $(BENCH_DIR)/bench-elf.S $(BENCH_ELF)
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CC) -DBENCH_ELF='"$(BENCH_ELF)"' -c -o $@ $<

.PHONY: bench-guest
