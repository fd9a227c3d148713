/* SPDX-License-Identifier: BSD-2-Clause */
/* --watchdog: the model that the architecture's stock kernels drive. */
#include <errno.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

struct watchdog_state {
	bool wanted;
	enum watchdog_action action;
};

static unsigned watchdog_class_slots(const void *arg)
{
	const struct watchdog_state *state = arg;

	return state->wanted && !arch_has_watchdog;
}

static int watchdog_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	const struct watchdog_state *state = arg;

	return state->wanted ? 0
			     : error_set(err, -EINVAL,
					 "--watchdog-action says what --watchdog does: "
					 "give that, too");
}

static int watchdog_class_create(void *arg, struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "i6300esb" };
	const struct watchdog_state *state = arg;
	struct device_place place;
	int ret;

	if (arch_has_watchdog) {
		ret = arch_watchdog_create(host->vm, state->action);
	} else {
		ret = device_place(host, &want, &place, err);
		if (ret)
			return ret;
		ret = i6300esb_create(host->vm, &place, state->action);
	}
	return ret ? error_set(err, ret, "cannot make the watchdog: %s", strerror(-ret)) : 0;
}

static const char *const actions[] = {
	[WATCHDOG_EXIT] = "exit",
	[WATCHDOG_PAUSE] = "pause",
	[WATCHDOG_NONE] = "none",
	NULL,
};

#define FIELD(field) OPTION_FIELD(struct watchdog_state, field)

static const struct option_spec watchdog_options[] = {
	{ 0, "watchdog", OPTION_FLAG, .help = "a watchdog, which ends a guest that hangs",
	  .manual = "A watchdog: a guest that has opened it must tell it again and again that it "
		    "lives. On x86 it is an Intel 6300ESB (Linux: i6300esb), on arm64 Arm's "
		    "generic watchdog (sbsa_gwdt)",
	  FIELD(wanted) },
	{ 0, "watchdog-action", OPTION_CHOICE, .help = "what it does about a guest that hangs",
	  .manual = "What the watchdog does: exit ends the run with status 5, pause leaves the "
		    "guest as it stands ('lkvm debug', 'lkvm resume'), none writes a line of the "
		    "log",
	  .choices = actions, .preset = WATCHDOG_EXIT, FIELD(action) },
	{ 0 },
};

const struct device_class watchdog_class = {
	.name = "watchdog",
	.options = watchdog_options,
	.bus = DEVICE_BUS_PCI,
	.state_size = sizeof(struct watchdog_state),
	.slots = watchdog_class_slots,
	.prepare = watchdog_class_prepare,
	.create = watchdog_class_create,
};
