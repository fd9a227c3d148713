/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the host's files this process still reaches by name once it is sealed: shared folders,
 * the folders of sockets that are removed at the end. Whoever will do so says it here, before;
 * everything else is out of reach then (confine/). It is the process's, as its log is.
 */
#ifndef UTIL_REACH_H
#define UTIL_REACH_H

#include "util/thread.h"
#include "util/types.h"

enum reach_right {
	REACH_READ = 1 << 0,   /* read files and list folders */
	REACH_WRITE = 1 << 1,  /* write to files that are there */
	REACH_CHANGE = 1 << 2, /* make, move and remove whatever may be in a folder */
	REACH_REMOVE = 1 << 3, /* remove files that are no folders */
	REACH_SOCKET = 1 << 4, /* make sockets */
};

struct reach {
	int fd; /* of the folder or file, which is reached with all that is below it; owned */
	unsigned rights;
};

/* @fd is copied. One that cannot be noted is said: -errno. Main thread. */
int reach_add_fd(int fd, unsigned rights);
/* A path that is not there is no error: nothing is reached. */
int reach_add(const char *path, unsigned rights);
/* The folder that @path is in. */
int reach_add_folder_of(const char *path, unsigned rights);
/* All of them, *@count. The caller's until reach_forget(). */
const struct reach *reach_list(unsigned *count);
void reach_forget(void);

/*
 * @what, for people, goes on to need the user who started us, as it reaches files or sockets by
 * name, or what that user may. Constant. The first of them, or NULL.
 */
void reach_need_user(const char *what);
const char *reach_user_needed(void);
/*
 * @fd is a file that is used to the end. Where its file system, or the server behind it, judges
 * calls by who makes them and not by who opened the file, another user's may fail: lkvm stays who
 * it is then, unless it was told otherwise. Why it does, for people, or NULL.
 */
void reach_add_file(int fd);
const char *reach_user_preferred(void);

/*
 * A file is open that takes requests of VFIO, vhost or taps, which no other process makes; whether
 * there is one.
 */
void reach_add_host_kernel(void);
bool reach_host_kernel(void);
/* This process will connect to sockets of the host's, or make a file at its end; whether it will.
 */
void reach_add_names(void);
bool reach_names(void);

/* @capabilities, bits 1 << CAP_..., which threads of @kind go on to need, if root has started us.
 */
void reach_keep(enum thread_kind kind, u64 capabilities);
/* Those of @kind; of THREAD_ANY: of all kinds. */
u64 reach_kept(enum thread_kind kind);

#endif
