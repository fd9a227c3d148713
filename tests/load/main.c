/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * folder-load load DIR TWIN [SEED [SECONDS [PROCESSES [WITHOUT...]]]]
 * folder-load rights DIR TWIN [SEED [COUNT]]
 *
 * Do the same to two folders, of which TWIN is a local one, and say where they differ. load:
 * random operations for SECONDS (20), each process in folders of its own; WITHOUT: fallocate, copy,
 * seek, flags (of renames), xattr, map, modes (other bits than rwx of an owner's). rights: as many
 * users, who may do what. The last line is "equal: ..." with status 0, or what differs is printed,
 * with status 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

static const struct {
	const char *name;
	unsigned ability;
} abilities[] = {
	{ "fallocate", LOAD_FALLOCATE }, { "copy", LOAD_COPY },	  { "seek", LOAD_SEEK },
	{ "flags", LOAD_RENAME_FLAGS },	 { "xattr", LOAD_XATTR }, { "map", LOAD_MAP },
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void open_folder(struct load_posix *posix, const char *dir, unsigned number)
{
	char path[4096];
	int ret;

	snprintf(path, sizeof(path), "%s/load%u", dir, number);
	if (mkdir(path, 0777) && errno != EEXIST)
		ret = -errno;
	else
		ret = load_posix_open(posix, path);
	if (ret) {
		fprintf(stderr, "folder-load: %s: %s\n", path, strerror(-ret));
		exit(2);
	}
}

/* In a process of its own. */
static int run(char **argv, unsigned number, u64 seed, double until, unsigned can, bool any_mode)
{
	static struct load load;
	static struct load_posix target, twin;

	open_folder(&target, argv[2], number);
	open_folder(&twin, argv[3], number);
	target.target.can &= can;
	load = (struct load){ .target = &target.target,
			      .twin = &twin.target,
			      .random = seed + number * 1000003,
			      .least = any_mode ? 0 : 0700,
			      .most = any_mode ? 07777 : 0777 };
	while (now() < until && load_step(&load))
		;
	if (load.why[0] || !load_compare(&load)) {
		printf("differs: seed %llu process %u operation %llu: %s: %s\n",
		       (unsigned long long)seed, number, (unsigned long long)load.count, load.what,
		       load.why);
		return 1;
	}
	printf("equal: %llu operations, %llu refused\n", (unsigned long long)load.count,
	       (unsigned long long)load.failed);
	return 0;
}

static int load_folders(int argc, char **argv)
{
	u64 seed = argc > 4 ? strtoull(argv[4], NULL, 0) : 1;
	double until = now() + (argc > 5 ? atof(argv[5]) : 20);
	unsigned processes = argc > 6 ? atoi(argv[6]) : 1, can = ~0u;
	bool any_mode = true, bad = false;
	int status;

	for (int i = 7; i < argc; i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(abilities); j++) {
			if (!strcmp(argv[i], abilities[j].name))
				can &= ~abilities[j].ability;
		}
		any_mode &= strcmp(argv[i], "modes") != 0;
	}
	for (unsigned i = 0; i < processes; i++) {
		if (!fork()) {
			status = run(argv, i, seed, until, can, any_mode);
			fflush(stdout);
			_exit(status);
		}
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}

static int check_rights(int argc, char **argv)
{
	unsigned count = argc > 5 ? atoi(argv[5]) : 2000, denied, bad;

	bad = load_rights(argv[2], argv[3], count, argc > 4 ? strtoull(argv[4], NULL, 0) : 1,
			  &denied);
	printf("%s: %u cases, %u operations refused, %u cases differ\n", bad ? "differs" : "equal",
	       count, denied, bad);
	return bad != 0;
}

int main(int argc, char **argv)
{
	umask(0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 4 && !strcmp(argv[1], "load"))
		return load_folders(argc, argv);
	if (argc >= 4 && !strcmp(argv[1], "rights"))
		return check_rights(argc, argv);
	fprintf(stderr, "folder-load: load|rights DIR TWIN [SEED ...]\n");
	return 2;
}
