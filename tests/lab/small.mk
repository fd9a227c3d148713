# make check-lab-small       vsock and balloon in stock guests of both architectures: one table for each
.PHONY: check-lab-small lab-small-programs
check-lab-small: lab-small-programs
	@tests/lab/small-run x86
	@tests/lab/small-run arm64
lab-small-programs: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 build/x86/vsock-tool
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/vsock-tool

$(BUILD)/vsock-tool: tests/lab/vsock-tool.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $<
