/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-balloon on the command line and on the control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "util/log.h"
#include "virtio/balloon.h"
#include "virtio/place.h"
#include "vmm/control.h"
#include "vmm/counters.h"
#include "vmm/vm.h"

struct balloon_state {
	bool reporting, deflate_on_oom, old_rings;
	struct virtio_device *device; /* the VM's; NULL: not made yet */
};

/* ---- the machine ---- */

static int make_device(struct balloon_state *state, struct device_host *host,
		       const struct device_place *place, struct error *err)
{
	const struct virtio_balloon_options options = {
		.reporting = state->reporting,
		.deflate_on_oom = state->deflate_on_oom,
		.pinned = host->plan->pinned,
	};
	struct virtio_device *device;
	int ret = virtio_balloon_create(&device, &options, host->vm->loop, host->vm->memory,
					place->space);

	if (ret)
		return error_set(err, ret, "cannot make virtio-balloon: %s", strerror(-ret));
	ret = virtio_device_put(device, place, err);
	if (!ret)
		state->device = device;
	return ret;
}

static int balloon_class_create(void *arg, struct device_host *host, struct error *err)
{
	const struct balloon_state *state = arg;
	const struct device_want want = { .name = "virtio-balloon",
					  .physical = true,
					  .old_rings = state->old_rings };
	struct device_place place;
	int ret = device_place(host, &want, &place, err);

	if (ret)
		return ret;
	if (host->plan->pinned)
		log_warning(
			"--balloon: a passed device or --hugetlbfs holds the guest's memory: it "
			"gives nothing back to the host");
	return make_device(arg, host, &place, err);
}

static void balloon_class_report(const void *arg, struct counters *counters)
{
	const struct balloon_state *state = arg;
	struct balloon_stats stats;

	if (!state->device)
		return;
	balloon_get_stats(state->device, &stats);
	counters_begin(counters, "virtio-balloon");
	counters_number(counters, "target", stats.target);
	counters_number(counters, "actual", stats.actual);
	counters_number(counters, "given_back", stats.given_back);
}

/* ---- the control socket ---- */

/* By VIRTIO_BALLOON_S_*. */
static const char *const names[BALLOON_STATS] = {
	"swap_in",     "swap_out",     "major_faults",	 "minor_faults",    "free",	 "total",
	"available",   "caches",       "huge_pages",	 "huge_failures",   "oom_kills", "stalls",
	"async_scans", "direct_scans", "async_reclaims", "direct_reclaims",
};

static json_t *guest_values(const struct balloon_stats *stats)
{
	json_t *values = json_object();

	for (unsigned i = 0; i < BALLOON_STATS; i++) {
		if (stats->known >> i & 1)
			json_object_set_new(values, names[i], json_integer(stats->values[i]));
	}
	return values;
}

static json_t *describe(const struct virtio_device *device, bool fresh)
{
	struct balloon_stats stats;

	balloon_get_stats(device, &stats);
	return json_pack("{sI sI sI sb sb so}", "target", (json_int_t)stats.target, "actual",
			 (json_int_t)stats.actual, "given_back", (json_int_t)stats.given_back,
			 "driver", stats.has_driver, "fresh", fresh, "guest", guest_values(&stats));
}

/* Somebody who waits for the guest's numbers. */
struct waiter {
	struct balloon_watch watch;
	struct virtio_device *device;
	struct control_client *client;
	bool fresh;
};

static void on_told(struct balloon_watch *watch, bool fresh)
{
	struct waiter *waiter = container_of(watch, struct waiter, watch);

	waiter->fresh = fresh;
	control_wake(waiter->client);
}

static enum control_more waiter_more(void *state, struct control_client *client)
{
	const struct waiter *waiter = state;

	control_send(client, describe(waiter->device, waiter->fresh));
	return CONTROL_END;
}

static void waiter_end(void *state)
{
	struct waiter *waiter = state;

	balloon_forget(&waiter->watch);
	free(waiter);
}

static const struct control_stream waiter_stream = {
	.more = waiter_more,
	.end = waiter_end,
	.waits = true,
};

static int say_stats(struct virtio_device *device, struct control_client *client, struct error *err)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int ret;

	if (!waiter)
		return -ENOMEM;
	list_init(&waiter->watch.node);
	waiter->watch.told = on_told;
	waiter->device = device;
	waiter->client = client;
	ret = control_stream(client, &waiter_stream, waiter, err);
	if (ret)
		free(waiter);
	else
		balloon_ask(device, &waiter->watch);
	return ret;
}

/* "target" is absolute, "add" is on top of what it is, and not below 0: bytes. */
static int change_target(struct virtio_device *device, json_t *request, struct error *err)
{
	json_t *target = json_object_get(request, "target"), *add = json_object_get(request, "add");
	s64 more = json_integer_value(add), bytes;
	struct balloon_stats stats;

	balloon_get_stats(device, &stats);
	bytes = target ? json_integer_value(target) : (s64)stats.target;
	if ((target && !json_is_integer(target)) || (add && !json_is_integer(add)) ||
	    (!add && bytes < 0))
		return error_set(err, -EINVAL, "target and add: numbers of bytes");
	if (__builtin_add_overflow(bytes, more, &bytes))
		bytes = more > 0 ? INT64_MAX : 0;
	if (balloon_set_target(device, MAX(bytes, 0)))
		return error_set(err, -ERANGE, "that is more memory than the guest has");
	return 0;
}

static int command_balloon(void *arg, struct control_client *client, json_t *request,
			   struct error *err)
{
	struct virtio_device *device = arg;
	int ret;

	if (!device)
		return error_set(err, -ENODEV, "this VM has no balloon: run it with --balloon");
	if (!json_object_get(request, "target") && !json_object_get(request, "add"))
		return say_stats(device, client, err);
	ret = change_target(device, request, err);
	if (!ret)
		control_send(client, describe(device, false));
	return ret;
}

static const struct control_command balloon_commands[] = {
	{ "balloon", command_balloon },
	{ 0 },
};

static void *balloon_class_command_arg(void *arg)
{
	return ((struct balloon_state *)arg)->device;
}

/* ---- the command line ---- */

static const struct option_spec balloon_items[] = {
	{ 0, "reporting", OPTION_CHOICE, .help = "the guest reports memory that it does not use",
	  .manual = "The guest reports memory that it does not use, without being asked, and the "
		    "host has it until the guest touches it again",
	  .choices = option_off_on, .preset = true, OPTION_FIELD(struct balloon_state, reporting) },
	{ 0, "deflate-on-oom", OPTION_CHOICE,
	  .help = "the guest takes memory back when it has none left", .choices = option_off_on,
	  .preset = true, OPTION_FIELD(struct balloon_state, deflate_on_oom) },
	VIRTIO_PACKED_ITEM(struct balloon_state, old_rings),
	{ 0 },
};

static const struct option_spec balloon_options[] = {
	{ 0, "balloon", OPTION_LIST, "KEY=VALUE,...",
	  .help = "virtio-balloon: the guest gives memory back to the host",
	  .manual = "A virtio-balloon device. The guest gives back to the host what memory it does "
		    "not use, and what 'lkvm balloon' asks it to do without. It has no effect "
		    "with --vfio-pci, as a passed device holds all memory.",
	  .items = balloon_items, .optional = true },
	{ 0 },
};

const struct device_class virtio_balloon_class = {
	.name = "virtio-balloon",
	.module = "virtio_balloon",
	.options = balloon_options,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct balloon_state),
	.create = balloon_class_create,
	.commands = balloon_commands,
	.command_arg = balloon_class_command_arg,
	.report = balloon_class_report,
};
