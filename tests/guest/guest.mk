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

# make check-guest           tiny guests under lkvm; needs /dev/kvm
.PHONY: check-guest
check-guest: $(BUILD)/lkvm $(GUESTS)
	@LKVM=$(BUILD)/lkvm GUESTS=$(TEST)/guest tests/guest/run
