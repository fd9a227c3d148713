# Tests. Each tests/unit/test_*.c and tests/wire/test_*.c is a cmocka program of
# its own (tests/include/test.h), built with sanitizers; test_arm_* and test_x86_* are linked with that
# architecture's portable part, the others with neither.

TEST      := $(BUILD)/test
TEST_CPP  := $(CPPFLAGS) -Itests/include
TEST_C    := $(CFLAGS) $(SANITIZE)
TEST_LIBS := $(LDFLAGS) -lcmocka -laio -ljansson -lfdt -lz -lzstd -llzma

test_objects   = $(patsubst %.c,$(TEST)/obj/%.o,$(1))
TEST_CORE     := $(TEST)/libcore.a
$(TEST_CORE):    $(call test_objects,$(CORE_SRC))
$(TEST)/libx86.a: $(call test_objects,$(addprefix x86/,$(x86-portable)))
$(TEST)/libarm.a: $(call test_objects,$(addprefix arm/,$(arm-portable)))

# The main() of those that have none of their own.
TEST_MAIN     := $(TEST)/libmain.a
$(TEST_MAIN):    $(call test_objects,tests/common/test_main.c)

$(TEST)/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(TEST)/obj/%.o: %.c Makefile tests/tests.mk
	$(call say,CC,$< (test))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CPP) $(TEST_C) -MMD -MP -c -o $@ $<

