/* SPDX-License-Identifier: BSD-2-Clause */
#include "util/clock.h"
#include "vmm/unasked.h"
#include "vmm/vm.h"

/* A processor of the guest's may have to wait long for its turn on the host. */
#define LONGEST_NS (50 * DMA_UNASKED_NS)
/* But this one's own timer, where it is that which is to ask, is due long before. */
#define LONGEST_AWAIT_NS (5 * DMA_UNASKED_NS)
/* Between two looks of unasked_await(). */
#define LOOK_NS 1000000

/* The handler that vm_wait() waits for. */
static void look_again(struct loop_timer *timer)
{
	(void)timer;
}

int unasked_create(struct unasked *unasked, struct vm *vm, struct dma_space *space)
{
	*unasked = (struct unasked){ .vm = vm, .space = space };
	return space->has_unasked ? loop_timer_create(&unasked->timer, vm->loop, look_again) : 0;
}

void unasked_destroy(struct unasked *unasked)
{
	loop_timer_destroy(&unasked->timer);
}

void unasked_begin(struct unasked *unasked)
{
	if (unasked->space->has_unasked)
		unasked->until = now_ns() + LONGEST_NS;
}

void unasked_end(struct unasked *unasked)
{
	unasked->until = 0;
}

bool unasked_is_over(struct unasked *unasked)
{
	if (unasked->until && unasked->space->has_unasked(unasked->space) &&
	    now_ns() < unasked->until)
		return false;
	unasked->until = 0;
	return true;
}

void unasked_await(struct unasked *unasked)
{
	u64 longest;

	if (unasked_is_over(unasked))
		return;
	longest = unasked->vm->config->cpus == 1 ? DMA_UNASKED_NS : LONGEST_AWAIT_NS;
	unasked->until = MIN(unasked->until, now_ns() + longest);
	while (!unasked_is_over(unasked)) {
		loop_timer_arm(&unasked->timer, LOOK_NS);
		if (!vm_wait(unasked->vm))
			return;
	}
}
