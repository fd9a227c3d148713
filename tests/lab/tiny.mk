# make check-lab-tiny        commands under the smallest kernel (docs/lkvm.config), which it builds from Debian's source; long, and no part of check
.PHONY: check-lab-tiny
check-lab-tiny: lab-programs
	@scripts/setup tiny
	@tests/lab/tiny-run x86
	@tests/lab/tiny-run arm64