UNIT_TESTS := $(patsubst tests/unit/%.c,$(TEST)/unit/%,$(wildcard tests/unit/test_*.c))
WIRE_TESTS := $(patsubst tests/wire/%.c,$(TEST)/wire/%,$(wildcard tests/wire/test_*.c))
# What the tests of a folder share: every other source in it; and what all share.
TEST_COMMON := $(filter-out tests/common/test_main.c,$(wildcard tests/common/*.c))
UNIT_COMMON := $(call test_objects,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)) $(TEST_COMMON))
# Tests of devices, which know nothing of how rings are laid out.
WIRE_DEVICES := $(filter-out %/test_virtq %/test_packed %/test_packed_hostile %/test_ring_layouts \
		  %/test_rings %/test_mmio %/test_pci_registers \
		  %/test_pci_bars %/test_pci_interrupts %/test_kicks %/test_matrix %/test_arm_gpio %/test_arm_watchdog %/test_flash %/test_i6300esb %/test_pvpanic_pci %_rtc %/test_place,$(WIRE_TESTS))
WIRE_COMMON := $(call test_objects,$(filter-out tests/wire/test_%,$(wildcard tests/wire/*.c)) $(TEST_COMMON))

include tests/toy/toy.mk
include tests/hole/hole.mk
extra_wire/test_place := $(TEST)/obj/tests/toy/toy.o
# What a program has beside what all share: fakes of which some take the place of real files.
fake = $(foreach t,$(2),$(eval extra_$(t) := $(TEST)/obj/tests/fake/$(1).o))
$(call fake,disk,$(addprefix wire/test_,blk blk_batch blk_corners blk_options blk_random blk_wait bus_master matrix reset))
$(call fake,pci_rig,$(addprefix unit/test_,pci pci_bars pci_msi x86_pci))
$(call fake,terminal,$(addprefix unit/test_,arm_pl011 serial))
$(call fake,vfio_kernel,$(addprefix unit/test_vfio_,auto bind bind_kill display))
$(call fake,vfio_machine,$(addprefix unit/test_vfio_,config hardware interrupts master peers refused regions reset))

# The init of a run for a command is a program of its own, and so in none of the libraries.
$(call fake,init_host,unit/test_init)
extra_unit/test_init += $(call test_objects,$(call paths,init))

# What confines is above the core. Its filters of system calls are left out: sanitizers make others.
extra_unit/test_confine_late := $(call test_objects,$(addprefix confine/,capabilities.c confine.c landlock.c user.c))

# The load of a folder: also a program of its own (tests/lab/folder-load).
LOAD_SRC := $(filter-out tests/load/main.c,$(wildcard tests/load/*.c))
extra_unit/test_fuse_mount := $(call test_objects,$(LOAD_SRC))
extra_unit/test_folder_clients := $(call test_objects,$(LOAD_SRC))
extra_wire/test_folder_load := $(call test_objects,$(LOAD_SRC))

arch_lib = $(if $(findstring test_arm,$(1)),$(TEST)/libarm.a,$(if $(findstring test_x86,$(1)),$(TEST)/libx86.a))
define test_program
$(1): $(TEST)/obj/$(2) $(3) $(extra_$(1:$(TEST)/%=%)) $(TEST_MAIN) $(call arch_lib,$(1)) $(TEST_CORE)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call test_program,$(t),tests/unit/$(notdir $(t)).o,$(UNIT_COMMON))))
$(foreach t,$(WIRE_TESTS),$(eval $(call test_program,$(t),tests/wire/$(notdir $(t)).o,$(WIRE_COMMON))))

# It finds the program that it is about where that was built.
$(TEST)/obj/net/user.o: TEST_CPP += -DLKVM_LIBEXEC='"$(abspath $(BUILD))"'
$(TEST)/unit/test_net_user: | $(HELPER)

$(UNIT_TESTS) $(WIRE_TESTS):
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_C) -o $@ $^ $(TEST_LIBS)

# make check-unit            one module at a time, with sanitizers
# make check-wire            whole devices on real queues, on every layout of rings, with sanitizers
.PHONY: check-unit check-wire
check-unit: $(UNIT_TESTS)
	@scripts/run-tests unit $^
check-wire: $(WIRE_TESTS)
	@scripts/run-tests wire $^
	@set -e; for ring in packed ordered packed-ordered; do \
		WIRE_RING=$$ring scripts/run-tests wire-$$ring $(WIRE_DEVICES); done

-include $(patsubst %.o,%.d,$(call test_objects,$(CORE_SRC) $(addprefix x86/,$(x86-portable)) \
	   $(addprefix arm/,$(arm-portable))))
-include $(shell find $(TEST)/obj/tests -name '*.d' 2>/dev/null)

include tests/fuzz/fuzz.mk

# make check-style           who includes whom, lone headers, endian types, layout
.PHONY: check-style
check-style: $(BUILD)/lkvm $(BUILD)/shared/lkvm $(HELPER)
	@OBJECTS="$(OBJECTS)" PROGRAMS="$^" HELPER_OBJECTS="$(HELPER_OBJECTS)" LKVM=$(NATIVE) scripts/check-style $(CC)

# make check-cli             what a user gets who asks for something that cannot be done
.PHONY: check-cli
check-cli: $(BUILD)/lkvm $(HELPER) docs $(TOY)
	@TOY=$(abspath $(TOY)) MANUAL=$(abspath $(BUILD)/lkvm.1) tests/cli/run $(BUILD)/lkvm

include tests/guest/guest.mk
include tests/kill/kill.mk
include tests/endure/endure.mk

# make check-lab             stock kernels, in emulated hosts of both architectures
.PHONY: check-lab check-lab-x86 check-lab-arm64 lab-programs
check-lab: check-lab-x86 check-lab-arm64
check-lab-x86 check-lab-arm64: check-lab-%: lab-programs
	@tests/lab/run $*
# One after the other: they share the version file's rule and the sysroot.
lab-programs:
	@$(MAKE) --no-print-directory ARCH=x86 lkvm
	@$(MAKE) --no-print-directory ARCH=arm64 lkvm

# make check-lab-rings       stock guests' devices on split and packed rings: one table for each architecture
.PHONY: check-lab-rings
check-lab-rings: lab-programs
	@tests/lab/rings-run x86
	@tests/lab/rings-run arm64

include tests/load/load.mk
include tests/lab/vfio.mk
include tests/lab/folder.mk
include tests/lab/net.mk
include tests/lab/small.mk
include tests/lab/tiny.mk
include tests/lab/kvm.mk

include tests/bench/bench.mk
