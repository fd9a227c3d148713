# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What lab.sh and vfio-lab.sh share: an emulated host, a stock Debian kernel in QEMU's TCG. It is sourced with the
# arguments of either, x86|arm64 HOST_SCRIPT GUEST_SCRIPT, and reads KERNELS, LKVM, GIC, CPU, MTE, MEM, TIMEOUT, APPEND
# and WATCH: each so many seconds, what the guest said last.
set -euo pipefail
me=$(basename "$0")
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck disable=SC2034
arch=$1 host=$2 guest=$3
kernels=${KERNELS:-$top/build/kernels}
# shellcheck disable=SC2034
lkvm=${LKVM:-$top/build/$arch/lkvm}

lab_refuse() {	# lab_refuse MESSAGE: end, with a mistake of the caller's
	echo "$me: $1" >&2
	exit 2
}

lab_need() {	# lab_need PROGRAM: end if that has not been built
	[ -x "$1" ] || lab_refuse "no $1: make lab-programs"
}

# lab_machine IOMMU: choose the emulated machine: intel, amd, noremap (intel without interrupt remapping), smmuv3, none, or
# default, which is the architecture's first.
lab_machine() {
	case $arch in
	# QEMU 7.2 corrupts the flags of a nested guest around cmpxchg16b now and then, hence cx16=off; split irqchip,
	# because its intel-iommu wants that for interrupt remapping. clearcpuid=xsave, because a guest's CPUID 0xd does
	# not follow XCR0 in nested TCG, and Linux 7 dies of that.
	x86)	qemu=qemu-system-x86_64 tty=ttyS0 modules=kvm_amd
		machine="-M q35,kernel-irqchip=split -cpu max,+svm,la57=off,cx16=off"
		append="mitigations=off random.trust_cpu=on tsc=reliable no_timer_check intel_iommu=on clearcpuid=xsave"
		append+=" tsc_early_khz=$(python3 "$here/ticks.py")" ;;
	# neoverse-n1 has VHE, which makes KVM in TCG fast.
	arm64)	qemu=qemu-system-aarch64 tty=ttyAMA0 modules=
		machine="-M virt,virtualization=on,gic-version=${GIC:-3},mte=${MTE:-off} -cpu ${CPU:-neoverse-n1}"
		append="audit=0 lsm=" ;;
	*)	lab_refuse "$arch: x86 or arm64" ;;
	esac
	case $arch-$1 in
	x86-default | x86-intel)	machine+=" -device intel-iommu,intremap=on" ;;
	x86-noremap)			machine+=" -device intel-iommu,intremap=off" ;;
	x86-amd)			machine+=" -device amd-iommu,intremap=on" ;;
	arm64-default | arm64-smmuv3)	machine=${machine/-M virt/-M virt,iommu=smmuv3} ;;
	*-none)				;;
	*)	lab_refuse "IOMMU=$1: no such thing on $arch" ;;
	esac
}

lab_fetch() {	# lab_fetch SUITE FLAVOUR: fetch a kernel and print the folder where it is
	"$top/scripts/fetch-kernels" "$kernels" "$1" "$2" "$arch" >&2
	echo "$("$top/scripts/fetch-kernels" --folder "$kernels" "$1" "$2")/$arch"
}

# lab_begin: make the temporary folder $out. It goes when the script ends, and so does the emulator.
lab_begin() {
	out=$(mktemp -d "${TMPDIR:-/tmp}/lkvm-lab.XXXXXX")
	trap 'rm -rf "$out"' EXIT
	# timeout(1) leaves our process group, so the emulator does not hear of a Ctrl-C by itself.
	emulator=
	trap '[ -z "$emulator" ] || kill "$emulator"; exit 143' TERM INT
}

lab_host() {	# lab_host FETCHED MODULE...: pack $out/initrd: the host's script, $out/add and the modules
	local fetched=$1
	shift
	# shellcheck disable=SC2086
	"$here/initrd" "$out/initrd" "$fetched" "$host" "$out/add" $modules "$@"
}

