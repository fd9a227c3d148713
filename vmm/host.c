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

#include "kvm_absent.h"
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

/* EACCES: who may open it, in the words of the file itself. */
static int say_no_permission(const char *path, struct error *err)
{
	char group[64];
	struct stat st;

	if (stat(path, &st))
		return error_set(err, -EACCES, "%s: permission denied", path);
	group_name(st.st_gid, group, sizeof(group));
	if ((st.st_mode & 060) == 060 && st.st_gid)
		return error_set(err, -EACCES,
				 "%s: permission denied: its group is %s, add yourself with "
				 "'usermod -aG %s USER' and log in again",
				 path, group, group);
	return error_set(err, -EACCES,
			 "%s: permission denied: its mode is %04o, owner %u, group %s: "
			 "'chgrp kvm %s; chmod 660 %s' opens it to the group kvm",
			 path, st.st_mode & 07777, st.st_uid, group, path, path);
}

static int say_missing(const char *path, struct error *err)
{
	if (strcmp(path, VM_KVM_FILE))
		return error_set(err, -ENOENT, "--dev %s: there is no such file", path);
	return error_set(err, -ENOENT, "/dev/kvm does not exist: %s", kvm_absent_remedy(""));
}

/* Looked at first: a FIFO would keep us waiting, and other devices do something when opened. */
static int open_kvm(const char *path, struct error *err)
{
	struct stat st;
	int fd;

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
		return say_no_permission(path, err);
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
