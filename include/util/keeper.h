/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of what must be undone at the end of a run: files of sockets, scripts to run, devices to
 * give back. It is kept by a small process of its own (the keeper), so that all of it is undone
 * after a kill -9 too, and by somebody who still has the rights to do so when this process has
 * given up its own. The keeper is forked when the first note is added that is worth it; a run
 * without one has no such process, and what little there is to undo it undoes itself.
 *
 * The keeper shares no memory with us and has none of our descriptors but those that a note
 * brings. It hears messages of one size over a packet socket: notes until keeper_seal(), then only
 * that one of them is to be undone or forgotten. When our process ends, however it does, the keeper
 * undoes what is left, the last note first. Each note is undone once, and each in a process of its
 * own where it could block, so that one which never returns stops no other.
 *
 * Main thread.
 */
#ifndef UTIL_KEEPER_H
#define UTIL_KEEPER_H

#include "util/error.h"
#include "util/types.h"

struct keeper;

#define KEEPER_NOTES 128
#define KEEPER_DATA  8448
#define KEEPER_FILES 2

enum keeper_worth {
	KEEPER_ALONG,  /* no process for it alone: the fork costs more than what a kill -9 leaves */
	KEEPER_WANTED, /* a process, if the host has one for us */
	KEEPER_NEEDED, /* only a process can do it: without one the note is refused */
};

struct keeper_kind {
	const char *name; /* for people: "downscript=" */
	enum keeper_worth worth;
	unsigned size;		    /* of its data; at most KEEPER_DATA bytes, without pointers */
	unsigned begin_ms, undo_ms; /* after that it is left behind, and is an error */
	/* undo() waits for nobody, so it needs no process of its own. NULL: it may wait. */
	bool (*is_quick)(const void *data);
	/*
	 * Called in the keeper, when the note is added; on failure there is nothing to undo.
	 * @stop_fd is readable when it is waited for no longer. NULL: nothing is to be done.
	 */
	int (*begin)(const void *data, const int *fds, int stop_fd, struct error *err);
	/*
	 * Called in the keeper; with @fds NULL in a process of ours, of a KEEPER_ALONG or
	 * KEEPER_WANTED note. -EBUSY: the keeper tries again, for half a second while
	 * we wait for it, for a second after our death. Standard streams are /dev/null in the
	 * keeper.
	 */
	int (*undo)(const void *data, const int *fds, struct error *err);
};

struct keeper_note {
	const struct keeper_kind *kind; /* one of keeper_create()'s */
	const void *data;		/* kind->size bytes; copied */
	int fds[KEEPER_FILES];		/* the keeper gets copies */
	unsigned fd_count;
	int give_up_fd; /* readable: begin() is stopped; -1: never */
};

/* @kinds: those that there can be, ended by NULL; constant. Starts no process. -ENOMEM. */
int keeper_create(struct keeper **keeper, const struct keeper_kind *const *kinds);
/*
 * Have its process from now on, whatever will be noted: this one will be another user, who may undo
 * nothing. -errno.
 */
int keeper_begin(struct keeper *keeper);
/*
 * Add a note, before what it undoes is done, and wait for its begin(). Its number for the calls
 * below, or -errno with a line: there is nothing to undo.
 */
int keeper_add(struct keeper *keeper, const struct keeper_note *note, struct error *err);
/*
 * The thing is done, and this is what is known of it now: in place of the note's data, for an
 * undo() in a process of ours. The keeper goes by what it had. @id < 0 is fine.
 */
void keeper_amend(struct keeper *keeper, int id, const void *data);
/* No more notes: what comes from us from now on may be a guest's doing. */
void keeper_seal(struct keeper *keeper);
/*
 * After that: the calling thread is about to be another user. What the keeper's process does not
 * undo, or there is none, is undone by a thread that is started here, if there is any of it, and
 * stays who the calling one is now. -errno.
 */
int keeper_stay(struct keeper *keeper);
/*
 * Have the note @id undone now, and wait for it, at most kind->undo_ms and a moment. What undo()
 * returned, with its line; -ETIMEDOUT: it is left to the keeper. 0 if that was done before, or
 * @id < 0.
 */
int keeper_undo(struct keeper *keeper, int id, struct error *err);
/* There is nothing to undo after all. @id < 0 is fine. */
void keeper_drop(struct keeper *keeper, int id);
/* What was not undone by now the keeper undoes after our end, if there is one. NULL is fine. */
void keeper_destroy(struct keeper *keeper);

#endif
