# make check-lab-folders     shared folders, and a Debian in one, in stock guests of both architectures: every combination
# make check-lab-folder      the same, one of each kind
.PHONY: check-lab-folders check-lab-folders-x86 check-lab-folders-arm64
check-lab-folders: check-lab-folders-x86 check-lab-folders-arm64
check-lab-folders-x86 check-lab-folders-arm64: check-lab-folders-%: lab-programs
	@tests/lab/folder-run $*

.PHONY: check-lab-folder check-lab-folder-x86 check-lab-folder-arm64
check-lab-folder: check-lab-folder-x86 check-lab-folder-arm64
check-lab-folder-x86 check-lab-folder-arm64: check-lab-folder-%: lab-programs
	@tests/lab/folder-run $* quick
