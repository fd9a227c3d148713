/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels that were unpacked once are kept, in $XDG_CACHE_HOME/lkvm or ~/.cache/lkvm, and later
 * runs begin with them. An entry is a file of vmm/boot_image.h, whose name says what is known of
 * it:
 *
 *   KEY.ok   good
 *   KEY.try  made, but no guest has run by it yet
 *   KEY.bad  empty: a kernel that cannot be kept, or that did not run so
 *
 * KEY is made of the size and some pages of the kernel's file, and only finds the entry: whether it
 * is this kernel's is a comparison of all bytes. A run reads here; what may write is a process of
 * its own (the filler), because a file system may let it wait for ever. It holds the file "lock"
 * locked, writes "filling", and renames that, so it may be killed at any time. A folder, or its
 * parent, that is another user's or that others may write to is not used.
 */
#ifndef VMM_BOOT_CACHE_H
#define VMM_BOOT_CACHE_H

#include "vmm/boot_image.h"

/* The cache's own bound, of all its files. */
#define BOOT_CACHE_MAX (512 * MIB)

enum boot_cache_state {
	BOOT_CACHE_OFF,	    /* there is none that may be used */
	BOOT_CACHE_MISSING, /* no entry */
	BOOT_CACHE_REFUSED, /* the kernel is known, and not kept */
	BOOT_CACHE_TRIED,   /* entry is good, but it is the first run by it */
	BOOT_CACHE_GOOD,
};

#define BOOT_CACHE_KEY 17

struct boot_cache {
	enum boot_cache_state state;
	int folder; /* owned; -1: it is not there */
	int kernel_fd;
	u64 kernel_size;
	char key[BOOT_CACHE_KEY];
	struct boot_entry entry; /* TRIED and GOOD: fd is owned */
	int filler_fd;		 /* owned; -1: there is no filler */
	const char *why;	 /* OFF: for people */
};

/*
 * Look for the kernel of @kernel_size bytes in @kernel_fd, which stays the caller's and open as
 * long as the cache is asked. Cannot fail: whatever is wrong is BOOT_CACHE_OFF, or no entry. Reads
 * twice the kernel's size.
 */
void boot_cache_find(struct boot_cache *cache, int kernel_fd, u64 kernel_size);
void boot_cache_close(struct boot_cache *cache);
/* It is loaded: close the files that were needed for that. The filler can still be told. */
void boot_cache_close_files(struct boot_cache *cache);

/*
 * Of a kernel that is MISSING: -EINVAL, -EOPNOTSUPP: it is one that cannot be kept. Other errors
 * are the host's. Called in the filler.
 */
struct boot_cache_source {
	int (*unpack)(void *arg, struct boot_image *image);
	void *arg;
};

/*
 * Start the filler, if there will be something for it to do: a process that waits for what it is
 * told. It has no file of ours but the kernel's, and is not our child. Before there is RAM, which
 * it would hold. Without one nothing is kept.
 */
void boot_cache_start_filler(struct boot_cache *cache, const struct boot_cache_source *source);
/*
 * The guest runs: a kernel that is MISSING is unpacked and kept, at the lowest priority; the filler
 * ends with that. It goes on if we end, for two minutes of a processor and ten of the clock at
 * most.
 */
void boot_cache_begin(struct boot_cache *cache);
/* Of one that is TRIED: whether the guest ran by it. Neither is fine, if that is not known. */
void boot_cache_judge(struct boot_cache *cache, bool ran);
/* The entry is damaged: forget it. May wait for the file system, in a process aside. */
void boot_cache_drop(struct boot_cache *cache);

/* ---- of the filler, and for tests ---- */

/*
 * Unpack and keep the kernel that @cache has not found. -EBUSY: another one is at it; -EEXIST: by
 * now it is there; -ENOSPC: it would take more than half of the room that is left; -EPERM: no
 * folder; -ESTALE: the kernel's file was written meanwhile; those of unpack(); -errno.
 */
int boot_cache_fill(struct boot_cache *cache, const struct boot_cache_source *source);

#endif
