/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that panicked: how long it may go on. The timer is read, not waited for. */
#include "test.h"
#include "ports.h"

#include <string.h>
#include <unistd.h>

#include "../../vmm/panic.h"
#include "../../vmm/pause.h"
#include "vmm/pvpanic.h"
#include "vmm/vm.h"
#include "vmm/watchdog.h"

#define LOOKS	 8 /* in each timeout */
#define TIMEOUT	 1000000
#define PANICKED 1
#define CRASH	 2

static struct vm vm;
static const struct vm_config config = { .panic_timeout = TIMEOUT };

static int setup(void **state)
{
	static const struct device_resource slot = { .port = true,
						     .base = PORT_PVPANIC,
						     .size = 1 };

	memset(&vm, 0, sizeof(vm));
	vm.config = &config;
	list_init(&vm.devices);
	pthread_mutex_init(&vm.lock, NULL);
	if (loop_create(&vm.loop, &vm.lock) || bus_create(&vm.ports) || panic_create(&vm))
		return -1;
	return pvpanic_create(&vm, &slot);
}

static int teardown(void **state)
{
	struct device *device = list_entry(vm.devices.next, struct device, node);

	device->ops->destroy(device);
	panic_destroy(&vm);
	bus_destroy(vm.ports);
	loop_destroy(vm.loop);
	pthread_mutex_destroy(&vm.lock);
	return 0;
}

static void guest_says(u8 events)
{
	assert_true(bus_write(vm.ports, PORT_PVPANIC, &events, 1));
}

/* The seconds until somebody looks; 0: nobody will. */
static u64 seconds(void)
{
	return loop_timer_left(&vm.panic_timer) / 1000000000;
}

/* The timer expires @times times, now. */
static void look(unsigned times)
{
	while (times--) {
		assert_true(vm.panic_timer.armed);
		loop_timer_arm(&vm.panic_timer, 0);
		assert_int_equal(loop_poll(vm.loop, -1), 1);
	}
}

static bool runs(void)
{
	return atomic_load(&vm.stop) == VM_RUNNING;
}

TEST_WITH(a_guest_that_does_nothing_after_its_panic_is_ended, setup, teardown)
{
	guest_says(PANICKED);
	assert_true(atomic_load(&vm.panicked));
	assert_in_range(seconds(), TIMEOUT / LOOKS - 100, TIMEOUT / LOOKS);
	look(LOOKS - 1);
	assert_true(runs());
	look(1);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
	assert_false(vm.panic_timer.armed);
}

TEST_WITH(one_that_works_on_is_left_to_it, setup, teardown)
{
	guest_says(PANICKED);
	for (unsigned i = 0; i < 100; i++) {
		vm.activity++;
		look(LOOKS - 1);
	}
	assert_true(runs());
	assert_true(atomic_load(&vm.panicked));
}

TEST_WITH(from_when_it_stops_it_has_the_whole_timeout, setup, teardown)
{
	guest_says(PANICKED);
	look(LOOKS - 2);
	vm.activity++;
	look(1); /* sees it */
	look(LOOKS - 1);
	assert_true(runs());
	look(1);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
}

TEST_WITH(a_second_panic_begins_the_timeout_anew, setup, teardown)
{
	guest_says(PANICKED);
	look(LOOKS - 1);
	vm_panicked(&vm, false);
	look(LOOKS - 1);
	assert_true(runs());
	look(1);
	assert_false(runs());
}

TEST_WITH(pvpanic_offers_crash_loaded_and_a_crash_kernel_has_no_timeout, setup, teardown)
{
	u8 offered;

	assert_true(bus_read(vm.ports, PORT_PVPANIC, &offered, 1));
	assert_int_equal(offered, PANICKED | CRASH);
	guest_says(CRASH);
	assert_true(atomic_load(&vm.panicked));
	assert_int_equal(seconds(), 0);
}

TEST_WITH(the_words_on_the_console_come_first_and_crash_loaded_lifts_their_timeout, setup, teardown)
{
	vm_panicked(&vm, false);
	assert_int_not_equal(seconds(), 0);
	guest_says(CRASH);
	assert_int_equal(seconds(), 0);
}

