/* SPDX-License-Identifier: BSD-2-Clause */
/* The host, asked before anything is made. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/vm.h"

/* The name of group @gid, or its number. Not getgrgid(): it drags NSS into a static binary. */
static void group_name(gid_t gid, char *name, size_t size)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *group = NULL;

	snprintf(name, size, "%u", gid);
	if (!file)
		return;
	while ((group = fgetgrent(file)) && group->gr_gid != gid)
		;
	if (group)
		snprintf(name, size, "%s", group->gr_name);
	fclose(file);
}

/* EACCES: who may open /dev/kvm, in the words of the file itself. */
static int say_no_permission(struct error *err)
{
	char group[64];
	struct stat st;

	if (stat("/dev/kvm", &st))
		return error_set(err, -EACCES, "/dev/kvm: permission denied");
	group_name(st.st_gid, group, sizeof(group));
	if ((st.st_mode & 060) == 060 && st.st_gid)
		return error_set(err, -EACCES,
				 "/dev/kvm: permission denied: its group is %s, add yourself with "
				 "'usermod -aG %s USER' and log in again",
				 group, group);
	return error_set(err, -EACCES,
			 "/dev/kvm: permission denied: its mode is %04o, owner %u, group %s: "
			 "'chgrp kvm /dev/kvm; chmod 660 /dev/kvm' opens it to the group kvm",
			 st.st_mode & 07777, st.st_uid, group);
}

static int open_kvm(struct error *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		return error_set(err, -ENOENT,
				 "/dev/kvm does not exist: load KVM's module (kvm_intel, kvm_amd), "
				 "or enable virtualization in the firmware or nesting in the host "
				 "above");
	case EACCES:
	case EPERM:
		return say_no_permission(err);
	default:
		return error_set(err, -errno, "/dev/kvm: %s", strerror(errno));
	}
}

int vm_check_host(struct vm_host *host, struct error *err)
{
	static const int needed[] = { KVM_CAP_IRQCHIP, KVM_CAP_USER_MEMORY, KVM_CAP_IRQFD,
				      KVM_CAP_IOEVENTFD, KVM_CAP_IMMEDIATE_EXIT };
	int ret;

	host->kvm_fd = open_kvm(err);
	if (host->kvm_fd < 0)
		return host->kvm_fd;
	if (ioctl(host->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		vm_host_close(host);
		return error_set(err, -ENOTTY, "/dev/kvm does not speak KVM's API version %d",
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
