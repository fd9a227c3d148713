# Fuzzing (clang's libFuzzer) and ThreadSanitizer. A target is tests/fuzz/fuzz_*.c; its
# seeds are in tests/fuzz/seeds/*, its crashes go to $(FUZZ)/crashes/*.

FUZZ       := build/fuzz
FUZZ_CC    := clang
FUZZ_C     := $(CPPFLAGS) -Itests/include -std=gnu11 -O1 -g -pthread -fno-strict-aliasing $(WARNINGS) \
	      -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_LIBS  := $(filter-out -lcmocka,$(TEST_LIBS))
FUZZ_TARGETS := store ring order viommu pci vfio net vsock balloon control fuse p9 qcow2 oneshot vmlinux
# Allocations fail where a target asks for it (shim.c), RAM has walls (guard.c).
FUZZ_WRAP  := $(foreach f,malloc calloc realloc aligned_alloc mmap munmap,-Wl,--wrap=$(f))

fuzz_objects = $(patsubst %.c,$(FUZZ)/obj/%.o,$(1))
# What stands in for the host comes before the archive that has the real one.
FUZZ_COMMON := $(call fuzz_objects,tests/fuzz/shim.c tests/fuzz/guard.c tests/fake/disk.c \
	       tests/wire/driver.c tests/wire/echo.c tests/wire/iommu_driver.c tests/wire/machine.c \
	       tests/common/fake_vm.c tests/common/irq_fake.c)
FUZZ_CORE   := $(FUZZ)/libcore.a
FUZZ_BINS   := $(addprefix $(FUZZ)/fuzz_,$(FUZZ_TARGETS))

