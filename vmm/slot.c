/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "util/range.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

static struct page_slot *slot_of(const struct list_node *node)
{
	return list_entry(node, struct page_slot, node);
}

static bool slot_number_is_taken(const struct vm *vm, u32 number)
{
	const struct list_node *node;

	list_for_each(node, &vm->page_slots) {
		if (slot_of(node)->number == number)
			return true;
	}
	return false;
}

/* RAM has the first ones. A machine has few others, so a walk is fast enough. */
static u32 slot_number(const struct vm *vm)
{
	u32 number = memory_count(vm->memory);

	while (slot_number_is_taken(vm, number))
		number++;
	return number;
}

static int slot_set(const struct vm *vm, const struct page_slot *slot, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot->number,
		.flags = slot->read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = slot->gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)slot->host,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

static int slot_add(struct vm *vm, struct page_slot *slot, const struct page_slot *wanted)
{
	struct range range;
	int ret;

	if (!range_make(wanted->gpa, wanted->size, &range))
		return -EINVAL;
	*slot = *wanted;
	slot->number = slot_number(vm);
	/* KVM's answer to what overlaps is -EEXIST, to a number past its last -EINVAL. */
	ret = slot_set(vm, slot, slot->size);
	if (ret) {
		slot->size = 0;
		return ret;
	}
	list_add_tail(&vm->page_slots, &slot->node);
	return 0;
}

int page_slot_map(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	const struct page_slot wanted = { .gpa = gpa, .size = size, .host = host };

	return slot_add(vm, slot, &wanted);
}

int page_slot_map_read_only(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	const struct page_slot wanted = {
		.gpa = gpa, .size = size, .host = host, .read_only = true
	};

	return slot_add(vm, slot, &wanted);
}

void page_slot_unmap(struct vm *vm, struct page_slot *slot)
{
	if (!slot->size)
		return;
	slot_set(vm, slot, 0);
	list_del(&slot->node);
	slot->size = 0;
}
