#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# vfio-lab.sh x86|arm64 HOST_SCRIPT GUEST_SCRIPT: as lab.sh, an emulated host, this one with PCI devices to pass through:
#
#   0000:00:04.0  nvme     MSI-X table inside BAR 0       0000:00:08.0  edu      DMA and MSI, alone in its group
#   0000:00:05.0  nvme     with a BAR for its table       0000:00:09.0  edu      and 09.1: two functions, one group
#   0000:00:06.0  virtio-blk   modern, translated         0000:00:0a.0  e1000e   has a driver in full kernels alone
#   0000:00:07.0  virtio-net   likewise                   0000:00:0b.0  edu      and 0b.1 an nvme: one group
#                                                         0000:00:0c.0  lsi53c895a  copies from any address
#
# /bin has lkvm, vfio-edu and busybox; /guest/FLAVOUR/kernel and initrd are guests. Environment: LKVM and EDU, the
# static programs; KERNELS where fetch-kernels puts things (build/kernels), KERNEL_VERSION as there; FLAVOUR of the host's
# kernel (cloud, full, 16k, of trixie, or SUITE-FLAVOUR) and GUESTS, those for guests (cloud); IOMMU: x86 intel, amd, noremap
# (intel, no interrupt remapping), none; arm64 smmuv3, none; GIC=2|3; DISKS a folder with the files nvme, nvme2, blk; ADD
# files to put into the host's /; MEM in MiB; TIMEOUT in seconds; APPEND for the host's command line.
# shellcheck source-path=SCRIPTDIR source=library.sh
. "$(dirname "$0")/library.sh"
edu=${EDU:-$top/build/$arch/vfio-edu}
flavour=${FLAVOUR:-cloud} guests=${GUESTS:-cloud}
lab_need "$lkvm"
lab_need "$edu"
lab_machine "${IOMMU:-default}"
fetch() {	# fetch FLAVOUR, or SUITE-FLAVOUR: prints where its kernel is
	local suite=trixie
	[ "$1" = "${1%-*}" ] || suite=${1%-*}
	lab_fetch "$suite" "${1##*-}"
}
lab_begin

mkdir -p "$out"/{add,guest}/bin
cp "$edu" "$out/guest/bin/vfio-edu"
cp "$edu" "$out/add/bin/vfio-edu"
cp "$lkvm" "$out/add/bin/lkvm"
for file in ${ADD:-}; do cp "$file" "$out/add/"; done
vfio="vfio vfio_iommu_type1 vfio_pci"
for name in $guests; do
	fetched=$(fetch "$name")
	mkdir -p "$out/add/guest/$name"
	cp "$fetched/kernel" "$out/add/guest/$name/"
	[ -z "$(find "$fetched/modules" -name 'virtio[-_]iommu.ko*')" ] || : >"$out/add/guest/$name/has-iommu"
	# The IOMMU last. Linux shuts devices down in the reverse of the order in which they came, where one that had to
	# wait for its IOMMU counts as having come after it; and since 6.12.114 it resets a virtio device at power-off. So
	# a passed device whose driver was there before the IOMMU is shut down while its translations still stand.
	# shellcheck disable=SC2086
	"$here/initrd" "$out/add/guest/$name/initrd" "$fetched" "$guest" "$out/guest" virtio_blk virtio_net virtio_pci \
		nvme e1000e? $vfio virtio_mmio virtio_iommu?
done
fetched=$(fetch "$flavour")
# shellcheck disable=SC2086
lab_host "$fetched" virtio_blk virtio_net virtio_pci nvme e1000e? $vfio

disks=${DISKS:-$out}
for disk in nvme nvme2 blk; do
	[ -e "$disks/$disk" ] || truncate -s 8M "$disks/$disk"
	drives+=" -drive file=$disks/$disk,format=raw,if=none,id=$disk"
done
modern="iommu_platform=on,disable-legacy=on"
# shellcheck disable=SC2054
devices=(-device nvme,drive=nvme,serial=first,addr=4
	-device nvme,drive=nvme2,serial=second,msix-exclusive-bar=on,addr=5
	-device "virtio-blk-pci,drive=blk,serial=third,$modern,addr=6"
	-netdev user,id=net -device "virtio-net-pci,netdev=net,$modern,romfile=,addr=7"
	-device edu,addr=8 -device edu,addr=9.0,multifunction=on -device edu,addr=9.1
	-netdev user,id=e1000e -device e1000e,netdev=e1000e,romfile=,addr=a
	-drive driver=null-co,size=1M,if=none,id=null -device edu,addr=b.0,multifunction=on
	-device nvme,drive=null,serial=mixed,addr=b.1 -device lsi53c895a,addr=c)

# shellcheck disable=SC2086
lab_run "$fetched" 1280 $drives "${devices[@]}"
