/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/ioevent.h"
#include "vmm/vm.h"

static int set(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd, u32 flags)
{
	struct kvm_ioeventfd arg = {
		.datamatch = value,
		.addr = address,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &arg) ? -errno : 0;
}

int ioevent_add(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd)
{
	return set(vm, address, len, value, fd, KVM_IOEVENTFD_FLAG_DATAMATCH);
}

void ioevent_remove(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd)
{
	set(vm, address, len, value, fd,
	    KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* KVM_CAP_IOEVENTFD_ANY_LENGTH, since Linux 4.4: where it is missing, a length of 0 is -EINVAL. */
int ioevent_add_any(struct vm *vm, gpa_t address, int fd)
{
	return set(vm, address, 0, 0, fd, 0);
}

void ioevent_remove_any(struct vm *vm, gpa_t address, int fd)
{
	set(vm, address, 0, 0, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
