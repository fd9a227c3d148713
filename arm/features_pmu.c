/* SPDX-License-Identifier: BSD-2-Clause */
/* Which counters the host's processors have: those of big and little ones differ. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "features.h"
#include "util/parse.h"

/* The first line of a file of sysfs; false: there is none. */
static bool read_line(const char *folder, const char *device, const char *name, char *line,
		      size_t size)
{
	char path[PATH_MAX];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, device, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(line, size, file);
	fclose(file);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

/* Counters of processors have a file "cpus"; those of buses and memory have not. */
static bool read_pmu(const char *root, const char *device, cpu_set_t *cpus, u64 *type)
{
	char line[4096];

	return read_line(root, device, "cpus", line, sizeof(line)) && !parse_cpus(line, cpus) &&
	       read_line(root, device, "type", line, sizeof(line)) &&
	       !parse_u64(line, INT_MAX, type);
}

static bool is_within(const cpu_set_t *some, const cpu_set_t *all)
{
	cpu_set_t both;

	CPU_AND(&both, some, all);
	return CPU_EQUAL(&both, some);
}

int features_find_pmu(const char *root, const cpu_set_t *cpus, s64 *type, struct error *err)
{
	DIR *dir = opendir(root);
	struct dirent *entry;
	unsigned count = 0, fitting = 0;

	*type = -1;
	while (dir && (entry = readdir(dir))) {
		cpu_set_t has;
		u64 n;

		if (entry->d_name[0] == '.' || !read_pmu(root, entry->d_name, &has, &n))
			continue;
		count++;
		if (cpus && !is_within(cpus, &has))
			continue;
		fitting++;
		*type = n;
	}
	if (dir)
		closedir(dir);
	if (fitting == 1 || !count)
		return 0;
	return error_set(err, -ENODEV,
			 "--pmu: this host's processors have %u kinds of counters: say with "
			 "--vcpu-affinity on which of one kind the guest runs",
			 count);
}
