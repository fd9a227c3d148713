# make check-lab-vfio        passthrough of PCI devices, in emulated hosts of both architectures; LAB_ALL=1: all of it
.PHONY: check-lab-vfio check-lab-vfio-x86 check-lab-vfio-arm64 lab-vfio-programs
check-lab-vfio: check-lab-vfio-x86 check-lab-vfio-arm64
check-lab-vfio-x86 check-lab-vfio-arm64: check-lab-vfio-%: lab-vfio-programs
	@tests/lab/vfio-run $*
# make check-labs            the lab and that of passthrough, as many hosts at a time as make has jobs
.PHONY: check-labs
check-labs: check-lab check-lab-vfio
# make check-kernels         Debian's 6.1 and 6.12 as guests, with each type of domain; LAB_ALL=1: the newest, too
.PHONY: check-kernels
check-kernels: lab-vfio-programs
	@tests/lab/kernels
lab-vfio-programs: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 build/x86/vfio-edu
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/vfio-edu

# A driver in user space, for the lab's hosts and guests.
VFIO_EDU := $(wildcard tests/lab/vfio-*.c)
$(BUILD)/vfio-edu: $(VFIO_EDU) tests/lab/vfio-user.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static -o $@ $(VFIO_EDU)
