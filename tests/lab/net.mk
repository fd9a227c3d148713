# make check-lab-net         networks of every kind, in emulated hosts of both architectures
.PHONY: check-lab-net check-lab-net-x86 check-lab-net-arm64 lab-net-programs
check-lab-net: check-lab-net-x86 check-lab-net-arm64
check-lab-net-x86 check-lab-net-arm64: check-lab-net-%: lab-net-programs
	@tests/lab/net-run $*
lab-net-programs: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 build/x86/net-tool
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/net-tool

$(BUILD)/net-tool: tests/lab/net-tool.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $<
