/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of kvmtool's that are another word for one of ours, do nothing there either, or are
 * refused for good: docs/kvmtool.md lists them. They are no part of the help.
 */
#include <errno.h>
#include <string.h>

#include "run_options.h"

static int set_transport(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	if (strstr(value, "-legacy"))
		return error_set(err, -EINVAL,
				 "--virtio-transport %s: lkvm's devices are modern ones; give pci "
				 "or mmio",
				 value);
	if (!strcmp(value, "pci"))
		options->transport = TRANSPORT_PCI;
	else if (!strcmp(value, "mmio"))
		options->transport = TRANSPORT_MMIO;
	else
		return error_set(err, -EINVAL, "--virtio-transport %s: there are pci and mmio",
				 value);
	return 0;
}

#define FIELD(field) OPTION_FIELD(struct run_options, field)

#define REFUSED(name, why)                                                                         \
	{                                                                                          \
		0, name, OPTION_REFUSED, .help = why                                               \
	}

#define NO_SCREEN "lkvm has no screen: leave it out, and use the console"
#define NO_REALMS "lkvm runs no confidential guests: leave it out"
#define NO_STEPS                                                                                   \
	"lkvm does not report it: 'lkvm stat' counts exits, 'lkvm debug' shows registers; leave "  \
	"it out"

const struct option_spec kvmtool_option_specs[] = {
	{ 0, "virtio-transport", OPTION_CALL, "pci|mmio", "--transport", .set = set_transport },
	{ 0, "dev", OPTION_FILE, "FILE", "KVM's device", FIELD(kvm) },
	/* They do nothing, there or here. */
	{ 0, "force-pci", OPTION_FLAG, .help = "does nothing" },
	{ 0, "no-dhcp", OPTION_FLAG, .help = "does nothing" },
	{ 0, "debug-iodelay", OPTION_NUMBER, "MS", "does nothing", .max = UINT32_MAX },
	REFUSED("debug-single-step", NO_STEPS),
	REFUSED("debug-ioport", NO_STEPS),
	REFUSED("debug-mmio", NO_STEPS),
	REFUSED("vnc", NO_SCREEN),
	REFUSED("gtk", NO_SCREEN),
	REFUSED("sdl", NO_SCREEN),
	REFUSED("vidmode", NO_SCREEN),
	REFUSED("virtio-legacy", "lkvm's devices are modern ones: leave it out"),
	REFUSED("realm", NO_REALMS),
	REFUSED("realm-pv", NO_REALMS),
	REFUSED("restricted_mem", NO_REALMS),
	REFUSED("measurement-algo", NO_REALMS),
	REFUSED("shmem", NO_REALMS),
	REFUSED("protected", NO_REALMS),
	REFUSED("psci", "KVM serves PSCI, as in every run: leave it out"),
	REFUSED("aarch32", "lkvm runs 64-bit guests: leave it out, and give a 64-bit kernel"),
	REFUSED("sandbox", "give a folder with the program in it: -d FOLDER -p init=/PROGRAM"),
	{ 0 },
};
