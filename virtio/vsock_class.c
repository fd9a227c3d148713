/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock on the command line. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/listener.h"
#include "util/reach.h"
#include "virtio/place.h"
#include "virtio/vsock.h"
#include "vmm/control.h"
#include "vmm/vm.h"

#define VSOCK_SUFFIX ".vsock"

/* Eventfds of queues and vectors; listeners, a timer, the worker and its process. */
#define FDS_DEVICE 24
/* Connections may take this part of the files that the user may have open. */
#define FDS_SHARE 4

struct vsock_state {
	u32 cid; /* 0: none is wanted */
	bool vhost;
	const char *path;
	bool old_rings;
	char room[PATH_MAX];		  /* of the default path */
	struct listener stream, messages; /* fds: until the device owns them */
	int vhost_fd;			  /* the same */
	const struct device_plan *plan;	  /* its channels are for the device */
	struct virtio_device *device;	  /* ours, the VM's; NULL: not made yet */
};

static unsigned most_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1;
	return MAX(MIN(limit.rlim_cur / FDS_SHARE, VSOCK_MAX_CONNECTIONS), 1u);
}

static unsigned vsock_class_slots(const void *arg)
{
	return ((const struct vsock_state *)arg)->cid != 0;
}

static unsigned vsock_class_fds(const void *arg)
{
	const struct vsock_state *state = arg;

	return !state->cid ? 1 : FDS_DEVICE + (state->vhost ? 0 : most_connections());
}

static int vsock_class_set(void *arg, char *value, struct error *err)
{
	const struct vsock_state *state = arg;

	if (state->vhost && state->path)
		return error_set(err, -EINVAL,
				 "--vsock vhost=1: the host's kernel has no sockets of files: "
				 "leave path= out");
	if (!state->cid || state->cid >= VSOCK_MIN_CID)
		return 0;
	return error_set(err, -EINVAL, "--vsock %u: that is not a guest's: %u to %u, or 0 for none",
			 state->cid, VSOCK_MIN_CID, VSOCK_MAX_CID);
}

static int choose_path(struct vsock_state *state, const char *name, struct error *err)
{
	struct error why = { "" };
	char folder[PATH_MAX];

	if (state->path)
		return 0;
	if (control_make_folder(folder, &why))
		return error_set(err, -ENOENT,
				 "--vsock %u: no place for its socket: %s: say path=", state->cid,
				 why.text);
	if (snprintf(state->room, sizeof(state->room), "%s/%s" VSOCK_SUFFIX, folder, name) >=
	    (int)sizeof(state->room))
		return error_set(err, -ENAMETOOLONG, "--vsock %u: say path=", state->cid);
	state->path = state->room;
	return 0;
}

static int check_path(const struct vsock_state *state, struct error *err)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 - VSOCK_MAX_AFTER;

	if (strlen(state->path) <= most)
		return 0;
	return error_set(err, -ENAMETOOLONG,
			 "--vsock %u: path=%s: longer than the %zu characters that the name of a "
			 "socket leaves beside a port",
			 state->cid, state->path, most);
}

static bool vsock_class_gives_back(const void *arg)
{
	const struct vsock_state *state = arg;

	return state->cid && !state->vhost;
}

/* ---- vhost=1 ---- */

static int open_vhost(struct vsock_state *state, struct error *err)
{
	int fd = virtio_vsock_open_kernel(state->cid);

	state->vhost_fd = MAX(fd, -1);
	if (fd == -EADDRINUSE)
		return error_set(err, fd, "--vsock %u: another guest of this host has it",
				 state->cid);
	if (fd < 0)
		return error_set(err, fd,
				 "--vsock vhost=1: /dev/vhost-vsock: %s: modprobe vhost_vsock, and "
				 "be allowed to use it; or leave vhost=1 out",
				 strerror(-fd));
	return 0;
}

static int vsock_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct vsock_state *state = arg;

	state->vhost_fd = -1;
	state->plan = plan;
	if (plan->channels && !plan->channels_taken && (!state->cid || state->vhost))
		return error_set(err, -EINVAL,
				 "--vsock: a command's streams go by lkvm's own vsock: leave it "
				 "out, or vhost=1");
	if (state->cid && !state->vhost && !plan->channels_alone)
		reach_need_user("--vsock, which connects to sockets of the host's,");
	if (!state->cid || !state->vhost)
		return 0;
	if (plan->translated)
		return error_set(err, -EINVAL,
				 "--vsock vhost=1 with --viommu: the host's kernel does not ask "
				 "the guest's IOMMU: leave one of them out");
	return open_vhost(state, err);
}