TEST_WITH(a_crash_kernel_that_panics_has_the_timeout_again, setup, teardown)
{
	guest_says(CRASH);
	vm_panicked(&vm, false);
	look(LOOKS);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
}

TEST_WITH(events_that_pvpanic_did_not_offer_are_none, setup, teardown)
{
	guest_says(0xfc);
	assert_false(atomic_load(&vm.panicked));
	assert_int_equal(seconds(), 0);
}

/* ---- guests that are kept ---- */

static int setup_kept(void **state)
{
	static const struct vm_config keeps = { .panic_timeout = TIMEOUT,
						.keep_dead = true,
						.name = "kept" };
	int ret = setup(state);

	vm.config = &keeps;
	return ret ? ret : pause_create(&vm);
}

static int teardown_kept(void **state)
{
	pause_destroy(&vm);
	return teardown(state);
}

TEST_WITH(a_guest_that_panicked_and_does_nothing_is_kept_paused, setup_kept, teardown_kept)
{
	guest_says(PANICKED);
	look(LOOKS);
	assert_true(runs());
	assert_true(vm.kept && vm_is_held(&vm));
	/* Other processors of it may say so as well until they have parked. */
	vm_guest_stop(&vm, VM_REBOOT);
	vm_guest_stop(&vm, VM_PANIC);
	assert_true(runs());
}

TEST_WITH(a_guest_that_resets_itself_after_its_panic_is_kept, setup_kept, teardown_kept)
{
	guest_says(PANICKED);
	vm_guest_stop(&vm, VM_REBOOT);
	assert_true(runs());
	assert_true(vm_is_held(&vm));
}

TEST_WITH(a_reset_without_a_panic_keeps_nothing, setup_kept, teardown_kept)
{
	vm_guest_stop(&vm, VM_REBOOT);
	assert_int_equal(atomic_load(&vm.stop), VM_REBOOT);
	assert_false(vm.kept);
}

TEST_WITH(a_guest_that_is_resumed_and_dies_again_ends, setup_kept, teardown_kept)
{
	vm_guest_stop(&vm, VM_PANIC);
	assert_true(runs());
	vm_resume(&vm, VM_PAUSE_USER);
	vm_guest_stop(&vm, VM_PANIC);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
}

TEST_WITH(a_guest_that_is_resumed_and_does_nothing_ends, setup_kept, teardown_kept)
{
	guest_says(PANICKED);
	look(LOOKS);
	assert_true(vm.kept);
	vm_resume(&vm, VM_PAUSE_USER);
	look(LOOKS);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
}

TEST_WITH(a_guest_that_died_as_it_switched_itself_off_is_kept_for_as_long, setup_kept,
	  teardown_kept)
{
	/* A triple fault: nothing was said of a panic. */
	vm_guest_stop(&vm, VM_PANIC);
	vm_guest_stop(&vm, VM_POWEROFF);
	assert_true(runs());
	assert_true(vm_is_held(&vm));
	vm_resume(&vm, VM_PAUSE_USER);
	vm_guest_stop(&vm, VM_POWEROFF);
	assert_int_equal(atomic_load(&vm.stop), VM_POWEROFF);
}

TEST_WITH(one_that_panicked_and_does_not_switch_itself_off_is_kept, setup_kept, teardown_kept)
{
	guest_says(PANICKED);
	vm_guest_stop(&vm, VM_POWEROFF);
	assert_true(runs());
	assert_true(vm.kept);
}

TEST_WITH(so_is_one_that_panicked_and_whose_watchdog_bites, setup_kept, teardown_kept)
{
	guest_says(PANICKED);
	watchdog_bite(&vm, "watchdog", WATCHDOG_EXIT);
	assert_true(runs());
	assert_true(vm.kept);
}

TEST_WITH(a_watchdog_that_bites_a_guest_that_lives_ends_it, setup_kept, teardown_kept)
{
	watchdog_bite(&vm, "watchdog", WATCHDOG_EXIT);
	assert_int_equal(atomic_load(&vm.stop), VM_WATCHDOG);
}

TEST_WITH(nothing_is_kept_unless_it_was_asked_for, setup, teardown)
{
	vm_guest_stop(&vm, VM_PANIC);
	assert_int_equal(atomic_load(&vm.stop), VM_PANIC);
	assert_false(vm.kept);
}
