# SPDX-License-Identifier: MIT
# Pollux. `make` builds build/pollux; `make help` lists the targets.

PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
CFLAGS ?= -O2 -g
ROOMS := base trace aio engine iothread virtq blk vhost kvm control sandbox cli bench

# --- where things are built: one directory per compiler and sanitizer ---

comma := ,
CC_NAME := $(notdir $(firstword $(CC)))
B := build
ifeq ($(filter $(CC_NAME),cc gcc),)
B := $(B)/$(CC_NAME)
endif
ifdef SAN
B := $(B)/san-$(subst $(comma),-,$(SAN))
# gcc warns of what cannot happen in code that it has instrumented; the plain build is the judge.
SAN_FLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -Wno-error
endif

# --- packages that are missing, before anything else needs them ---

GOALS := $(or $(MAKECMDGOALS),all)
NEED := $(if $(filter-out clean format help dist deb,$(GOALS)),build) \
	$(if $(filter check check-rest check-all mutation tests waits,$(GOALS)),check) $(if $(filter lint,$(GOALS)),check lint) \
	$(if $(filter results,$(GOALS)),results) $(if $(filter guest-debian check-debian check-rest check-all,$(GOALS)),debian) \
	$(if $(findstring clang,$(CC_NAME)),clang)
ifneq ($(DEPS),no)
ifneq ($(strip $(NEED)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(shell scripts/deps.sh $(NEED) && echo ok),ok)
$(error packages are missing)
endif
endif
endif
endif
export WANT_DEPS := $(or $(WANT_DEPS),$(DEPS),yes)# for those who find out later what they need
export DEPS := no# for the makes below this one

# --- the program ---

# Commands are shown by name; `make V=1` shows them in full.
ifeq ($(V),)
Q := @
say = @echo '  $(1)	$(2)'
endif

# Strict aliasing is off, as in every kernel: rings and request buffers are views of plain memory, and
# gcc 12 -O2 took `list_del(l->queued.next)` in a loop for the same node each time.
POLLUX_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wstrict-prototypes \
	-Wmissing-prototypes -Wno-unused-parameter -fno-strict-aliasing -I. -pthread $(SAN_FLAGS)
# The path of a request crosses several files. Tests do without: they define symbols in assembly and
# take the place of functions in other objects.
LTO := $(if $(SAN)$(findstring clang,$(CC_NAME)),,-flto=auto -ffat-lto-objects)
LDLIBS := -laio -luring -lnbd -ljansson -lncurses -lseccomp -lm -pthread

SRCS := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c $(r)/*/*.c))
LIB_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out cli/main.c,$(SRCS)))

SHELLS := bash zsh fish

all: $(B)/pollux $(B)/pollux.1 $(SHELLS:%=$(B)/pollux.%)

# These add to LIB_OBJS or have targets of their own.
-include guest-images/bench/bench.mk
-include guest-images/linux/linux.mk
-include guest-images/debian/debian.mk
-include tests/model/model.mk
-include tests/nested/nested.mk tests/vhost/vhost.mk tests/control/control.mk tests/nbd/nbd.mk tests/rbd/rbd.mk
-include tests/fuzz/fuzz.mk
-include tests/mutation/mutation.mk

$(B)/pollux: $(B)/cli/main.o $(B)/libpollux.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LTO) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The manual page, with the options of the tables that the program has.
$(B)/pollux.1: docs/pollux.1 $(B)/pollux
	$(call say,MAN,$@)
	$(Q)$(B)/pollux help --man <$< >$@.new && mv $@.new $@

$(SHELLS:%=$(B)/pollux.%): $(B)/pollux.%: $(B)/pollux
	$(Q)$(B)/pollux help --completion $* >$@.new && mv $@.new $@

$(B)/libpollux.a: $(LIB_OBJS) $(B)/objects
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJS)

$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(POLLUX_CFLAGS) $(if $(filter tests/%,$<),,$(LTO)) -MMD -MP -c -o $@ $<

$(B)/bench/report.o: bench/report.py# it carries this file

# These change only when what they list does: then all is compiled, or the library made, anew.
$(B)/flags: LIST = $(CC) $(CFLAGS) $(POLLUX_CFLAGS) $(LTO) $(LDFLAGS)
$(B)/objects: LIST = $(LIB_OBJS)
$(B)/flags $(B)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(LIST)' | cmp -s - $@ || echo '$(LIST)' >$@

# --- tests: each test_*.c is a program; the other sources beside it are linked to all of them ---

TEST_DIRS := tests/unit tests/vm
TEST_SRCS := $(foreach d,$(TEST_DIRS) tests/perf,$(wildcard $(d)/*.c))
TEST_PROGS := $(patsubst %.c,$(B)/%,$(foreach d,$(TEST_DIRS),$(wildcard $(d)/test_*.c)))
TEST_LIBS = $(or $(shell pkg-config --libs check 2>/dev/null),-lcheck_pic -lsubunit -lrt -lm)
test_support = $(patsubst %.c,$(B)/%.o,$(filter-out $(1)/test_%,$(wildcard $(1)/*.c)))

define test_rule
$(B)/$(1)/test_%: $(B)/$(1)/test_%.o $(call test_support,$(1)) $(B)/libpollux.a
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(SAN_FLAGS) -fno-lto $$(LDFLAGS) -o $$@ $$^ $$(TEST_LIBS) $$(LDLIBS)
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_rule,$(d))))

tests: $(TEST_PROGS) build/waits/made

# Measures the I/O thread and the device without a VM; links what the unit tests link.
PERF_PROGS := $(B)/tests/perf/device
$(PERF_PROGS): %: %.o $(call test_support,tests/unit) $(B)/libpollux.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
perf: $(PERF_PROGS)

# The files of waits that test_replay runs policies on: generated and recorded ones.
waits: build/waits/made
build/waits/made: tests/waits/generate.py $(wildcard tests/waits/*.waits)
	@rm -rf $(@D) && mkdir -p $(@D)
	$(Q)python3 $< $(@D) && cp $(wordlist 2,99,$^) $(@D)
	@touch $@

# Tests have time limits only so that a hang ends. Models and nested machines have nothing to
# sanitize.
TEST_LIMIT ?= $(if $(SAN),600,180)
check: export CK_DEFAULT_TIMEOUT ?= $(if $(SAN),120,30)
check: $(B)/pollux $(TEST_PROGS) build/waits/made
	@scripts/run-tests.sh $(TEST_LIMIT) $(TEST_PROGS)
ifndef SAN
	@$(MAKE) --no-print-directory model
	@$(MAKE) --no-print-directory check-nested TESTS="$(NESTED_QUICK)"
endif

# All that `check` leaves out, in three parts. The first two can run side by side: each has one virtual
# machine at a time, and directories of its own.
check-linux: $(B)/pollux
	@$(MAKE) --no-print-directory check-nested TESTS="$(NESTED_REST)"
check-peers: $(B)/pollux
	@$(MAKE) --no-print-directory check-kernels
	@$(MAKE) --no-print-directory check-debian
	@$(MAKE) --no-print-directory check-vhost
	@$(MAKE) --no-print-directory check-control
	@$(MAKE) --no-print-directory check-nbd
check-sanitizers:
	@$(MAKE) --no-print-directory SAN=address,undefined check
	@$(MAKE) --no-print-directory SAN=thread check
check-rest:
	@$(MAKE) --no-print-directory check-linux
	@$(MAKE) --no-print-directory check-peers
	@$(MAKE) --no-print-directory check-sanitizers

check-all:
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory check-rest
	@$(MAKE) --no-print-directory check-rbd

bench: $(B)/pollux
	$(B)/pollux bench

# Takes a quarter of an hour on a quiet machine; -B: no __pycache__ in the sources.
results: $(B)/pollux
	@POLLUX=$(B)/pollux python3 -B scripts/results

# The plan is printed before the first step, whose packages and downloads take a minute.
demo:
	@echo 'This demo takes 2 to 4 minutes and writes to build/ only (missing packages apart):'
	@echo '  1. compile Pollux, and make a small Linux guest from Debian packages (70 MB, first time only)'
	@echo '  2. boot the guest; it writes a file system on a virtio-blk disk and reads it back'
	@echo '  3. compare blocking with polling I/O threads in a table (pollux bench, over a minute)'
	@echo
	@$(MAKE) --no-print-directory $(B)/pollux guest-linux
	@tests/nested/run.sh --pollux $(B)/pollux --show demo
	@echo
	@if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then \
		echo 'What polling buys, measured with the built-in guest (pollux bench):'; \
		$(B)/pollux bench; \
	else \
		echo 'The table is left out: /dev/kvm cannot be opened ($(B)/pollux doctor says what to do).'; \
		echo 'README.md has one of another machine, under Figures.'; \
	fi

# --- the rest ---

install: all
	install -D -m 755 $(B)/pollux $(DESTDIR)$(PREFIX)/bin/pollux
	install -D -m 644 $(B)/pollux.1 $(DESTDIR)$(PREFIX)/share/man/man1/pollux.1
	install -D -m 644 $(B)/pollux.bash $(DESTDIR)$(BASHDIR)/pollux
	install -D -m 644 $(B)/pollux.zsh $(DESTDIR)$(ZSHDIR)/_pollux
	install -D -m 644 $(B)/pollux.fish $(DESTDIR)$(FISHDIR)/pollux.fish
	install -d $(DESTDIR)$(UNITDIR)
	install -m 644 packaging/systemd/pollux-disk@.socket $(DESTDIR)$(UNITDIR)
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/systemd/pollux-disk@.service \
		>$(DESTDIR)$(UNITDIR)/pollux-disk@.service
	install -D -m 644 packaging/systemd/pollux.sysusers $(DESTDIR)$(SYSUSERSDIR)/pollux.conf

# A tarball of what is committed; it builds without git.
VERSION = $(shell sed -n 's/.*POLLUX_VERSION "\(.*\)"/\1/p' cli/version.h)
DIST = build/pollux-$(VERSION).tar.xz
dist:
	@mkdir -p build
	git archive --prefix=pollux-$(VERSION)/ HEAD | xz >$(DIST)
	@echo $(DIST)

# The packages of that tarball, in build/deb. dpkg-checkbuilddeps says what is missing.
deb: dist
	rm -rf build/deb
	mkdir -p build/deb
	tar -C build/deb -xf $(DIST)
	cd build/deb/pollux-$(VERSION) && dpkg-buildpackage -us -uc
	@ls build/deb/*.deb

lint:
	@scripts/lint.sh
	@$(MAKE) --no-print-directory CC=clang all tests

format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

clean:
	rm -rf build

help:
	@echo 'make                build build/pollux'
	@echo 'make check          build and run units, machines, models, a few Linux guests; 5 minutes'
	@echo 'make check-all      these, every Linux guest, under three kernels, and sanitizers; 30 minutes'
	@echo 'make demo           boot Debian Linux from Pollux, then measure polling'
	@echo 'make guest-linux    make the test Linux guest from Debian packages'
	@echo 'make guest-debian   make a Debian 12 root disk, and say how to boot it'
	@echo 'make check-nested   boot it; TESTS="boot smp" for some of its tests only'
	@echo 'make check-kernels  boot it with the kernels of Debian 12, 13 and sid as the host kernel'
	@echo 'make check-long     every engine with every cache mode, 100 kills; half an hour'
	@echo 'make check-debian   boot the disk of guest-debian, log in, verify data; some minutes'
	@echo 'make check-vhost    boot it in QEMU on disks of pollux vhost-user, kill the back end'
	@echo 'make check-control  drive the control socket of real processes'
	@echo 'make check-nbd      the same on NBD servers and qcow2; the server is killed'
	@echo 'make check-rbd      the same in a Ceph cluster of one node; the OSD is killed'
	@echo 'make fuzz           fuzz the parsers and devices, FUZZ_TIME=60 seconds each'
	@echo 'make mutation       see which changes of the product the unit tests notice; COUNT=50 SEED=1'
	@echo 'make bench          measure blocking mode against polling'
	@echo 'make perf           build/tests/perf/device, which measures the device without a VM'
	@echo 'make waits          make the files of waits for `pollux replay`, in build/waits'
	@echo 'make results        measure against QEMU and the host, write docs/results.md; 15 minutes'
	@echo 'make dist           a tarball of what is committed, in build/'
	@echo 'make deb            Debian packages of it, in build/deb/'
	@echo 'make install        install to PREFIX ($(PREFIX)), below DESTDIR if set'
	@echo 'make lint           formatting, static checks, a build with clang'
	@echo 'make format         bring the sources into shape'
	@echo 'make clean          remove build/'
	@echo
	@echo 'SAN=address,undefined or SAN=thread: with sanitizers, in a directory of its own'
	@echo 'CC=clang: with clang, in a directory of its own'
	@echo 'DEPS=no: never install packages'

.PHONY: all tests perf waits check check-linux check-peers check-sanitizers check-rest check-all bench results demo install dist deb lint format clean help FORCE
.SECONDARY:
-include $(patsubst %.c,$(B)/%.d,$(SRCS) $(TEST_SRCS)) $(wildcard $(B)/guest-images/*/*.d)
