/* SPDX-License-Identifier: BSD-2-Clause */
/* What is remembered of a guest that brings about the same thing without end. */
#include "test.h"

#include <string.h>

#include "../../vmm/panic.h"
#include "vmm/events.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

#define TIMES 1000

static struct vm vm;
static const struct vm_config config = { .panic_timeout = 1000 };

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.config = &config;
	pthread_mutex_init(&vm.lock, NULL);
	if (loop_create(&vm.loop, &vm.lock) || panic_create(&vm))
		return -1;
	return vm_events_create(&vm);
}

static int teardown(void **state)
{
	(void)state;
	vm_events_destroy(&vm);
	panic_destroy(&vm);
	loop_destroy(vm.loop);
	pthread_mutex_destroy(&vm.lock);
	return 0;
}

static unsigned count(const char *what)
{
	unsigned found = 0;

	for (u64 n = 0; n < vm_events_count(&vm); n++) {
		const struct vm_event *event = vm_events_get(&vm, n);

		found += event && !strcmp(event->what, what);
	}
	return found;
}

static void crash_for_ever(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		vm_panicked(&vm, true);
}

static void bite_for_ever(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		watchdog_bite(&vm, "a watchdog", WATCHDOG_NONE);
}

static void fault_for_ever(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		vm_event(&vm, "fault", "a disk", "%s", "");
}

TEST_WITH(a_guest_that_repeats_itself_does_not_push_out_what_was_before, setup, teardown)
{
	vm_event(&vm, "started", NULL, "%s", "");
	crash_for_ever();
	bite_for_ever();
	fault_for_ever();
	assert_int_equal(count("started"), 1);
	assert_in_range(count("panic"), VM_EVENTS_A_SECOND, VM_EVENTS_KEPT / 4);
	assert_in_range(count("watchdog"), VM_EVENTS_A_SECOND, VM_EVENTS_KEPT / 4);
	assert_in_range(count("fault"), VM_EVENTS_A_SECOND, VM_EVENTS_KEPT / 4);
}

TEST_WITH(one_kind_of_event_does_not_hide_another, setup, teardown)
{
	fault_for_ever();
	vm_panicked(&vm, false);
	watchdog_bite(&vm, "a watchdog", WATCHDOG_NONE);
	assert_int_equal(count("panic"), 1);
	assert_int_equal(count("watchdog"), 1);
}
