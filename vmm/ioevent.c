/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/ioevent.h"
#include "vmm/vm.h"

int ioevent_add(struct vm *vm, gpa_t address, u32 value, int fd)
{
	struct kvm_ioeventfd arg = {
		.datamatch = value,
		.addr = address,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &arg) ? -errno : 0;
}
