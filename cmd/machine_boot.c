/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot cache in the life of a machine. */
#include <errno.h>
#include <time.h>

#include "machine.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"

/* A kernel that came as far as to its consoles and buses has done more than these. */
#define LEAST_ACCESSES 16
/* One that has not by then never will. */
#define LONGEST_SILENCE 10

static const char *const states[] = {
	[BOOT_CACHE_OFF] = "not used",
	[BOOT_CACHE_MISSING] = "unpacks this kernel for later runs while the guest runs",
	[BOOT_CACHE_REFUSED] = "knows this kernel as one that it cannot help",
	[BOOT_CACHE_TRIED] = "has this kernel unpacked; this is the first run by it",
	[BOOT_CACHE_GOOD] = "has this kernel unpacked",
};

void machine_find_unpacked(struct machine *machine)
{
	struct boot_cache *cache = &machine->cache;
	u64 size;
	int fd;

	if (machine->options->no_cache || !arch_image_is_packed(machine->image, &fd, &size))
		return;
	boot_cache_find(cache, fd, size);
	if (cache->entry.fd >= 0 && arch_image_use(machine->image, &cache->entry)) {
		boot_entry_close(&cache->entry);
		cache->state = BOOT_CACHE_OFF;
		cache->why = "its entry is of another kind";
	}
	log_debug("boot cache: %s%s%s", states[cache->state], cache->why ? ": " : "",
		  cache->why ? cache->why : "");
}

static int unpack(void *arg, struct boot_image *image)
{
	return arch_image_unpack(arg, image);
}

void machine_keep_unpacked(struct machine *machine)
{
	const struct boot_cache_source source = { unpack, machine->image };

	boot_cache_start_filler(&machine->cache, &source);
}

int machine_plan_kernel(struct machine *machine, struct error *err)
{
	return arch_image_plan(machine->image, machine->ram, machine->config.ram_count,
			       machine->initrd_size, machine->cmdline, err);
}

static int load(struct machine *machine, struct error *err)
{
	return arch_image_load(machine->image, machine->vm->memory, machine->initrd_fd, err);
}

int machine_load_kernel(struct machine *machine, struct error *err)
{
	int ret = load(machine, err);

	if (ret != -EILSEQ || machine->cache.entry.fd < 0)
		return ret;
	/* What is left of it in RAM is no matter to a kernel, as after a reset. */
	log_debug("boot cache: its entry is damaged, and is removed; the kernel's file is used");
	boot_cache_drop(&machine->cache);
	arch_image_use(machine->image, NULL);
	*err = (struct error){ "" };
	ret = machine_plan_kernel(machine, err);
	return ret ? ret : load(machine, err);
}

void machine_begin(struct machine *machine)
{
	clock_gettime(CLOCK_MONOTONIC, &machine->began);
	boot_cache_begin(&machine->cache);
}

static bool ran_long(const struct machine *machine)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - machine->began.tv_sec > LONGEST_SILENCE;
}

/* The vCPUs have ended. */
static u64 accesses(const struct vm *vm)
{
	u64 count = 0;

	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++)
		count += vm->vcpus[i]->exits[VCPU_EXIT_MMIO] + vm->vcpus[i]->exits[VCPU_EXIT_PORT];
	return count;
}

void machine_judge(struct machine *machine, enum vm_stop reason)
{
	if (machine->cache.state != BOOT_CACHE_TRIED)
		return;
	if (accesses(machine->vm) >= LEAST_ACCESSES) {
		boot_cache_judge(&machine->cache, true);
		return;
	}
	/* Somebody who ended it at once says nothing about it. */
	if ((reason == VM_USER || reason == VM_TIMEOUT) && !ran_long(machine))
		return;
	log_warning("the kernel did not start from the boot cache, which forgets it: run it again");
	boot_cache_judge(&machine->cache, false);
}