static int make_kernel_device(struct vsock_state *state, struct device_host *host,
			      const struct device_place *place, struct error *err)
{
	struct virtio_device *device;
	int fd = state->vhost_fd, ret;

	state->vhost_fd = -1;
	ret = virtio_vsock_create_kernel(&device, state->cid, fd, host->vm->loop, place->space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-vsock: %s", strerror(-ret));
	return virtio_device_put(device, place, err);
}

/* The files are made. */
static int vsock_class_claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct vsock_state *state = arg;
	char messages[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int ret;

	state->stream.fd = state->messages.fd = -1;
	if (!state->cid || state->vhost || plan->channels_alone)
		return 0;
	ret = choose_path(state, plan->name, err);
	if (!ret)
		ret = check_path(state, err);
	if (ret)
		return ret;
	snprintf(messages, sizeof(messages), "%s" VSOCK_MESSAGES, state->path);
	ret = listener_open(&state->stream, plan->keeper, "--vsock", state->path, SOCK_STREAM, err);
	if (!ret)
		ret = listener_open(&state->messages, plan->keeper, "--vsock", messages,
				    SOCK_SEQPACKET, err);
	return ret;
}

static int make_device(struct vsock_state *state, struct device_host *host,
		       const struct device_place *place, struct error *err)
{
	const struct virtio_vsock_options options = {
		.cid = state->cid,
		.connections = most_connections(),
		.path = state->path,
		.stream_fd = state->stream.fd,
		.seqpacket_fd = state->messages.fd,
		.given = state->plan->channels_taken ? NULL : state->plan->channels,
		.given_count = state->plan->channel_count,
		.given_port = state->plan->channel_port,
	};
	struct virtio_device *device;
	int ret;

	state->stream.fd = state->messages.fd = -1;
	ret = virtio_vsock_create(&device, &options, host->vm->loop, place->space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-vsock: %s", strerror(-ret));
	ret = virtio_device_put(device, place, err);
	if (!ret)
		state->device = device;
	return ret;
}

static int vsock_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct vsock_state *state = arg;
	const struct device_want want = { .name = "virtio-vsock", .old_rings = state->old_rings };
	struct device_place place;
	int ret;

	if (!state->cid)
		return 0;
	ret = device_place(host, &want, &place, err);
	if (ret)
		return ret;
	return state->vhost ? make_kernel_device(state, host, &place, err)
			    : make_device(state, host, &place, err);
}

static void vsock_class_report(const void *arg, struct counters *counters)
{
	const struct vsock_state *state = arg;

	if (state->device)
		virtio_vsock_count(state->device, counters);
}

static void give_back(struct listener *socket)
{
	if (socket->bound && socket->fd >= 0)
		close(socket->fd);
	listener_remove(socket);
}

static void vsock_class_release(void *arg)
{
	struct vsock_state *state = arg;

	if (state->vhost && state->vhost_fd > 0)
		close(state->vhost_fd);
	give_back(&state->stream);
	give_back(&state->messages);
}

static const char *const no_yes[] = { "0", "1", NULL };

static const struct option_spec vsock_items[] = {
	{ 0, "cid", OPTION_NUMBER, "CID", "the guest's address", .first = true,
	  OPTION_FIELD(struct vsock_state, cid), .max = VSOCK_MAX_CID },
	{ 0, "path", OPTION_FILE, "PATH", "where programs of the host's connect to",
	  .manual = "The socket that programs of the host's connect to: NAME.vsock in the folder "
		    "of the control sockets",
	  OPTION_FIELD(struct vsock_state, path) },
	{ 0, "vhost", OPTION_CHOICE, .help = "the host's kernel serves it, by AF_VSOCK sockets",
	  .manual = "The host's kernel serves it (/dev/vhost-vsock), as kvmtool has it: programs "
		    "of the host's use AF_VSOCK sockets and CID. Not with --viommu, as the kernel "
		    "does not ask the guest's IOMMU",
	  .choices = no_yes, OPTION_FIELD(struct vsock_state, vhost) },
	VIRTIO_PACKED_ITEM(struct vsock_state, old_rings),
	{ 0 },
};

static const struct option_spec vsock_options[] = {
	{ 0, "vsock", OPTION_LIST, "CID[,...]",
	  "virtio-vsock: sockets to the host, where they are Unix sockets",
	  .manual =
		  "A virtio-vsock device; the guest's address is CID, 3 to 4294967294, or 0 for no "
		  "device. A program of the host's connects to PATH, writes the line \"CONNECT "
		  "PORT\" and reads \"OK\" and a number; from then on it speaks with what listens "
		  "at that port in the guest. What the guest connects to port P of CID 2 arrives "
		  "at PATH_P, if somebody listens there. For SOCK_SEQPACKET, whose messages are "
		  "kept whole up to 64 KiB, there is PATH.seqpacket, and PATH_P is of that kind.",
	  .items = vsock_items, .set = vsock_class_set },
	{ 0 },
};

const struct device_class virtio_vsock_class = {
	.name = "virtio-vsock",
	.options = vsock_options,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct vsock_state),
	.slots = vsock_class_slots,
	.fds = vsock_class_fds,
	.gives_back = vsock_class_gives_back,
	.prepare = vsock_class_prepare,
	.claim = vsock_class_claim,
	.create = vsock_class_create,
	.report = vsock_class_report,
	.release = vsock_class_release,
};
