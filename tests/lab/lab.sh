#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lab.sh x86|arm64 HOST_SCRIPT GUEST_SCRIPT: run HOST_SCRIPT as root in an emulated host: a stock Debian 13 kernel, or that
# of HOST_SUITE (bookworm, trixie-backports), in QEMU's TCG, with a working /dev/kvm and an IOMMU. It finds
#
#   /bin             busybox, and the programs in FILES (static)
#   /guest/kernel    a stock Debian 13 kernel (GUEST_FLAVOUR: cloud, full) for a guest, and /guest/initrd, which runs GUEST_SCRIPT
#   /guest/old       both of Debian 12's 6.1 kernel, if OLD is set
#   /dev/vda         DISK, if that is set
#
# and the functions of init. Its console comes out of stdout. Environment: LKVM the program to test, static
# (build/ARCH/lkvm); KERNELS where fetch-kernels puts things (build/kernels), KERNEL_VERSION as there; DISK an
# image file; OLD=1; MEM in MiB; TIMEOUT in seconds; GIC=2 for an arm64 host with a GICv2; APPEND for the host's command line.
# ADD and GUEST_ADD: folders that go into the host and its guest; HOST_MODULES and GUEST_MODULES: what they load besides.
# shellcheck source-path=SCRIPTDIR source=library.sh
. "$(dirname "$0")/library.sh"
lab_need "$lkvm"
lab_machine default
new=$(lab_fetch trixie "${GUEST_FLAVOUR:-cloud}") old=
own=$(lab_fetch "${HOST_SUITE:-trixie}" cloud)
[ -z "${OLD:-}" ] || old=$(lab_fetch bookworm cloud)
lab_begin

guest() {	# guest DIR FETCHED: a kernel and its initrd
	mkdir -p "$1"
	cp "$2/kernel" "$1/kernel"
	# Drivers before their buses, and the IOMMU, for which devices wait, last: so Linux meets devices one after the
	# other, and disks and networks get their names in the order of the command line. A driver that comes while
	# devices come, too, may be given the second one first.
	# shellcheck disable=SC2086
	"$here/initrd" "$1/initrd" "$2" "$guest" "${GUEST_ADD:-}" virtio_blk virtio_rng pvpanic_mmio? pvpanic_pci? i6300esb? \
		sbsa_gwdt? ${GUEST_MODULES:-} virtio_mmio virtio_pci? virtio_iommu?
}

guest "$out/add/guest" "$new"
[ -z "${OLD:-}" ] || guest "$out/add/guest/old" "$old"
mkdir "$out/add/bin"
cp "$lkvm" "$out/add/bin/lkvm"
for file in ${FILES:-}; do cp "$file" "$out/add/bin/"; done
[ -z "${ADD:-}" ] || cp -r "$ADD/." "$out/add/"
# shellcheck disable=SC2086
lab_host "$own" virtio_blk virtio_pci ${HOST_MODULES:-}

disk=()
# shellcheck disable=SC2054
[ -z "${DISK:-}" ] || disk=(-drive "file=$DISK,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk)
lab_run "$own" 1024 "${disk[@]}"
