# Tiny guests, one behaviour each, that run under the real lkvm (tests/guest/run).
GUEST_NAMES := $(basename $(notdir $(filter-out %/start.S,\
	       $(wildcard tests/guest/*.c tests/guest/*.S))))
GUESTS      := $(if $(filter x86,$(ARCH)),$(addprefix $(TEST)/guest/,$(GUEST_NAMES)))
GUEST_C     := -std=gnu11 -O1 $(WARNINGS) -ffreestanding -nostdlib -static -mno-red-zone -mno-sse \
	       -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -fcf-protection=none \
	       -fno-asynchronous-unwind-tables -fno-strict-aliasing -Wl,--build-id=none \
	       -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-T,tests/guest/guest.ld
GUEST_DEPS  := include/oneshot/protocol.h $(addprefix tests/,include/ports.h $(addprefix guest/,guest.h io.h memory.h types.h smp.h virtio.h guest.ld guest.mk) kill/play.h)

$(TEST)/guest/%: tests/guest/%.c tests/guest/start.S $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $(filter %.c %.S,$^)

$(TEST)/guest/%: tests/guest/%.S $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $<

# A flat binary: no header, real mode.
$(TEST)/guest/real.flat: tests/guest/flat/real.S $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie -Itests/include -Wl,-Ttext=0,--build-id=none,-z,noexecstack -o $@.elf $<
	$(Q)$(CROSS)objcopy -O binary -j .text $@.elf $@
	$(Q)rm $@.elf
ifeq ($(ARCH),x86)
GUESTS += $(TEST)/guest/real.flat
endif

# Kernels for the boot cache: bzImages with a vmlinux that the host can unpack.
CACHE_DEPS := $(wildcard tests/guest/cache/*) $(GUEST_DEPS)
CACHE_C    := -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096,--no-warn-rwx-segments
$(TEST)/guest/%.bzimage: tests/guest/cache/%.S $(CACHE_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CACHE_C) -Wl,-T,tests/guest/cache/vmlinux.ld -o $@.elf $<
	$(Q)$(CROSS)objcopy -S $@.elf $@.vmlinux
	$(Q)$(CC) -c -o $@.o tests/guest/cache/relocations.S
	$(Q)$(CROSS)objcopy -O binary -j .text $@.o $@.elf
	$(Q)cat $@.elf >>$@.vmlinux
	$(Q)gzip -nc $@.vmlinux >$@.gz
	$(Q)$(CC) -c -DPAYLOAD='"$@.gz"' -o $@.o tests/guest/cache/bzimage.S
	$(Q)$(CROSS)objcopy -O binary -j .text $@.o $@
	$(Q)rm $@.*
ifeq ($(ARCH),x86)
GUESTS += $(addprefix $(TEST)/guest/,moved.bzimage dies.bzimage)
endif

# The conformance guest has a folder of its own, and both architectures: as an ELF file like the others and
# as a flat firmware image for QEMU; as an arm64 Image.
CONFORMANCE     := $(TEST)/guest/viommu_conformance
CONFORMANCE_SRC := $(wildcard tests/guest/viommu/*.c) $(wildcard tests/guest/viommu/$(ARCH)/*.c)
CONFORMANCE_ALL := $(CONFORMANCE) $(if $(filter x86,$(ARCH)),$(CONFORMANCE).bios)
CONFORMANCE_DEP := $(wildcard tests/guest/viommu/*.h tests/guest/viommu/$(ARCH)/*) $(GUEST_DEPS)
GUEST_ARM64_C   := -std=gnu11 -O1 -fno-tree-loop-distribute-patterns $(WARNINGS) -ffreestanding -nostdlib \
		   -mgeneral-regs-only -mcmodel=small -fpie -static-pie -fno-stack-protector \
		   -mbranch-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing \
		   -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,--no-warn-rwx-segments \
		   -Wl,-T,tests/guest/viommu/arm64/image.ld

ifeq ($(ARCH),arm64)
$(CONFORMANCE): $(CONFORMANCE_SRC) tests/guest/viommu/arm64/start.S $(CONFORMANCE_DEP)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_ARM64_C) -o $@.elf $(CONFORMANCE_SRC) tests/guest/viommu/arm64/start.S
	$(Q)$(CROSS)objcopy -O binary $@.elf $@
	$(Q)rm $@.elf
else
$(CONFORMANCE): $(CONFORMANCE_SRC) tests/guest/start.S $(CONFORMANCE_DEP)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $(CONFORMANCE_SRC) tests/guest/start.S
endif

$(CONFORMANCE).bios: $(CONFORMANCE) tests/guest/viommu/x86/bios.S
	$(call say,GUEST,$@)
	$(Q)$(CROSS)objcopy -O binary $< $@.payload
	$(Q)$(CC) -nostdlib -static -no-pie -DPAYLOAD='"$@.payload"' -Wl,-Ttext=0xfffe0000,--build-id=none \
		-Wl,-z,noexecstack -o $@.elf tests/guest/viommu/x86/bios.S
	$(Q)$(CROSS)objcopy -O binary -j .text $@.elf $@
	$(Q)rm $@.elf $@.payload

GUESTS += $(CONFORMANCE_ALL)

# Tiny guests of the lab: on arm64 there are no others.
ifeq ($(ARCH),arm64)
LAB_GUESTS := $(TEST)/guest/abort
$(TEST)/guest/abort: tests/guest/arm64/abort.S
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -Wl,-Ttext=0,--build-id=none,-z,noexecstack -o $@.elf $<
	$(Q)$(CROSS)objcopy -O binary -j .text $@.elf $@
	$(Q)rm $@.elf
else
LAB_GUESTS := $(addprefix $(TEST)/guest/,jump_mmio exception_mmio)
endif

# What loads another kernel in a guest of the lab.
$(BUILD)/kexec-load: tests/lab/kexec-load$(if $(filter arm64,$(ARCH)),-arm64).c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $<

# What the lab's hosts run besides stock kernels: once for each architecture, before check-lab.
.PHONY: conformance lab-guests
conformance: $(CONFORMANCE_ALL) $(LAB_GUESTS) $(BUILD)/kexec-load
lab-guests:
	@$(MAKE) --no-print-directory ARCH=x86 conformance
	@$(MAKE) --no-print-directory ARCH=arm64 conformance
lab-programs: lab-guests

# make check-guest           tiny guests under lkvm; needs /dev/kvm
.PHONY: check-guest
check-guest: $(BUILD)/lkvm $(HOLE) $(GUESTS) $(if $(filter x86,$(ARCH)),$(TEST)/kill/judge)
	@LKVM=$(BUILD)/lkvm HOLE=$(HOLE) GUESTS=$(TEST)/guest JUDGE=$(TEST)/kill/judge tests/guest/run