$(FUZZ)/obj/%.o: %.c Makefile tests/fuzz/fuzz.mk
	$(call say,CC,$< (fuzz))
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_C) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ_CORE): $(call fuzz_objects,$(CORE_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(FUZZ)/fuzz_store: $(call fuzz_objects,tests/fuzz/shim.c tests/fuzz/guard.c \
		     vmm/memory.c util/error.c $(filter iommu/store%,$(CORE_SRC)))
# What stands in for disk/file_io.c is its own.
$(FUZZ)/fuzz_qcow2: $(call fuzz_objects,tests/fuzz/shim.c tests/fuzz/guard.c) $(FUZZ_CORE)
$(FUZZ)/fuzz_ring: $(FUZZ_COMMON) $(FUZZ_CORE)
$(FUZZ)/fuzz_order $(FUZZ)/fuzz_net $(FUZZ)/fuzz_vsock $(FUZZ)/fuzz_balloon $(FUZZ)/fuzz_control: $(FUZZ_COMMON) $(FUZZ_CORE)
$(FUZZ)/fuzz_viommu: $(call fuzz_objects,tests/fuzz/model.c tests/fuzz/play_check.c tests/fuzz/play_send.c) $(FUZZ_COMMON) $(FUZZ_CORE)
FUZZ_PCI := $(call fuzz_objects,tests/fuzz/pci_judge.c tests/fuzz/pci_take.c tests/fuzz/pci_toy.c tests/wire/pci_driver.c)
$(FUZZ)/fuzz_pci: $(FUZZ_PCI) $(FUZZ_COMMON) $(FUZZ_CORE)
# Its machine has page slots and INTx eventfds, its host BARs that no memory could hold.
$(FUZZ)/fuzz_vfio: $(FUZZ_PCI) $(call fuzz_objects,tests/fuzz/vfio_check.c \
		     tests/fuzz/vfio_hardware.c tests/unit/vfio_fake.c) $(FUZZ_COMMON) $(FUZZ_CORE)
$(FUZZ)/fuzz_vfio: FUZZ_WRAP += $(foreach f,irq_attach_fd irq_detach_fd vfio_sys_read vfio_sys_write \
			       vfio_sys_map vfio_sys_unmap,-Wl,--wrap=$(f))
FUZZ_FOLDER := $(call fuzz_objects,tests/fuzz/folder_box.c $(filter folder/% util/iov.c util/error.c util/fds.c,$(CORE_SRC)))
$(FUZZ)/fuzz_fuse $(FUZZ)/fuzz_p9: $(FUZZ_FOLDER)
$(FUZZ)/fuzz_oneshot: $(call fuzz_objects,tests/fuzz/shim.c oneshot/verdict.c)
$(FUZZ)/fuzz_vmlinux: $(call fuzz_objects,tests/fuzz/shim.c tests/fuzz/guard.c x86/vmlinux.c x86/image_read.c) $(FUZZ_CORE)
$(FUZZ)/fuzz_fuse $(FUZZ)/fuzz_p9: FUZZ_WRAP :=
$(FUZZ_BINS): $(FUZZ)/%: $(FUZZ)/obj/tests/fuzz/%.o
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_C) -fsanitize=fuzzer $(FUZZ_WRAP) -o $@ \
		$(filter %.o,$^) $(filter %.a,$^) $(FUZZ_LIBS)

# make fuzz SECONDS=n        look for crashes, n seconds (60) in each target
# make check-fuzz            replay each target's seeds, and look for five seconds more
.PHONY: fuzz check-fuzz
fuzz check-fuzz: %:
	@MAKE='$(MAKE)' tests/fuzz/run $* '$(FUZZ_CC)' '$(FUZZ)' $(or $(SECONDS),60) $(FUZZ_BINS)

# ThreadSanitizer knows no other sanitizer beside it: objects of their own. It does not
# follow fences, which here order us and the guest, and it clouds gcc's view of what is set.
TSAN       := $(TEST)/tsan
TSAN_C     := $(CFLAGS) -O1 -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan -Wno-maybe-uninitialized
TSAN_TESTS := $(TSAN)/unit/test_disk $(TSAN)/unit/test_qcow2_disk $(TSAN)/unit/test_worker $(TSAN)/unit/test_loop $(TSAN)/unit/test_visit $(TSAN)/wire/test_blk_disk \
	      $(TSAN)/wire/test_reset $(TSAN)/wire/test_viommu_poll $(TSAN)/wire/test_vsock $(TSAN)/wire/test_vsock_ends \
	      $(TSAN)/wire/test_balloon $(TSAN)/wire/test_bus_master
tsan_objects = $(patsubst %.c,$(TSAN)/obj/%.o,$(1))
TSAN_CORE  := $(TSAN)/libcore.a

$(TSAN)/obj/%.o: %.c Makefile tests/fuzz/fuzz.mk
	$(call say,CC,$< (tsan))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CPP) $(TSAN_C) -MMD -MP -c -o $@ $<

$(TSAN_CORE): $(call tsan_objects,$(CORE_SRC))
TSAN_MAIN  := $(TSAN)/libmain.a
$(TSAN_MAIN): $(call tsan_objects,tests/common/test_main.c)
$(TSAN_CORE) $(TSAN_MAIN):
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

tsan_common = $(patsubst $(TEST)/%,$(TSAN)/%,$(if $(findstring /wire/,$(1)),$(WIRE_COMMON),$(UNIT_COMMON)))
define tsan_program
$(1): $(patsubst $(TSAN)/%,$(TSAN)/obj/tests/%.o,$(1)) $(call tsan_common,$(1)) $(patsubst $(TEST)/%,$(TSAN)/%,$(extra_$(1:$(TSAN)/%=%))) $(TSAN_MAIN) $(TSAN_CORE)
endef
$(foreach t,$(TSAN_TESTS),$(eval $(call tsan_program,$(t))))
$(TSAN_TESTS):
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TSAN_C) -o $@ $^ $(TEST_LIBS)

# make check-tsan            the tests that have threads, under ThreadSanitizer
.PHONY: check-tsan
# It wants its shadow memory at known addresses: not where the kernel likes to. A process aside
# (util/aside.h) is a fork to it, though it is in the same memory, after which threads may start.
check-tsan: $(TSAN_TESTS)
	@TSAN_OPTIONS=die_after_fork=0 setarch -R scripts/run-tests tsan $^

-include $(shell find $(FUZZ)/obj $(TSAN)/obj -name '*.d' 2>/dev/null)
