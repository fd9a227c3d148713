# make check-lab-net         networks of every kind, in emulated hosts of both architectures: one table
.PHONY: check-lab-net check-lab-net-x86 check-lab-net-arm64 lab-net-programs
check-lab-net: lab-net-programs
	@table=$$(mktemp); failed=0; \
	for arch in x86 arm64; do TABLE=$$table tests/lab/net-run $$arch || failed=1; done; \
	echo; cat $$table; rm -f $$table; exit $$failed
check-lab-net-x86 check-lab-net-arm64: check-lab-net-%: lab-net-programs
	@tests/lab/net-run $*
lab-net-programs: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 build/x86/net-tool build/x86/net-flow
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/net-tool build/arm64/net-flow

$(BUILD)/net-tool $(BUILD)/net-flow: $(BUILD)/%: tests/lab/%.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $<
