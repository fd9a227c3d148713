/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "features.h"
#include "map.h"
#include "stolen_time.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static_assert(ARCH_MAX_CPUS * MAP_STOLEN_CPU <= MAP_STOLEN_SIZE, "each has its own");

int stolen_time_create(struct stolen_time *stolen, struct vm *vm)
{
	void *pages;
	int ret;

	if (!features_has_stolen_time(vm->vcpus[0]->fd))
		return 0;
	/* Private: a guest whose memory has tags (MTE) can have no shared memory. */
	pages = mmap(NULL, MAP_STOLEN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (pages == MAP_FAILED)
		return -errno;
	stolen->pages = pages;
	ret = page_slot_map(vm, &stolen->slot, MAP_STOLEN, pages, MAP_STOLEN_SIZE);
	for (unsigned i = 0; !ret && i < vm->config->cpus; i++)
		ret = features_set_stolen_time(vm->vcpus[i]->fd, MAP_STOLEN + i * MAP_STOLEN_CPU);
	return ret;
}

void stolen_time_destroy(struct stolen_time *stolen, struct vm *vm)
{
	if (!stolen->pages)
		return;
	page_slot_unmap(vm, &stolen->slot);
	munmap(stolen->pages, MAP_STOLEN_SIZE);
	stolen->pages = NULL;
}
