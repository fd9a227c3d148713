/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "list.h"
#include "vmm/control.h"

static const char suffix[] = ".sock";

/* The VM's name in that of a socket. False: it is none. */
static bool socket_name(const char *file, char *name, size_t size)
{
	size_t len = strlen(file), end = sizeof(suffix) - 1;

	if (len <= end || strcmp(file + len - end, suffix) || len - end >= size)
		return false;
	memcpy(name, file, len - end);
	name[len - end] = '\0';
	return !control_check_name(name, NULL);
}

static pid_t find_pid(const struct running_vm *vm)
{
	char folder[PATH_MAX], path[PATH_MAX + sizeof(vm->name) + sizeof(suffix)];

	if (control_folder(vm->folder, folder))
		return 0;
	snprintf(path, sizeof(path), "%s/%s%s", folder, vm->name, suffix);
	return listener_pid(path);
}

/* A socket that nobody answers is left by one that was killed: it goes. */
static bool vm_runs(struct running_vm *vm)
{
	int fd = control_connect_at(vm->folder, vm->name, &vm->pid);

	if (fd == -EAGAIN) {
		vm->pid = find_pid(vm);
		vm->busy = true;
		return true;
	}
	if (fd == -ECONNREFUSED)
		control_forget(vm->folder, vm->name);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct running_vm *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : (int)left->folder - (int)right->folder;
}

/* Add to the @count that there are. Returns how many there are then, or -errno. */
static int collect(DIR *dir, unsigned folder, struct running_vm **vms, int count)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		struct running_vm vm = { .folder = folder }, *more;

		if (!socket_name(entry->d_name, vm.name, sizeof(vm.name)) || !vm_runs(&vm))
			continue;
		more = realloc(*vms, (count + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		*vms = more;
		more[count++] = vm;
	}
	return count;
}

int list_running(struct running_vm **vms)
{
	char path[PATH_MAX];
	int count = 0;

	*vms = NULL;
	for (unsigned folder = 0; count >= 0 && !control_folder(folder, path); folder++) {
		DIR *dir = opendir(path);

		if (dir) {
			count = collect(dir, folder, vms, count);
			closedir(dir);
		} else if (errno != ENOENT) {
			count = -errno;
		}
	}
	if (count > 1)
		qsort(*vms, count, sizeof(**vms), by_name);
	return count;
}
