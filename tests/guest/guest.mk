# Tiny guests, one behaviour each, that run under the real lkvm (tests/guest/run).
GUEST_NAMES := $(basename $(notdir $(filter-out %/start.S,\
	       $(wildcard tests/guest/*.c tests/guest/*.S))))
GUESTS      := $(if $(filter x86,$(ARCH)),$(addprefix $(TEST)/guest/,$(GUEST_NAMES)))
GUEST_C     := -std=gnu11 -O1 $(WARNINGS) -ffreestanding -nostdlib -static -mno-red-zone -mno-sse \
	       -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -fcf-protection=none \
	       -fno-asynchronous-unwind-tables -fno-strict-aliasing -Wl,--build-id=none \
	       -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-T,tests/guest/guest.ld
GUEST_DEPS  := $(addprefix tests/guest/,guest.h smp.h guest.ld guest.mk)

$(TEST)/guest/%: tests/guest/%.c tests/guest/start.S $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $(filter %.c %.S,$^)

$(TEST)/guest/%: tests/guest/%.S $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $<

# The conformance guest has a folder of its own: as an ELF file like the others, and as a flat
# firmware image for QEMU.
CONFORMANCE := $(TEST)/guest/viommu_conformance
$(CONFORMANCE): $(wildcard tests/guest/viommu/*.c) tests/guest/start.S \
		$(wildcard tests/guest/viommu/*.h) $(GUEST_DEPS)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_C) -o $@ $(filter %.c %.S,$^)

$(CONFORMANCE).bios: $(CONFORMANCE) tests/guest/viommu/bios.S
	$(call say,GUEST,$@)
	$(Q)objcopy -O binary $< $@.payload
	$(Q)$(CC) -nostdlib -static -no-pie -DPAYLOAD='"$@.payload"' -Wl,-Ttext=0xfffe0000,--build-id=none \
		-Wl,-z,noexecstack -o $@.elf tests/guest/viommu/bios.S
	$(Q)objcopy -O binary -j .text $@.elf $@
	$(Q)rm $@.elf $@.payload

GUESTS += $(if $(filter x86,$(ARCH)),$(CONFORMANCE) $(CONFORMANCE).bios)

# make check-guest           tiny guests under lkvm; needs /dev/kvm
.PHONY: check-guest
check-guest: $(BUILD)/lkvm $(GUESTS)
	@LKVM=$(BUILD)/lkvm GUESTS=$(TEST)/guest tests/guest/run
