# lkvm: see README.md. "make help" lists what there is to make.
#
#   ARCH=x86|arm64   what to build for (default: this machine)
#   SHARED=1         lkvm uses the system's shared libraries (without: one static program)
#   WERROR=1         warnings are errors (the default where CI is set)
#   V=1              show the commands

HOST_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
ARCH      ?= $(HOST_ARCH)
BUILD     := build/$(if $(COVERAGE),coverage-)$(ARCH)
WERROR    ?= $(if $(CI),1)
Q         := $(if $(V),,@)
say        = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

triple_x86   := x86_64-linux-gnu
triple_arm64 := aarch64-linux-gnu
folder_x86   := x86
folder_arm64 := arm
TRIPLE       := $(triple_$(ARCH))
ARCH_FOLDER  := $(folder_$(ARCH))
$(if $(TRIPLE),,$(error ARCH=$(ARCH): lkvm runs on x86 and arm64))

# Another architecture's libraries come from a sysroot that scripts/sysroot fills.
ifneq ($(ARCH),$(HOST_ARCH))
SYSROOT      := build/sysroot-$(ARCH)
CROSS        := $(TRIPLE)-
SYSROOT_DONE := $(SYSROOT)/done
SYSROOT_CPP  := -isystem $(SYSROOT)/usr/include -isystem $(SYSROOT)/usr/include/$(TRIPLE)
SYSROOT_LD   := -L$(SYSROOT)/usr/lib/$(TRIPLE) -Wl,-rpath-link,$(SYSROOT)/usr/lib/$(TRIPLE)
endif
CC := $(if $(filter default undefined,$(origin CC)),$(CROSS)gcc,$(CC))
HOST_CC ?= gcc
AR := $(CROSS)gcc-ar

PREFIX  ?= /usr/local
LIBEXEC ?= $(PREFIX)/libexec
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

WARNINGS := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	    -Wvla -Wshadow -Wpointer-arith -Wundef -Wno-unused-parameter -Wno-missing-field-initializers $(if $(WERROR),-Werror)
CPPFLAGS := -Iinclude -D_GNU_SOURCE $(SYSROOT_CPP)
CFLAGS   ?= $(if $(COVERAGE),-O0 -g --coverage -fprofile-update=atomic,-O2 -g)
CFLAGS   += -std=gnu11 $(WARNINGS) -fPIE -pthread -fno-strict-aliasing -fstack-protector-strong
LDFLAGS  += -pthread -Wl,--as-needed $(SYSROOT_LD)
# What makes a hole harder to use, for what is installed. Level 3 of fortification needs a compiler that knows sizes which are
# computed, and none works without optimisation. Tests and fuzzers have sanitizers instead, which know less of fortified calls.
hash          := \#
FORTIFY_LEVEL := $(shell printf '%s\n' '$(hash)ifdef __OPTIMIZE__' '$(hash)if __has_builtin(__builtin_dynamic_object_size)' \
		   'level 3' '$(hash)else' 'level 2' '$(hash)endif' '$(hash)endif' | \
		   $(CC) $(CFLAGS) -E -P - 2>/dev/null | sed -n 's/level //p')
harden_x86    := -fcf-protection=full
harden_arm64  := -mbranch-protection=standard
HARDEN        := -fstack-clash-protection $(harden_$(ARCH)) \
		 $(if $(FORTIFY_LEVEL),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY_LEVEL))
HARDEN_LINK   := -Wl,-z,relro,-z,now,-z,noexecstack
# Sanitizers and optimisation add branches that nobody wrote.
SANITIZE := $(if $(COVERAGE),,-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)

# Each folder lists its sources: <folder>-src, and in arm/ and x86/ <folder>-portable,
# the part of it that compiles, and so is unit-tested, on any machine.
MODULES := util vmm x86 arm virtio iommu vfio disk net folder oneshot init confine cmd helper
include $(addsuffix /module.mk,$(MODULES))

