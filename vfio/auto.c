/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are bound for one run (",auto"). Several runs may want the same one. The lock of the
 * bindings is held from before the first device is bound until all are open, and from before the
 * first is closed until all are given back: another run finds a device free or open, never between.
 */
#include <errno.h>
#include <unistd.h>

#include "bind_state.h"
#include "binding.h"
#include "passthrough.h"
#include "util/log.h"

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
		ret = vfio_bind_locked(vfio->paths, &vfio->wants[i].address, err);
		if (ret < 0)
			return ret;
		vfio->bound[i] = true;
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
		close(vfio->lock);
	vfio->lock = -1;
}

void vfio_auto_lock(struct vfio *vfio)
{
	struct error err = { "" };
	bool bound = false;

	for (unsigned i = 0; i < vfio->want_count; i++)
		bound |= vfio->bound[i];
	if (!bound || vfio->lock >= 0)
		return;
	vfio->lock = vfio_state_lock(vfio->paths, &err);
	if (vfio->lock < 0)
		log_warning("devices stay with vfio-pci: %s; 'lkvm vfio release' gives them back",
			    err.text);
}

static void release_one(const struct vfio *vfio, unsigned n)
{
	const struct vfio_address *address = &vfio->wants[n].address;
	char name[VFIO_ADDRESS_TEXT];
	struct error err = { "" };
	int ret = vfio_release_locked(vfio->paths, address, &err);

	/* A device that was taken for another one of its group is given back with that one. */
	if (!ret || ret == -ENOENT)
		return;
	/* Another run had it before and after this one, as the error of this run says. */
	if (ret == -EBUSY && !vfio->opened && !vfio->took[n])
		return;
	vfio_address_format(address, name);
	log_warning("%s; then 'lkvm vfio release %s' gives it back", err.text, name);
}

void vfio_auto_release(struct vfio *vfio)
{
	for (unsigned i = 0; i < vfio->want_count && vfio->lock >= 0; i++) {
		if (vfio->bound[i])
			release_one(vfio, i);
	}
	vfio_auto_unlock(vfio);
}
