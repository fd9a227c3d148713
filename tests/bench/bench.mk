# make bench                 speed and size beside a bare program's and QEMU's (RUNS=15)
BENCH := $(BUILD)/bench

$(BENCH)/bare: tests/bench/bare.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -D_GNU_SOURCE -o $@ $<
$(BENCH)/end.elf: BENCH_FLAGS := -DEND
$(BENCH)/%.elf: tests/bench/guest.S
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie $(BENCH_FLAGS) -Wl,-Ttext=0x200000,--build-id=none,-e,start -o $@ $<

.PHONY: bench bench-start
bench: bench-start
ifeq ($(HOST_ARCH),x86)
bench-start: lkvm $(BENCH)/bare $(BENCH)/end.elf $(BENCH)/halt.elf
	@tests/bench/run $(BENCH) ./lkvm
else
bench-start:
	@echo "the start-up benchmark's guest and its peers are x86 programs: skipped here"
endif

# make bench-store           the IOMMU's store beside GLib's GTree and a red-black tree
$(BENCH)/store: tests/bench/store.c iommu/store.c iommu/store_pool.c iommu/store_remove.c \
		$(wildcard iommu/store*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $$(pkg-config --cflags glib-2.0) -o $@ $(filter %.c,$^) \
		$$(pkg-config --libs glib-2.0)
.PHONY: bench-store
bench: bench-store
bench-store: $(BENCH)/store
	@$<

# make bench-viommu          MAP+UNMAP pairs of a guest, under lkvm and under QEMU, in turn
.PHONY: bench-viommu
ifeq ($(HOST_ARCH),x86)
bench: bench-viommu
bench-viommu: lkvm $(GUESTS)
	@for run in 1 2 3; do \
		for vmm in lkvm qemu; do \
			echo "$$vmm:"; \
			GUESTS=$(TEST)/guest tests/guest/run-viommu-conformance --timing $$vmm ./lkvm || exit; \
		done; \
	done
endif
