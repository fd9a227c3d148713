/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "list.h"
#include "options.h"
#include "options_print.h"
#include "util/log.h"
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

/* A socket that nobody answers is left by one that was killed: it goes. */
static bool vm_runs(struct running_vm *vm)
{
	int fd = control_connect(vm->name, &vm->pid);

	if (fd == -EAGAIN) {
		vm->pid = 0;
		return true;
	}
	if (fd == -ECONNREFUSED)
		control_forget(vm->name);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct running_vm *)a)->name, ((const struct running_vm *)b)->name);
}

static int collect(DIR *folder, struct running_vm **vms)
{
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(folder))) {
		struct running_vm vm, *more;

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
	DIR *folder;
	int count;

	*vms = NULL;
	if (control_folder(path))
		return 0;
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	count = collect(folder, vms);
	closedir(folder);
	if (count > 1)
		qsort(*vms, count, sizeof(**vms), by_name);
	return count;
}

/* ---- the command ---- */

struct list_options {
	bool help;
};

static const struct option_spec specs[] = {
	{ 'h', "help", OPTION_FLAG, .help = "this text", OPTION_FIELD(struct list_options, help) },
	{ 0 },
};

static int set_word(void *target, char *word, struct error *err)
{
	return error_set(err, -EINVAL, "'%s': list takes no names", word);
}

int cmd_list(int argc, char **argv)
{
	struct list_options options = { 0 };
	const struct option_group groups[] = { { specs, &options }, { 0 } };
	struct error err = { "" };
	struct running_vm *vms;
	int count;

	if (options_parse(groups, argc, argv, set_word, NULL, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		cmd_list_help();
		return EXIT_OK;
	}
	count = list_running(&vms);
	if (count < 0) {
		log_error("cannot look for running VMs: %s", strerror(-count));
		return EXIT_HOST;
	}
	for (int i = 0; i < count; i++) {
		if (!i)
			printf("%-24s %8s\n", "NAME", "PID");
		if (vms[i].pid)
			printf("%-24s %8d\n", vms[i].name, vms[i].pid);
		else
			printf("%-24s %8s\n", vms[i].name, "busy");
	}
	free(vms);
	return EXIT_OK;
}

void cmd_list_help(void)
{
	printf("usage: lkvm list\n\nList the VMs that you run, with their process IDs.\n\n");
	options_print_help(specs);
}
