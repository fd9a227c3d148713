/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "options.h"
#include "util/log.h"
#include "util/parse.h"
#include "vfio.h"
#include "vfio/bind.h"
#include "vfio/host.h"

/* As "lkvm run" has it. */
#define DEFAULT_RAM (256 * MIB)

struct vfio_options {
	struct vfio_address address;
	bool has_address;
	bool json;
	bool help;
	u64 ram_bytes;
};

/* ---- list, check ---- */

static int run_list(const struct vfio_options *options)
{
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

static int run_check(const struct vfio_options *options)
{
	struct vfio_problem problems[VFIO_MAX_PROBLEMS];
	char name[VFIO_ADDRESS_TEXT];
	struct error err = { "" };
	int count = vfio_check(&vfio_host_paths, &options->address, options->ram_bytes, problems,
			       &err);

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

/* Who drives the members of a group now. */
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

static int run_bind(const struct vfio_options *options)
{
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

/* What nobody took is where it belongs, unless another than lkvm gave it to vfio-pci. */
static int run_release(const struct vfio_options *options)
{
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

static int set_json(void *target, char *value, struct error *err)
{
	((struct vfio_options *)target)->json = true;
	return 0;
}

static int set_help(void *target, char *value, struct error *err)
{
	((struct vfio_options *)target)->help = true;
	return 0;
}

static int set_mem(void *target, char *value, struct error *err)
{
	struct vfio_options *options = target;

	if (!parse_size(value, MIB, &options->ram_bytes))
		return 0;
	return error_set(err, -EINVAL, "--mem %s: a size in MiB, or with a suffix: 512M, 4G",
			 value);
}

static int set_address(void *target, char *word, struct error *err)
{
	struct vfio_options *options = target;

	if (options->has_address)
		return error_set(err, -EINVAL, "'%s': one device at a time", word);
	options->has_address = true;
	return vfio_address_parse(&options->address, word, err);
}

static int set_nothing(void *target, char *word, struct error *err)
{
	return error_set(err, -EINVAL,
			 "'%s': list takes no address; 'lkvm vfio check %s' tells "
			 "more of one device",
			 word, word);
}

#define HELP                                                                                       \
	{                                                                                          \
		'h', "help", OPTION_FLAG, NULL, "this text", set_help                              \
	}

static const struct option_spec list_specs[] = {
	{ 0, "json", OPTION_FLAG, NULL, "list: for programs", set_json },
	HELP,
	{ 0 },
};

static const struct option_spec check_specs[] = {
	{ 'm', "mem", OPTION_VALUE, "SIZE", "check: RAM of the guest, in MiB or with K, M, G (256)",
	  set_mem },
	HELP,
	{ 0 },
};

static const struct option_spec plain_specs[] = { HELP, { 0 } };

static const struct verb {
	const char *name, *arguments, *summary;
	const struct option_spec *specs;
	int (*word)(void *target, char *word, struct error *err);
	int (*run)(const struct vfio_options *options);
	bool needs_address;
} verbs[] = {
	{ "list", "[--json]", "PCI devices with driver, group, reserved regions, resets",
	  list_specs, set_nothing, run_list, false },
	{ "check", "ADDRESS [--mem SIZE]", "what would stop a passthrough, and the remedy",
	  check_specs, set_address, run_check, true },
	{ "bind", "ADDRESS", "give it, with its group, to vfio-pci", plain_specs, set_address,
	  run_bind, true },
	{ "release", "ADDRESS", "give back what bind took to its former driver", plain_specs,
	  set_address, run_release, true },
};

static const struct verb *find_verb(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_SIZE(verbs) + 1] = { NULL };
	const char *near;

	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	near = parse_nearest(name, names);
	if (near)
		log_error("lkvm vfio %s: did you mean '%s'?", name, near);
	else
		log_error("lkvm vfio %s: there are list, check, bind and release", name);
	return EXIT_USAGE;
}

int cmd_vfio(int argc, char **argv)
{
	struct vfio_options options = { .ram_bytes = DEFAULT_RAM };
	struct error err = { "" };
	const struct verb *verb;

	if (argc < 2) {
		log_error("usage: lkvm vfio list|check|bind|release [ADDRESS]");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		cmd_vfio_help();
		return EXIT_OK;
	}
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	if (options_parse(verb->specs, argc - 1, argv + 1, &options, verb->word, &err)) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (options.help) {
		cmd_vfio_help();
		return EXIT_OK;
	}
	if (verb->needs_address && !options.has_address) {
		log_error("usage: lkvm vfio %s %s", verb->name, verb->arguments);
		return EXIT_USAGE;
	}
	return verb->run(&options);
}

void cmd_vfio_help(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
		printf("%s lkvm vfio %s %s\n", i ? "      " : "usage:", verbs[i].name,
		       verbs[i].arguments);
	}
	printf("\n");
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
	printf("\n  -m, --mem SIZE                 check: RAM of the guest, in MiB or with K, M, G "
	       "(256)\n");
	options_print(list_specs);
	printf("\nADDRESS is that of a PCI device, [DOMAIN:]BUS:DEV.FN, like 0000:00:04.0. The "
	       "status "
	       "of check is\n0 if nothing stops it, 1 if something does, 2 if there is no such "
	       "device.\n");
}