CORE      := util vmm virtio iommu vfio disk net folder oneshot
paths      = $(foreach s,$($(1)-src),$(1)/$(s))
CORE_SRC  := $(foreach m,$(CORE),$(call paths,$(m)))
ARCH_SRC  := $(call paths,$(ARCH_FOLDER))
CMD_SRC   := $(call paths,confine) $(call paths,cmd)
# One static, position independent program: the loader of a shared C library costs each start
# 0.3 ms and 200 KiB, each other library 0.2 ms and 100 KiB; and one file is easily taken along.
LIBRARIES := -laio -ljansson $(if $(filter arm64,$(ARCH)),-lfdt) -lz -lzstd -llzma
LIBS      := $(if $(SHARED),-pie,-static-pie) $(LIBRARIES)

# The network of --network mode=user is a program of its own, as only that needs libslirp, which
# brings GLib. It is left out where there is no libslirp. Cross builds find it in their sysroot.
HELPER := $(if $(SYSROOT)$(wildcard /usr/include/slirp/libslirp.h),$(BUILD)/lkvm-net-user)
HELPER_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(call paths,helper))

.PHONY: all help
all: lkvm
help:
	@sed -n 's/^# \(make .*\)/\1/p' $(MAKEFILE_LIST)

# make                       ./lkvm for this machine; with ARCH= build/<arch>/lkvm
lkvm: $(BUILD)/lkvm $(HELPER)
	$(if $(filter $(ARCH),$(HOST_ARCH)),$(Q)cmp -s $< $@ || cp -f $< $@)
	$(if $(filter $(ARCH),$(HOST_ARCH)),$(if $(HELPER),$(Q)cmp -s $(HELPER) lkvm-net-user || cp -f $(HELPER) lkvm-net-user))
.PHONY: $(if $(filter $(ARCH),$(HOST_ARCH)),,lkvm)

OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(CORE_SRC) $(ARCH_SRC) $(CMD_SRC))

$(BUILD)/lkvm: $(OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN) -o $@ $(OBJECTS) $(LDFLAGS) $(HARDEN_LINK) $(LIBS)

# What SHARED=1 makes of the same objects, for tests.
$(BUILD)/shared/lkvm: $(OBJECTS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HARDEN) -o $@ $(OBJECTS) $(LDFLAGS) $(HARDEN_LINK) -pie $(LIBRARIES)

