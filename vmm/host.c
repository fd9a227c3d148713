/* SPDX-License-Identifier: BSD-2-Clause */
/* The host, asked before anything is made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_absent.h"
#include "vmm/vm.h"

static int say_missing(const char *path, struct error *err)
{
	if (strcmp(path, VM_KVM_FILE))
		return error_set(err, -ENOENT, "--dev %s: there is no such file", path);
	return error_set(err, -ENOENT, "/dev/kvm does not exist: %s", kvm_absent_remedy(""));
}

/* Looked at first: a FIFO would keep us waiting, and other devices do something when opened. */
static int open_kvm(const char *path, struct error *err)
{
	char why[512];
	struct stat st;
	int fd, ret;

	if (!stat(path, &st) && !S_ISCHR(st.st_mode))
		return error_set(err, -ENOTTY,
				 "--dev %s: is not a character device, as /dev/kvm is", path);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		return say_missing(path, err);
	case ENODEV:
	case ENXIO: /* the node is there, and no module behind it */
		return error_set(err, -errno, "%s: %s: %s", path, strerror(errno),
				 kvm_absent_remedy(""));
	case EACCES:
	case EPERM:
		ret = -errno;
		kvm_absent_permission("", path, errno, why, sizeof(why));
		return error_set(err, ret, "%s: permission denied: %s", path, why);
	default:
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	}
}

int vm_check_host(struct vm_host *host, const char *path, struct error *err)
{
	static const int needed[] = { KVM_CAP_IRQCHIP, KVM_CAP_USER_MEMORY, KVM_CAP_IRQFD,
				      KVM_CAP_IOEVENTFD, KVM_CAP_IMMEDIATE_EXIT };
	int ret;

	host->kvm_fd = open_kvm(path, err);
	if (host->kvm_fd < 0)
		return host->kvm_fd;
	if (ioctl(host->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		vm_host_close(host);
		return error_set(err, -ENOTTY, "%s does not speak KVM's API version %d", path,
				 KVM_API_VERSION);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(host->kvm_fd, KVM_CHECK_EXTENSION, needed[i]) > 0)
			continue;
		vm_host_close(host);
		return error_set(err, -ENOTSUP,
				 "this host's KVM lacks extension %d: lkvm needs Linux 4.12 or "
				 "newer, with an in-kernel interrupt controller",
				 needed[i]);
	}
	ret = ioctl(host->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	host->max_cpus = MIN(MAX(ret, 1), ARCH_MAX_CPUS);
	return 0;
}

void vm_host_close(struct vm_host *host)
{
	if (host->kvm_fd >= 0)
		close(host->kvm_fd);
	host->kvm_fd = -1;
}
