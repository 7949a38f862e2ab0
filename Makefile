# SPDX-License-Identifier: MIT
# Pollux. `make` builds build/pollux; `make help` lists the targets.

B ?= build
CC ?= cc
CFLAGS ?= -O2 -g
ROOMS := aio iothread virtq kvm cli

ifdef SAN
B := $(B)-$(subst $(comma),-,$(SAN))
SAN_FLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
comma := ,

POLLUX_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wstrict-prototypes \
	-Wmissing-prototypes -Wno-unused-parameter -I. -pthread $(SAN_FLAGS)
LDLIBS := -laio -pthread

SRCS := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c))
LIB_SRCS := $(filter-out cli/main.c,$(SRCS))
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o)

all: $(B)/pollux

$(B)/pollux: $(B)/cli/main.o $(B)/libpollux.a
	$(CC) $(CFLAGS) $(SAN_FLAGS) -o $@ $^ $(LDLIBS)

$(B)/libpollux.a: $(LIB_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(POLLUX_CFLAGS) -MMD -MP -c -o $@ $<

clean:
	rm -rf $(B)

format:
	clang-format -i $(foreach r,$(ROOMS) tests/unit tests/vm,$(wildcard $(r)/*.[ch]))

.PHONY: all clean format
-include $(shell find $(B) -name '*.d' 2>/dev/null)
