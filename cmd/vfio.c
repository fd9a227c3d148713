/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "run_options.h"
#include "util/log.h"
#include "verbs.h"
#include "vfio.h"
#include "vfio/bind.h"
#include "vfio/host.h"

struct vfio_options {
	struct vfio_address address;
	bool json;
	u64 ram_bytes;
};

/* ---- list, check ---- */

static int run_list(const void *arg)
{
	const struct vfio_options *options = arg;
	struct vfio_host_device *devices;
	struct error err = { "" };
	bool done = true;
	unsigned count;

	if (vfio_host_list(&vfio_host_paths, &devices, &count, &err)) {
		log_error("%s", err.text);
		return EXIT_HOST;
	}
	if (options->json)
		done = vfio_print_json(devices, count);
	else
		vfio_print_table(devices, count);
	free(devices);
	if (!done)
		log_error("out of memory");
	return done ? EXIT_OK : EXIT_HOST;
}

static int run_check(const void *arg)
{
	const struct vfio_options *options = arg;
	struct vfio_problem problems[VFIO_MAX_PROBLEMS];
	char name[VFIO_ADDRESS_TEXT];
	struct error err = { "" };
	int count;

	if (!options->ram_bytes) {
		log_error("--mem 0: a guest has RAM: give what 'lkvm run' is to have");
		return EXIT_USAGE;
	}
	count = vfio_check(&vfio_host_paths, &options->address, options->ram_bytes, problems, &err);
	if (count < 0) {
		log_error("%s", err.text);
		return count == -ENOENT ? EXIT_USAGE : EXIT_HOST;
	}
	vfio_address_format(&options->address, name);
	vfio_print_problems(name, problems, count);
	for (int i = 0; i < count; i++) {
		if (problems[i].fatal)
			return EXIT_HOST;
	}
	return EXIT_OK;
}

/* ---- bind, release ---- */

struct drivers {
	struct vfio_host_device device;
	char of[VFIO_MAX_MEMBERS][64];
};

/* The drivers that the members of a group have now. */
static void read_drivers(struct drivers *drivers, const struct vfio_address *address)
{
	struct vfio_host_device member;

	if (vfio_host_read(&vfio_host_paths, address, &drivers->device, NULL))
		drivers->device.member_count = 0;
	for (unsigned i = 0; i < drivers->device.member_count; i++) {
		if (vfio_host_read(&vfio_host_paths, &drivers->device.members[i], &member, NULL))
			member.driver[0] = '\0';
		snprintf(drivers->of[i], sizeof(drivers->of[i]), "%s",
			 member.driver[0] ? member.driver : "none");
	}
}

static const char *driver_in(const struct drivers *drivers, const char *name)
{
	char other[VFIO_ADDRESS_TEXT];

	for (unsigned i = 0; i < drivers->device.member_count; i++) {
		vfio_address_format(&drivers->device.members[i], other);
		if (!strcmp(other, name))
			return drivers->of[i];
	}
	return NULL;
}

/* One line for each that has changed its driver; a group may get members meanwhile. */
static void print_changes(const struct drivers *before, const struct drivers *after)
{
	char name[VFIO_ADDRESS_TEXT];
	const char *was;

	for (unsigned i = 0; i < after->device.member_count; i++) {
		vfio_address_format(&after->device.members[i], name);
		was = driver_in(before, name);
		if (was && strcmp(was, after->of[i]))
			printf("%s: %s, was %s\n", name, after->of[i], was);
	}
}

/* EIO and its like are the host's; all else was refused before anything was touched. */
static int exit_status(int code)
{
	return code == -EIO || code == -ENOMEM || code == -ENOSPC ? EXIT_HOST : EXIT_USAGE;
}

static int run_bind(const void *arg)
{
	const struct vfio_options *options = arg;
	struct drivers before, after;
	struct error err = { "" };
	int ret;

	read_drivers(&before, &options->address);
	ret = vfio_bind(&vfio_host_paths, &options->address, &err);
	read_drivers(&after, &options->address);
	print_changes(&before, &after);
	if (!ret)
		return EXIT_OK;
	log_error("%s", err.text);
	return exit_status(ret);
}

/*
 * A device that lkvm did not take needs no release: that is said, with status 0. One that
 * somebody else gave to vfio-pci is refused.
 */
static int run_release(const void *arg)
{
	const struct vfio_options *options = arg;
	struct drivers before, after;
	struct error err = { "" };
	int ret;

	read_drivers(&before, &options->address);
	ret = vfio_release(&vfio_host_paths, &options->address, &err);
	read_drivers(&after, &options->address);
	print_changes(&before, &after);
	if (!ret)
		return EXIT_OK;
	if (ret == -ENOENT && after.device.member_count &&
	    !vfio_host_is_vfio_driver(after.device.driver)) {
		printf("%s\n", err.text);
		return EXIT_OK;
	}
	log_error("%s", err.text);
	return exit_status(ret);
}

/* ---- the command line ---- */

static int set_address(void *target, unsigned n, char *word, struct error *err)
{
	if (n)
		return error_set(err, -EINVAL, "'%s': one device at a time", word);
	return vfio_address_parse(&((struct vfio_options *)target)->address, word, err);
}

static int set_nothing(void *target, unsigned n, char *word, struct error *err)
{
	return error_set(err, -EINVAL,
			 "'%s': list takes no address; 'lkvm vfio check %s' tells "
			 "more of one device",
			 word, word);
}

static const struct option_spec list_specs[] = {
	{ 0, "json", OPTION_FLAG, .help = "for programs", OPTION_FIELD(struct vfio_options, json) },
	{ 0 },
};

static const struct option_spec check_specs[] = {
	{ 'm', "mem", OPTION_SIZE, "SIZE", "RAM of the guest, in MiB or with K, M, G, T",
	  OPTION_FIELD(struct vfio_options, ram_bytes), .unit = MIB, .preset = RUN_DEFAULT_RAM },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "list", "[--json]", "PCI devices with driver, group, reserved regions, resets",
	  list_specs, set_nothing, 0, run_list },
	{ "check", "ADDRESS [--mem SIZE]", "what would stop a passthrough, and the remedy",
	  check_specs, set_address, 1, run_check },
	{ "bind", "ADDRESS", "give it, with its group, to vfio-pci", NULL, set_address, 1,
	  run_bind },
	{ "release", "ADDRESS", "undo bind: give the devices to their former drivers", NULL,
	  set_address, 1, run_release },
	{ 0 },
};

const struct verb_family vfio_family = {
	.command = "vfio",
	.verbs = verbs,
	.options_size = sizeof(struct vfio_options),
	.notes = "In the list '-' is for none. A device without a group is not behind an IOMMU and "
		 "cannot "
		 "be\npassed; check says of any device why not.\n\n"
		 "ADDRESS is that of a PCI device, [DOMAIN:]BUS:DEV.FN, like 0000:00:04.0. The "
		 "status of check\nis 0 if nothing stops it, 1 if something does, 2 if there is no "
		 "such device.",
};
