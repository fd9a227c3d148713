/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are bound for one run (",auto"). Several runs may want the same one. The lock of the
 * bindings is held from before the first device is bound until all are open, and from before the
 * first is closed until all are given back: another run finds a device free or open, never between.
 *
 * The keeper gives them back, as lkvm may not any more when it has run, or may have been killed. It
 * is told of a device before that is touched, and has a copy of the lock's descriptor: what of the
 * two holds the lock holds it for both, and it stays when lkvm is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "bind_state.h"
#include "binding.h"
#include "passthrough.h"
#include "util/keeper.h"
#include "util/log.h"

/* The most that a driver takes to let a device go or to take it back, the lock's 60 s included. */
#define GIVE_BACK_MS 100000

/* ---- in the keeper ---- */

struct given {
	struct vfio_address address;
	char sys[64], dev[64], state[64], proc[64]; /* struct vfio_paths; proc "": none */
};

static int give_back(const void *data, const int *fds, struct error *err)
{
	const struct given *given = data;
	const struct vfio_paths paths = { given->sys, given->dev, given->state,
					  given->proc[0] ? given->proc : NULL };
	int ret = vfio_state_relock(fds[0]);

	if (ret)
		return error_set(err, ret,
				 "another lkvm has been binding or releasing devices for "
				 "too long");
	ret = vfio_release_locked(&paths, &given->address, err);
	/* A device that was taken for another one of its group is given back with that one. */
	return ret == -ENOENT ? 0 : ret;
}

const struct keeper_kind vfio_auto_kind = {
	.name = "devices to give back",
	.worth = KEEPER_NEEDED,
	.size = sizeof(struct given),
	.undo_ms = GIVE_BACK_MS,
	.undo = give_back,
};

/* ---- binding ---- */

static int put(char to[64], const char *path)
{
	return snprintf(to, 64, "%s", path ? path : "") < 64 ? 0 : -ENAMETOOLONG;
}

/* Before it is bound. */
static int note_device(struct vfio *vfio, unsigned n, struct error *err)
{
	const struct vfio_paths *paths = vfio->paths;
	struct given given = { .address = vfio->wants[n].address };
	const struct keeper_note note = { .kind = &vfio_auto_kind,
					  .data = &given,
					  .fds = { vfio->lock },
					  .fd_count = 1,
					  .give_up_fd = -1 };

	if (put(given.sys, paths->sys) || put(given.dev, paths->dev) ||
	    put(given.state, paths->state) || put(given.proc, paths->proc))
		return error_set(err, -ENAMETOOLONG, "%s: %s", paths->sys, strerror(ENAMETOOLONG));
	vfio->notes[n] = keeper_add(vfio->keeper, &note, err);
	return MIN(vfio->notes[n], 0);
}

/* Refusals that need no lock. Returns how many are to be bound, or -errno. */
static int check_bindings(const struct vfio *vfio, bool *wanted, struct error *err)
{
	int todo = 0;

	*wanted = false;
	for (unsigned i = 0; i < vfio->want_count; i++) {
		int ret;

		if (!vfio->wants[i].auto_bind)
			continue;
		*wanted = true;
		ret = vfio_bind_check(vfio->paths, &vfio->wants[i].address, err);
		if (ret < 0)
			return ret;
		todo += ret;
	}
	return todo;
}

static int bind_all(struct vfio *vfio, struct error *err)
{
	for (unsigned i = 0; i < vfio->want_count; i++) {
		int ret;

		if (!vfio->wants[i].auto_bind)
			continue;
		ret = note_device(vfio, i, err);
		if (!ret)
			ret = vfio_bind_locked(vfio->paths, &vfio->wants[i].address, err);
		if (ret < 0) {
			keeper_drop(vfio->keeper, vfio->notes[i]);
			vfio->notes[i] = -1;
			return ret;
		}
		vfio->took[i] = ret;
	}
	return 0;
}

int vfio_auto_bind(struct vfio *vfio, struct error *err)
{
	struct error unheard = { "" };
	bool wanted;
	int todo = check_bindings(vfio, &wanted, err);

	if (todo < 0 || !wanted)
		return todo;
	vfio->lock = vfio_state_lock(vfio->paths, todo ? err : &unheard);
	if (vfio->lock >= 0)
		return bind_all(vfio, err);
	/* A user who may not bind devices can still pass those that vfio-pci has already. */
	if (!todo && vfio->lock != -EAGAIN)
		return 0;
	return todo ? vfio->lock : error_set(err, vfio->lock, "%s", unheard.text);
}

void vfio_auto_unlock(struct vfio *vfio)
{
	if (vfio->lock >= 0)
		flock(vfio->lock, LOCK_UN);
}

/* ---- giving back ---- */

void vfio_auto_lock(struct vfio *vfio)
{
	int ret = vfio->lock < 0 ? 0 : vfio_state_relock(vfio->lock);

	if (ret)
		log_warning("another lkvm has been binding or releasing devices for too long: %s",
			    strerror(-ret));
}

static void release_one(const struct vfio *vfio, unsigned n)
{
	char name[VFIO_ADDRESS_TEXT];
	struct error err = { "" };
	int ret = keeper_undo(vfio->keeper, vfio->notes[n], &err);

	if (!ret)
		return;
	/* Another run had it before and after this one, as the error of this run says. */
	if (ret == -EBUSY && !vfio->opened && !vfio->took[n])
		return;
	vfio_address_format(&vfio->wants[n].address, name);
	log_warning("%s is not given back: %s; then 'lkvm vfio release %s' does it", name, err.text,
		    name);
}

void vfio_auto_release(struct vfio *vfio)
{
	for (unsigned i = 0; i < vfio->want_count; i++)
		release_one(vfio, i);
	if (vfio->lock >= 0)
		close(vfio->lock);
	vfio->lock = -1;
}
