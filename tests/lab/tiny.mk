# make check-lab-tiny        commands under the smallest kernel (docs/lkvm.config), built from Debian's source; long
.PHONY: check-lab-tiny
check-lab-tiny: lab-programs
	@scripts/setup tiny
	@tests/lab/tiny-run x86
	@tests/lab/tiny-run arm64
