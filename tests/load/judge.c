/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "judge.h"

/* ---- one operation ---- */

void load_begin(struct load *load, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(load->what, sizeof(load->what), format, args);
	va_end(args);
	load->why[0] = '\0';
}

bool load_differs(struct load *load, const char *what, s64 is, s64 twins)
{
	if (is == twins)
		return false;
	if (!load->why[0])
		snprintf(load->why, sizeof(load->why), "%s is %lld, its twin's %lld", what,
			 (long long)is, (long long)twins);
	return true;
}

bool load_both_did(struct load *load, s64 is, s64 twins)
{
	load->failed += is < 0 && is == twins;
	return !load_differs(load, "the result", is, twins) && is >= 0;
}

static void compare_stats(struct load *load, const struct load_stat *is,
			  const struct load_stat *twins, bool with_time)
{
	load_differs(load, "mode", is->mode, twins->mode);
	load_differs(load, "nlink", is->nlink, twins->nlink);
	load_differs(load, "uid", is->uid, twins->uid);
	load_differs(load, "gid", is->gid, twins->gid);
	load_differs(load, "size", is->size, twins->size);
	if (!with_time)
		return;
	load_differs(load, "mtime", is->mtime, twins->mtime);
	load_differs(load, "mtime's nanoseconds", is->mtime_nsec, twins->mtime_nsec);
}

void load_compare_data(struct load *load, s64 len)
{
	for (s64 i = 0; i < len; i++) {
		if (load->got[i] == load->twins[i])
			continue;
		snprintf(load->why, sizeof(load->why), "byte %lld of %lld is %#x, its twin's %#x",
			 (long long)i, (long long)len, load->got[i], load->twins[i]);
		return;
	}
}

void load_compare_stat(struct load *load, const char *path, bool with_time)
{
	struct load_stat st, twins_st;

	if (load_both_did(load, load->target->ops->stat(load->target, path, &st),
			  load->twin->ops->stat(load->twin, path, &twins_st)))
		compare_stats(load, &st, &twins_st, with_time);
}

void load_compare_handle(struct load *load, unsigned n)
{
	struct load_stat st, twins_st;

	if (load_both_did(load, load->target->ops->fstat(load->target, n, &st),
			  load->twin->ops->fstat(load->twin, n, &twins_st)))
		compare_stats(load, &st, &twins_st, false);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void compare_names(struct load *load)
{
	struct load_names *is = &load->names, *twins = &load->twins_names;

	if (load_differs(load, "the number of names", is->count, twins->count))
		return;
	qsort(is->entries, is->count, sizeof(is->entries[0]), by_name);
	qsort(twins->entries, twins->count, sizeof(twins->entries[0]), by_name);
	for (unsigned i = 0; i < is->count; i++) {
		if (strcmp(is->entries[i].name, twins->entries[i].name))
			snprintf(load->why, sizeof(load->why), "there is a name %.60s for %.60s",
				 is->entries[i].name, twins->entries[i].name);
		else if (is->entries[i].type != DT_UNKNOWN && twins->entries[i].type != DT_UNKNOWN)
			load_differs(load, "an entry's type", is->entries[i].type,
				     twins->entries[i].type);
	}
}

bool load_list_both(struct load *load, const char *path)
{
	s64 is = load->target->ops->list(load->target, path, &load->names);
	s64 twins = load->twin->ops->list(load->twin, path, &load->twins_names);

	if (load_both_did(load, is, twins))
		compare_names(load);
	return is >= 0 && !load->why[0];
}

void load_close_both(struct load *load, unsigned n)
{
	if (!load->open[n])
		return;
	load->target->ops->close(load->target, n);
	load->twin->ops->close(load->twin, n);
	load->open[n] = false;
}

/* ---- everything ---- */

static void compare_file(struct load *load, const char *path)
{
	s64 is, twins;
	u64 offset = 0;

	load_begin(load, "compare %s", path);
	is = load->target->ops->open(load->target, 0, path, O_RDONLY, 0);
	twins = load->twin->ops->open(load->twin, 0, path, O_RDONLY, 0);
	if (!load_both_did(load, is, twins))
		return;
	do {
		is = load->target->ops->read(load->target, 0, load->got, LOAD_MAX_IO, offset);
		twins = load->twin->ops->read(load->twin, 0, load->twins, LOAD_MAX_IO, offset);
		if (load_both_did(load, is, twins))
			load_compare_data(load, is);
		offset += MAX(is, 0);
	} while (!load->why[0] && is > 0);
	load->target->ops->close(load->target, 0);
	load->twin->ops->close(load->twin, 0);
}

static void compare_folder(struct load *load, const char *path);

static void compare_entry(struct load *load, const char *path)
{
	struct load_stat st;

	load_begin(load, "compare %s", path);
	load_compare_stat(load, path, false);
	if (load->why[0] || load->twin->ops->stat(load->twin, path, &st))
		return;
	if (S_ISREG(st.mode))
		compare_file(load, path);
	else if (S_ISDIR(st.mode))
		compare_folder(load, path);
}

static void compare_folder(struct load *load, const char *path)
{
	struct load_names *names;

	load_begin(load, "list %s", path);
	if (!load_list_both(load, path))
		return;
	names = malloc(sizeof(*names));
	*names = load->names;
	for (unsigned i = 0; i < names->count && !load->why[0]; i++) {
		const char *name = names->entries[i].name;
		char below[2 * LOAD_PATH];

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", name);
		compare_entry(load, below);
	}
	free(names);
}

bool load_compare(struct load *load)
{
	load->why[0] = '\0';
	for (unsigned n = 0; n < LOAD_HANDLES; n++)
		load_close_both(load, n);
	compare_folder(load, "");
	return !load->why[0];
}