# An emulated x86 host now and then stands still for ever after a nested guest, its processors halted: QEMU has lost an
# interrupt. Or they run, and no timer of its own ends what it does. lab_watch PID: $out/still is there, and timeout's
# child gone, if that used no processor for 90 s, or said nothing for $SILENCE (none: it may).
lab_watch() {
	local child last=0 now quiet=0 said=0 silent=0 size
	while [ $quiet -lt 18 ]; do
		sleep 5
		size=$(stat -Lc %s "/proc/$1/fd/1" 2>/dev/null)
		if [ "$size" != "$said" ]; then said=$size silent=0; else silent=$((silent + 5)); fi
		[ "${SILENCE:-0}" = 0 ] || [ $silent -lt "$SILENCE" ] || break
		child=$(cat "/proc/$1/task/$1/children" 2>/dev/null) && now=$(awk '{ print $14 + $15 }' "/proc/${child% }/stat" 2>/dev/null) ||
			return
		if [ "${now:-0}" -ge $((last + 3)) ]; then last=$now quiet=0; else quiet=$((quiet + 1)); fi
	done
	: >"$out/still"
	kill -KILL "${child% }"
}

lab_disks() {	# lab_disks save|restore: the images that the host writes to
	local image
	for image in ${DISK:+"$DISK"} ${DISKS:+"$DISKS/nvme" "$DISKS/nvme2" "$DISKS/blk"}; do
		[ -e "$image" ] || continue
		case $1 in
		save)	 cp --sparse=always "$image" "$out/saved-${image##*/}" ;;
		restore) cp --sparse=always "$out/saved-${image##*/}" "$image" ;;
		esac
	done
}

lab_start() {	# lab_start COMMAND...: the emulator, to its end
	local status=0 watch
	timeout "${TIMEOUT:-300}" "$@" </dev/null &
	emulator=$!
	lab_watch $emulator &
	watch=$!
	wait $emulator || status=$?
	kill $watch 2>/dev/null
	wait $watch 2>/dev/null
	return $status
}

lab_run() {	# lab_run FETCHED MIB ARGUMENT...: run the host, with these further arguments of QEMU
	local fetched=$1 mem=${MEM:-$2} status=0 command
	shift 2
	# With ICOUNT its clock counts instructions, and times repeat however busy this machine is.
	local accel="tcg,thread=multi"
	[ -z "${ICOUNT:-}" ] || accel="tcg,thread=single -icount shift=1,sleep=off"
	# shellcheck disable=SC2206
	command=($qemu -accel $accel $machine -smp "${CPUS:-1}" -m "$mem" -nodefaults -no-user-config -display none
		-serial stdio -no-reboot -kernel "$fetched/kernel" -initrd "$out/initrd"
		-append "console=$tty panic=-1 quiet loglevel=4 nokaslr who=host $append ${WATCH:+lab_watch=$WATCH} ${APPEND:-}" "$@")
	lab_disks save
	lab_start "${command[@]}" || status=$?
	# It goes on with the case that it was in, if it has said so where we can read it.
	local tries=0 case
	while [ -e "$out/still" ] && [ $tries -lt 3 ]; do
		tries=$((tries + 1)) case=
		[ ! -f /proc/$$/fd/1 ] || case=$(tr -d '\r' </proc/$$/fd/1 | sed -n 's/^host: # case //p' | tail -n 1)
		echo
		echo "host: # the emulated host stands still, which is QEMU's fault: once more from ${case:-the beginning}"
		rm "$out/still"
		[ -n "$case" ] || lab_disks restore
		status=0
		lab_start "${command[@]/ who=host / who=host ${case:+lab_from=$case }}" || status=$?
	done
	[ $status -eq 0 ] || { echo "$me: the emulated host ended with status $status"; exit 1; }
}
