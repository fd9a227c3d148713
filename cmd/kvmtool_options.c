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

static int check_dev(void *target, char *value, struct error *err)
{
	return strcmp(value, "/dev/kvm")
		       ? error_set(err, -EINVAL, "--dev %s: lkvm uses /dev/kvm alone", value)
		       : 0;
}

#define REFUSE(name, text)                                                                         \
	static int refuse_##name(void *target, char *value, struct error *err)                     \
	{                                                                                          \
		return error_set(err, -EINVAL, text);                                              \
	}

REFUSE(graphics, "lkvm has no screen: leave --vnc, --gtk, --sdl and --vidmode out, and use the "
		 "console")
REFUSE(legacy, "--virtio-legacy: lkvm's devices are modern ones: leave it out")
REFUSE(tty, "--tty: lkvm has one serial port, which is the terminal, or 'lkvm console'")
REFUSE(hugetlbfs, "--hugetlbfs: lkvm takes transparent huge pages where the host has them: leave "
		  "it out")
REFUSE(realm, "--realm, --restricted_mem and --protected: lkvm runs no confidential guests")
REFUSE(sandbox, "--sandbox: give a folder with the program in it: -d FOLDER -p init=/PROGRAM")

#define REFUSED(name, value, function)                                                             \
	{                                                                                          \
		0, name, OPTION_CALL, value, "refused", .set = refuse_##function, .optional = true \
	}

const struct option_spec kvmtool_option_specs[] = {
	{ 0, "virtio-transport", OPTION_CALL, "pci|mmio", "--transport", .set = set_transport },
	{ 0, "force-pci", OPTION_FLAG, .help = "does nothing" },
	{ 0, "no-dhcp", OPTION_FLAG, .help = "does nothing" },
	{ 0, "dev", OPTION_CALL, "FILE", "/dev/kvm", .set = check_dev },
	REFUSED("vnc", "", graphics),
	REFUSED("gtk", "", graphics),
	REFUSED("sdl", "", graphics),
	REFUSED("vidmode", "N", graphics),
	REFUSED("virtio-legacy", "", legacy),
	REFUSED("tty", "N", tty),
	REFUSED("hugetlbfs", "FOLDER", hugetlbfs),
	REFUSED("realm", "", realm),
	REFUSED("restricted_mem", "", realm),
	REFUSED("protected", "", realm),
	REFUSED("sandbox", "FILE", sandbox),
	{ 0 },
};