$(BUILD)/lkvm-net-user: $(HELPER_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(HARDEN) -o $@ $^ $(LDFLAGS) $(HARDEN_LINK) -pie -lslirp -lseccomp

$(BUILD)/obj/net/user.o: CPPFLAGS += -DLKVM_LIBEXEC='"$(LIBEXEC)"'
$(BUILD)/obj/%.o: %.c Makefile | $(SYSROOT_DONE)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(HARDEN) -MMD -MP -c -o $@ $<

# The first process of a one-shot run's guest: a program without a C library, inside lkvm. Without noseparate-code its few KiB
# are padded to pages of their own.
INIT := $(BUILD)/init
INIT_C := -std=gnu11 -Os $(WARNINGS) -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector \
	  -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-tree-loop-distribute-patterns \
	  -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code -s
INIT_SRC := $(call paths,init) init/memory.c init/$(ARCH).S
$(INIT): $(INIT_SRC) init/init.h init/sys.h include/oneshot/protocol.h Makefile init/module.mk | $(SYSROOT_DONE)
	$(call say,INIT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(INIT_C) -o $@ $(INIT_SRC)
$(BUILD)/obj/cmd/oneshot_init.o: CPPFLAGS += -DLKVM_INIT='"$(INIT)"'
$(BUILD)/obj/cmd/oneshot_init.o: $(INIT)

# The filters of system calls, as tables that a program makes which runs here: the numbers of requests are the target's.
CONFINE   := $(BUILD)/confine
CONFINE_C := -std=gnu11 $(WARNINGS) -DIOCTLS_OF_ARCH='"ioctls_$(ARCH).def"'
$(CONFINE)/numbers.h: confine/numbers.c confine/ioctls.def confine/ioctls_$(ARCH).def Makefile | $(SYSROOT_DONE)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CONFINE_C) -O0 -S -o $(@D)/numbers.s $<
	$(Q)sed -n 's/^->\(.*\) [$$#]*\(.*\)/#define NUMBER_\1 \2/p' $(@D)/numbers.s >$@
$(CONFINE)/generate: confine/generate.c confine/calls.def confine/rules.h confine/private.h include/util/thread.h $(CONFINE)/numbers.h
	$(Q)$(HOST_CC) -Iinclude -I$(CONFINE) -D_GNU_SOURCE $(CONFINE_C) -O1 -o $@ $< -lseccomp
$(CONFINE)/filters.h: $(CONFINE)/generate
	$(call say,FILTERS,$@)
	$(Q)$< $(ARCH) >$@.new; mv $@.new $@
$(BUILD)/obj/confine/seccomp.o: CPPFLAGS += -I$(CONFINE)
$(BUILD)/obj/confine/seccomp.o: $(CONFINE)/filters.h

$(BUILD)/obj/cmd/run_options.o: CPPFLAGS += $(if $(COVERAGE),-DRUN_UNCONFINED=true)

# The version is in one object, remade when it changes.
$(BUILD)/obj/cmd/version.o: CPPFLAGS += -DLKVM_VERSION='"$(VERSION)"'
$(BUILD)/obj/cmd/version.o: $(BUILD)/version
$(BUILD)/version: FORCE
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
# So is where lkvm-net-user is installed: 'make install PREFIX=/usr' may follow a plain 'make'.
$(BUILD)/obj/net/user.o: $(BUILD)/libexec
$(BUILD)/libexec: FORCE
	@mkdir -p $(@D); echo '$(LIBEXEC)' | cmp -s - $@ || echo '$(LIBEXEC)' >$@
.PHONY: FORCE
FORCE:

$(SYSROOT_DONE): scripts/sysroot
	$(call say,SYSROOT,$(SYSROOT))
	$(Q)scripts/sysroot $(ARCH) $(SYSROOT)

include tests/tests.mk

# The manual page's options and bash's completion come from the option tables of an lkvm that
# runs here, which for another architecture is this machine's own.
NATIVE := $(if $(filter $(ARCH),$(HOST_ARCH)),$(BUILD),build/$(HOST_ARCH))/lkvm
ifneq ($(ARCH),$(HOST_ARCH))
$(NATIVE): FORCE
	$(Q)$(MAKE) --no-print-directory ARCH=$(HOST_ARCH) lkvm
endif

# make setup                 install what building and testing need (Debian packages)
# make demo                  boot a stock Debian 13 guest with its disk behind the IOMMU
# make check                 the tests: all of style, unit, wire, fuzz, tsan, cli, guest, fault, lab and lab-vfio below
.PHONY: setup demo check
setup:
	@scripts/setup check
demo:
	@scripts/demo
check:
	@scripts/check

# make docs                  build/<arch>/lkvm.1, and bash's completion
.PHONY: docs
docs: $(BUILD)/lkvm.1 $(BUILD)/lkvm.bash
$(BUILD)/lkvm.1: docs/lkvm.1 $(NATIVE)
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D); $(NATIVE) help --man >$@.options; $(NATIVE) help --man commands >$@.commands
	$(Q)$(NATIVE) help --man families >$@.families
	$(Q)sed -e '/^\.\\" OPTIONS/{r $@.options' -e 'd}' -e '/^\.\\" COMMANDS/{r $@.commands' -e 'd}' \
		-e '/^\.\\" FAMILIES/{r $@.families' -e 'd}' \
		docs/lkvm.1 >$@.new; mv $@.new $@
$(BUILD)/lkvm.bash: $(NATIVE)
	$(call say,BASH,$@)
	$(Q)mkdir -p $(@D); $(NATIVE) completion bash >$@.new; mv $@.new $@

# make install               to PREFIX (/usr/local), under DESTDIR
.PHONY: install
install: $(BUILD)/lkvm $(HELPER) docs
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/lkvm
	$(if $(HELPER),install -D -m 755 $(HELPER) $(DESTDIR)$(LIBEXEC)/lkvm-net-user)
	install -D -m 644 $(BUILD)/lkvm.1 $(DESTDIR)$(PREFIX)/share/man/man1/lkvm.1
	install -D -m 644 $(BUILD)/lkvm.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lkvm

# make format                lay the sources out as .clang-format says
.PHONY: format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

# make clean                 remove everything that was made, but for what was downloaded
.PHONY: clean
clean:
	rm -rf build/x86 build/arm64 build/coverage-* build/fuzz lkvm lkvm-net-user

-include $(OBJECTS:.o=.d) $(HELPER_OBJECTS:.o=.d)
