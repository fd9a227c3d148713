# make check-lab-kvm         tiny guests in an emulated x86 host, on AMD's KVM; for machines without /dev/kvm; long
.PHONY: check-lab-kvm kvm-programs
check-lab-kvm: lab-programs
	@$(MAKE) --no-print-directory ARCH=x86 kvm-programs
	@tests/lab/kvm-run
kvm-programs: $(HOLE) $(GUESTS) $(TEST)/kill/judge
