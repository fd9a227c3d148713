# What lkvm is when the host fails it, kills it, or has no room: see tests/endure.
ENDURE := $(TEST)/endure
$(ENDURE)/interpose.so: tests/endure/interpose.c tests/endure/table.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARNINGS) -fno-builtin -fPIC -shared -o $@ $< -lgcc_s
# A shared lkvm looks for the network's program beside itself.
$(BUILD)/shared/lkvm-net-user: $(HELPER)
	$(Q)mkdir -p $(@D); ln -sf ../lkvm-net-user $@

FAULT_NEEDS := $(if $(filter x86,$(ARCH)),$(BUILD)/shared/lkvm $(if $(HELPER),$(BUILD)/shared/lkvm-net-user) \
	       $(ENDURE)/interpose.so $(TEST)/guest/all_devices)
FAULT       := tests/endure/fault $(BUILD)/shared/lkvm $(ENDURE)/interpose.so $(TEST)/guest

# make check-fault           one call of each kind fails, once, under a tiny guest with all devices; needs /dev/kvm
.PHONY: check-fault
check-fault: $(FAULT_NEEDS)
	@$(FAULT) --short

# make check-endurance       each call of all devices fails once, 1,000 boots and endings, 500 kill -9, poor hosts (x86)
ENDURE_GUESTS := $(addprefix $(TEST)/guest/,all_devices command hello pvh smp pci)
.PHONY: check-endurance
check-endurance: $(BUILD)/lkvm $(FAULT_NEEDS) $(ENDURE_GUESTS)
	@status=0; $(FAULT) || status=1; \
	tests/endure/soak --boots $(or $(BOOTS),1000) --kills $(or $(KILLS),500) $(BUILD)/lkvm $(TEST)/guest || status=1; \
	tests/endure/endings --runs $(or $(ENDINGS),1000) $(BUILD)/lkvm $(TEST)/guest || status=1; \
	tests/endure/limits $(BUILD)/lkvm $(TEST)/guest || status=1; exit $$status

# make coverage              lines and branches by folder that unit, wire, cli and guest tests reach (gcov)
.PHONY: coverage coverage-programs
coverage-programs: $(BUILD)/lkvm $(HELPER) $(UNIT_TESTS) $(WIRE_TESTS) $(GUESTS) $(JUDGE) $(TOY) docs
coverage:
	@command -v $(CROSS)gcov >/dev/null || { echo "coverage: there is no gcov: it comes with gcc" >&2; exit 2; }
	@find build/coverage-$(ARCH) -name '*.gcda' -delete 2>/dev/null || :
	@$(MAKE) --no-print-directory -j$(shell nproc) COVERAGE=1 WERROR= coverage-programs
	@GCOV_ERROR_FILE=/dev/null $(MAKE) --no-print-directory COVERAGE=1 WERROR= -k check-unit check-wire check-cli check-guest || \
		echo "coverage: some tests failed, perhaps as such a program is slower and writes files: make check decides"
	@GCOV=$(CROSS)gcov scripts/coverage build/coverage-$(ARCH)
