#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lab.sh x86|arm64 HOST_SCRIPT GUEST_SCRIPT: run HOST_SCRIPT as root in an emulated host: a stock Debian 13 kernel in
# QEMU's TCG, with a working /dev/kvm and an IOMMU. It finds
#
#   /bin             busybox, and the programs in FILES (static)
#   /guest/kernel    the same kernel for a guest, and /guest/initrd, which runs GUEST_SCRIPT
#   /guest/old       both of Debian 12's 6.1 kernel, if OLD is set
#   /dev/vda         DISK, if that is set
#
# and the functions of init. Its console comes out of stdout. Environment: LKVM the program to test, static
# (build/ARCH/lkvm-static); KERNELS where fetch-kernels puts things (build/kernels), KERNEL_VERSION as there; DISK an
# image file; OLD=1; MEM in MiB; TIMEOUT in seconds; GIC=2 for an arm64 host with a GICv2; APPEND for the host's command line.
# ADD and GUEST_ADD: folders that go into the host and its guest; HOST_MODULES and GUEST_MODULES: what they load besides.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
arch=$1 host=$2 guest=$3
kernels=${KERNELS:-$top/build/kernels}
lkvm=${LKVM:-$top/build/$arch/lkvm-static}
[ -x "$lkvm" ] || { echo "lab.sh: no $lkvm: make ARCH=$arch STATIC=1" >&2; exit 2; }

case $arch in
# QEMU 7.2 corrupts the flags of a nested guest around cmpxchg16b now and then, hence cx16=off;
# split irqchip, because its intel-iommu wants that for interrupt remapping. clearcpuid=xsave, because a guest's CPUID 0xd
# does not follow XCR0 in nested TCG, and Linux 7 dies of that.
x86)	qemu=qemu-system-x86_64 tty=ttyS0 modules="kvm_amd"
	machine="-M q35,kernel-irqchip=split -cpu max,+svm,la57=off,cx16=off -device intel-iommu,intremap=on"
	append="mitigations=off random.trust_cpu=on tsc=reliable no_timer_check intel_iommu=on clearcpuid=xsave"
	append+=" tsc_early_khz=$(python3 "$here/ticks.py")" ;;
# neoverse-n1 has VHE, which makes KVM in TCG fast.
arm64)	qemu=qemu-system-aarch64 tty=ttyAMA0 modules=
	machine="-M virt,virtualization=on,gic-version=${GIC:-3},iommu=smmuv3 -cpu neoverse-n1"
	append="audit=0 lsm=" ;;
*)	echo "lab.sh: $arch: x86 or arm64" >&2; exit 2 ;;
esac

fetch() {	# fetch SUITE: prints where its kernel is
	"$top/scripts/fetch-kernels" "$kernels" "$1" cloud "$arch" >&2
	echo "$("$top/scripts/fetch-kernels" --folder "$kernels" "$1" cloud)/$arch"
}
new=$(fetch trixie) old=
[ -z "${OLD:-}" ] || old=$(fetch bookworm)

out=$(mktemp -d "${TMPDIR:-/tmp}/lkvm-lab.XXXXXX")
trap 'rm -rf "$out"' EXIT
# timeout(1) leaves our process group, so the emulator does not hear of a Ctrl-C by itself.
emulator=
trap '[ -z "$emulator" ] || kill "$emulator"; exit 143' TERM INT

guest() {	# guest DIR FETCHED: a kernel and its initrd
	mkdir -p "$1"
	cp "$2/kernel" "$1/kernel"
	"$here/initrd" "$1/initrd" "$2" "$guest" "${GUEST_ADD:-}" virtio_mmio virtio_pci? virtio_iommu? virtio_blk virtio_rng pvpanic_mmio? ${GUEST_MODULES:-}
}

guest "$out/add/guest" "$new"
[ -z "${OLD:-}" ] || guest "$out/add/guest/old" "$old"
mkdir "$out/add/bin"
cp "$lkvm" "$out/add/bin/lkvm"
for file in ${FILES:-}; do cp "$file" "$out/add/bin/"; done
[ -z "${ADD:-}" ] || cp -r "$ADD/." "$out/add/"
# shellcheck disable=SC2086
"$here/initrd" "$out/initrd" "$new" "$host" "$out/add" $modules virtio_pci virtio_blk ${HOST_MODULES:-}
disk=
[ -z "${DISK:-}" ] || disk="-drive file=$DISK,format=raw,if=none,id=disk -device virtio-blk-pci,drive=disk"

# shellcheck disable=SC2086
timeout "${TIMEOUT:-300}" $qemu -accel tcg,thread=multi $machine -smp 1 -m "${MEM:-1024}" -nodefaults \
	-no-user-config -display none -serial stdio -no-reboot -kernel "$new/kernel" -initrd "$out/initrd" \
	-append "console=$tty panic=-1 quiet loglevel=4 nokaslr who=host $append ${APPEND:-}" $disk </dev/null &
emulator=$!
wait $emulator || { status=$?; echo "lab.sh: the emulated host ended with status $status"; exit 1; }
