/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm_absent.h"
#include "util/types.h"

static bool is_there(const char *root, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return !access(full, F_OK);
}

/* What Podman and Docker leave in each. */
static bool is_container(const char *root)
{
	return is_there(root, "/run/.containerenv") || is_there(root, "/.dockerenv");
}

/* The words of the first "flags" line of /proc/cpuinfo, spaces around them; "": there is none. */
static void read_flags(const char *root, char *flags, size_t size)
{
	char path[PATH_MAX], *line = NULL;
	size_t room = 0;
	FILE *file;

	*flags = '\0';
	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	file = fopen(path, "re");
	while (file && !*flags && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "flags", 5) && strchr(line, ':'))
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
	read_flags(root, flags, sizeof(flags));
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
