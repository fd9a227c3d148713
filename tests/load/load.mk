# make check-lab-folder-load  a random load in folders that stock guests share, in emulated hosts: LOAD_SECONDS (20) each
.PHONY: check-lab-folder-load lab-folder-load-programs
check-lab-folder-load: lab-folder-load-programs
	@tests/lab/folder-load-run x86
	@tests/lab/folder-load-run arm64
lab-folder-load-programs: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 build/x86/folder-load
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/folder-load

# The program for guests: main.c and what needs no protocol.
$(BUILD)/folder-load: $(addprefix tests/load/,main.c load.c judge.c posix.c rights.c load.h judge.h) Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $(filter %.c,$^)
