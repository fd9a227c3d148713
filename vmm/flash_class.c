/* SPDX-License-Identifier: BSD-2-Clause */
/* --flash: there where it is asked for, and where there is firmware. */
#include <errno.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/flash.h"
#include "vmm/vm.h"

struct flash_state {
	const char *path;
	bool is_open;
	struct flash_file file;
};

static unsigned flash_class_fds(const void *arg)
{
	return ((const struct flash_state *)arg)->path ? 2 : 0;
}

static int flash_class_prepare(void *arg, struct device_plan *plan, struct error *err)
{
	struct flash_state *state = arg;
	struct device_resource place;

	if (!state->path)
		return 0;
	if (!arch_flash_resource(plan->arch, &place))
		return error_set(
			err, -EINVAL,
			"--flash: %s guests have none, as it is for firmware, which is not "
			"started there: leave it out",
			arch_name);
	state->is_open = true;
	return flash_file_open(&state->file, state->path, place.size, err);
}

static int flash_class_create(void *arg, struct device_host *host, struct error *err)
{
	const struct arch_options *options = &host->vm->config->arch;
	struct flash_state *state = arg;
	struct device_resource place;

	if (!state->path && !options->firmware)
		return 0;
	if (!state->path)
		state->file = (struct flash_file){ .fd = -1, .size = FLASH_SIZE };
	if (!arch_flash_resource(options, &place))
		return error_set(err, -ENODEV, "there is no place for flash");
	return flash_create(host->vm, place.base, &state->file, err);
}

static void flash_class_release(void *arg)
{
	struct flash_state *state = arg;

	if (state->is_open && state->file.fd >= 0)
		close(state->file.fd);
	state->is_open = false;
}

static const struct option_spec flash_options[] = {
	{ 'F', "flash", OPTION_FILE, "FILE", "where firmware keeps its variables (arm64)",
	  "Flash (CFI, Intel's commands) that is in FILE, which the guest writes: a copy of your "
	  "own, "
	  "for EDK2 of AAVMF_VARS.fd. It has a power of two of bytes, from 256 KiB to 64 MiB, and "
	  "to 16 MiB without --firmware. Without FILE the variables of firmware are forgotten at "
	  "the "
	  "end",
	  OPTION_FIELD(struct flash_state, path) },
	{ 0 },
};

const struct device_class flash_class = {
	.name = "flash",
	.options = flash_options,
	.count = DEVICE_ALWAYS,
	.state_size = sizeof(struct flash_state),
	.fds = flash_class_fds,
	.prepare = flash_class_prepare,
	.create = flash_class_create,
	.release = flash_class_release,
};
