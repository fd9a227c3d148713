/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_absent.h"
#include "util/types.h"

static bool is_there(const char *root, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return !access(full, F_OK);
}

/* What Podman, Docker and systemd-nspawn leave in each. */
static bool is_container(const char *root)
{
	return is_there(root, "/run/.containerenv") || is_there(root, "/.dockerenv") ||
	       is_there(root, "/run/systemd/container");
}

/*
 * The words of the first line of /proc/cpuinfo that begins with @key, spaces around them; "": there
 * is none. x86 has "flags", arm64 "Features".
 */
static void read_flags(const char *root, const char *key, char *flags, size_t size)
{
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	FILE *file;

	*flags = '\0';
	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	file = fopen(path, "re");
	while (file && !*flags && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, key, strlen(key)) && strchr(line, ':'))
			snprintf(flags, size, "%s ", strchr(line, ':') + 1);
	}
	free(line);
	if (file)
		fclose(file);
}

const char *kvm_absent_remedy(const char *root)
{
	char flags[8192];

	if (is_container(root))
		return "this is a container: give it the host's, as with 'docker run --device "
		       "/dev/kvm'";
	read_flags(root, "Features", flags, sizeof(flags));
	if (*flags)
		return "boot this host's kernel at EL2, with CONFIG_KVM; a virtual machine needs "
		       "nesting for that, enabled in the host above";
	read_flags(root, "flags", flags, sizeof(flags));
	if (strstr(flags, " vmx "))
		return "load KVM's module: 'modprobe kvm_intel'";
	if (strstr(flags, " svm "))
		return "load KVM's module: 'modprobe kvm_amd'";
	if (strstr(flags, " hypervisor "))
		return "this is a virtual machine without nesting: enable that in the host above "
		       "(kvm_intel's or kvm_amd's parameter nested=1, and the CPU type 'host')";
	if (*flags)
		return "enable virtualization (VT-x, AMD-V) in the firmware";
	return "load KVM's module (kvm_intel, kvm_amd), or enable virtualization in the firmware "
	       "or "
	       "nesting in the host above";
}

/* The name of group @gid, or its number. Not getgrgid(): it drags NSS into a static binary. */
static void group_name(const char *root, gid_t gid, char *name, size_t size)
{
	const struct group *group = NULL;
	char path[PATH_MAX];
	FILE *file;

	snprintf(name, size, "%u", gid);
	snprintf(path, sizeof(path), "%s/etc/group", root);
	file = fopen(path, "re");
	if (!file)
		return;
	while ((group = fgetgrent(file)) && group->gr_gid != gid)
		;
	if (group)
		snprintf(name, size, "%s", group->gr_name);
	fclose(file);
}

/* Of the file itself, which is there: who may open it. */
static void describe_mode(const char *root, const char *path, const struct stat *st, char *why,
			  size_t size)
{
	bool is_groups = (st->st_mode & 060) == 060;
	char group[64];

	group_name(root, st->st_gid, group, sizeof(group));
	if (is_groups && is_container(root))
		snprintf(why, size,
			 "its group is %s: have the container in that, as with 'docker run "
			 "--group-add %u'",
			 group, st->st_gid);
	else if (is_groups && st->st_gid)
		snprintf(
			why, size,
			"its group is %s, add yourself with 'usermod -aG %s USER' and log in again",
			group, group);
	else
		snprintf(why, size,
			 "its mode is %04o, owner %u, group %s: 'chgrp kvm %s; chmod 660 %s' opens "
			 "it to the group kvm",
			 st->st_mode & 07777, st->st_uid, group, path, path);
}

void kvm_absent_permission(const char *root, const char *path, int error, char *why, size_t size)
{
	char full[PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", root, path);
	/* The file would let us: it is the control group's list of devices that does not. */
	if (error == EPERM)
		snprintf(
			why, size,
			"the device rules of this control group forbid it: in a container, give it "
			"the host's, as with 'docker run --device %s'",
			path);
	else if (stat(full, &st))
		snprintf(why, size, "nor may it be looked at");
	else
		describe_mode(root, path, &st, why, size);
}
