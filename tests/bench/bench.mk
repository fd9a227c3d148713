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

# make bench-many            100 tiny guests started at once: time, and memory of each
.PHONY: bench-many
ifeq ($(HOST_ARCH),x86)
bench: bench-many
bench-many: lkvm $(BENCH)/halt.elf
	@tests/bench/many $(BENCH) ./lkvm
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

# make bench-pairs           MAP+UNMAP pairs through a real ring, and ATTACH, in this process
# make bench-pairs-count     and their instructions, on each layout of the ring
# make bench-polled          one request while a thread polls for it
# make bench-dma             a device's accesses behind the IOMMU, with its TLB and without
# The fake machine and driver of the wire tests, without their sanitizers and without cmocka.
BENCH_RIG := $(patsubst %.c,$(BENCH)/obj/%.o,$(CORE_SRC) $(addprefix tests/wire/,machine.c driver.c iommu_driver.c) \
	     tests/common/fake_vm.c tests/common/irq_fake.c tests/bench/ring.c)
$(BENCH)/obj/%.o: %.c Makefile tests/bench/bench.mk | $(SYSROOT_DONE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/bench/include -Itests/include $(CFLAGS) $(HARDEN) -MMD -MP -c -o $@ $<
$(BENCH)/librig.a: $(BENCH_RIG)
	$(Q)rm -f $@; $(AR) rcs $@ $(filter-out %/vmm/irq.o %/vmm/ioevent.o,$^)
$(BENCH)/pairs $(BENCH)/polled $(BENCH)/dma: $(BENCH)/%: $(BENCH)/obj/tests/bench/%.o $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: bench-pairs bench-polled bench-dma
bench: bench-pairs bench-polled bench-dma
bench-pairs bench-polled bench-dma: bench-%: $(BENCH)/%
	@$<
bench: bench-pairs-count
.PHONY: bench-pairs-count
bench-pairs-count: $(BENCH)/pairs
	@tests/bench/pairs-count $<
-include $(BENCH_RIG:.o=.d) $(BENCH)/obj/tests/bench/pairs.d $(BENCH)/obj/tests/bench/polled.d $(BENCH)/obj/tests/bench/dma.d

# make bench-blk             disk reads of 4 KiB through the ring, and their instructions
$(BENCH)/blk: $(BENCH)/obj/tests/bench/blk.o $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: bench-blk
bench: bench-blk
bench-blk: $(BENCH)/blk
	@$< 1; $< 32; tests/bench/blk-count $<
-include $(BENCH)/obj/tests/bench/blk.d

# make bench-net             packets through virtio-net's rings; then TCP in an emulated host, beside QEMU
$(BENCH)/net: $(BENCH)/obj/tests/bench/net.o $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: bench-net bench-net-wire
bench: bench-net-wire
bench-net-wire: $(BENCH)/net
	@$<; tests/bench/net-count $<
bench-net: bench-net-wire lab-net-programs
	@tests/bench/lab-net
-include $(BENCH)/obj/tests/bench/net.d

# make bench-fs              small files, streams and 4 KiB of a shared folder, beside system calls
BENCH_FS := $(patsubst %.c,$(BENCH)/obj/%.o,$(LOAD_SRC) tests/wire/folder_ask.c tests/bench/fs.c)
$(BENCH)/fs: $(BENCH_FS) $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: bench-fs
bench: bench-fs
bench-fs: $(BENCH)/fs
	@$<; tests/bench/fs-count $<
-include $(BENCH_FS:.o=.d)

# make bench-qcow2           a disk's engine on raw and qcow2 images
$(BENCH)/qcow2: $(BENCH)/obj/tests/bench/qcow2.o $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS)
.PHONY: bench-qcow2
bench: bench-qcow2
bench-qcow2: $(BENCH)/qcow2
	@$<
-include $(BENCH)/obj/tests/bench/qcow2.d

# make bench-figures         a stock guest's start, disk and exits on each transport, by the emulated host's instructions
.PHONY: bench-figures bench-figures-programs
$(BUILD)/lab-marks $(BUILD)/lab-reads: $(BUILD)/%: tests/bench/%.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $<
bench-figures-programs: lab-programs
	@for arch in x86 arm64; do \
		$(MAKE) --no-print-directory ARCH=$$arch build/$$arch/lab-marks build/$$arch/lab-reads || exit; done
bench-figures: bench-figures-programs lab-net-programs
	@tests/bench/lab-figures x86
	@tests/bench/lab-figures arm64

# make bench-oneshot         a run for a command from its start to its end, beside Debian's virtme-ng in an emulated host
.PHONY: bench-oneshot
bench-oneshot: lab-programs
	@tests/bench/lab-oneshot

# make bench-all             all of these, beside the goals, and build/ARCH/bench/figures.json (STEPS=blk,pairs: some)
# make bench-check           the same; fails if a steady figure is 10 % worse than in docs/figures.json
.PHONY: bench-all bench-check bench-all-programs
bench-all-programs: bench-figures-programs lab-net-programs lkvm $(GUESTS) \
		$(addprefix $(BENCH)/,bare end.elf halt.elf pairs polled blk net fs)
bench-all: bench-all-programs
	@tests/bench/all $(BUILD) ./lkvm
bench-check: bench-all-programs
	@tests/bench/all $(BUILD) ./lkvm --check

# make bench-lab             a stock guest's disk with the IOMMU and without, in emulated hosts
.PHONY: bench-lab
bench-lab: lab-programs
	@tests/bench/lab-blk

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

# make bench-vfio            MAP+UNMAP pairs and ATTACH with a passed device, in emulated hosts
BENCH_VFIO := $(addprefix $(BENCH)/obj/tests/bench/,vfio.o vfio_bare.o)
$(BENCH)/vfio: $(BENCH_VFIO) $(BENCH)/librig.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^ $(LDFLAGS) $(filter -l%,$(LIBS))
.PHONY: bench-vfio bench-vfio-program
bench-vfio-program: $(BENCH)/vfio
bench-vfio: lab-vfio-programs
	@$(MAKE) --no-print-directory ARCH=x86 bench-vfio-program
	@$(MAKE) --no-print-directory ARCH=arm64 bench-vfio-program
	@tests/bench/lab-vfio
-include $(BENCH_VFIO:.o=.d)
