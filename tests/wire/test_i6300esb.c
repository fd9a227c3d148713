/* SPDX-License-Identifier: BSD-2-Clause */
/* The watchdog of PCI, as Linux's i6300esb and a hostile guest drive it. */
#include "test.h"

#include <linux/pci_regs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host_clock.h"
#include "pci_driver.h"
#include "vmm/device_class.h"
#include "vmm/watchdog.h"

#define SLOT 2

enum { CONFIG = 0x60, LOCK = 0x68 };
enum { NO_INTERRUPT = 0x03, FAST = 0x04, NO_END = 0x20 };
enum { LOCKED = 0x01, ENABLED = 0x02, FREE = 0x04 };
enum { PRELOAD1 = 0x0, PRELOAD2 = 0x4, INTERRUPT = 0x8, RELOAD = 0xc };
enum { RELOAD_NOW = 0x100, TIMED_OUT = 0x200 };

static struct vm *vm;
static u64 bar;

static int make(enum watchdog_action action)
{
	struct device_place place = { .pci_slot = SLOT };

	vm = wire_create();
	place.space = &vm->identity.space;
	pci_rig_create(vm);
	assert_int_equal(i6300esb_create(vm, &place, action), 0);
	assert_int_equal(pci_bus_place_bars(vm->pci, NULL), 0);
	bar = pci_rig_bar(vm, SLOT, 0);
	pci_rig_write(vm, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	return 0;
}

static int setup(void **state)
{
	return make(WATCHDOG_EXIT);
}

static int setup_none(void **state)
{
	return make(WATCHDOG_NONE);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

/* Behind the sequence that opens the registers for one write. */
static void put(u32 offset, u32 value)
{
	pci_rig_store(vm, bar + RELOAD, 0x80, 2);
	pci_rig_store(vm, bar + RELOAD, 0x86, 2);
	pci_rig_store(vm, bar + offset, value, offset == RELOAD ? 2 : 4);
}

static void start(u8 config, u32 first, u32 second, u8 lock)
{
	pci_rig_write(vm, SLOT, CONFIG, config, 2);
	put(PRELOAD1, first);
	put(PRELOAD2, second);
	put(RELOAD, RELOAD_NOW);
	pci_rig_write(vm, SLOT, LOCK, lock, 1);
}

static bool ended(void)
{
	return atomic_load(&vm->stop) == VM_WATCHDOG;
}

static bool timed_out(void)
{
	return pci_rig_load(vm, bar + RELOAD, 2) & TIMED_OUT;
}

TEST_WITH(linux_finds_it, setup, teardown)
{
	assert_int_equal(pci_rig_read(vm, SLOT, PCI_VENDOR_ID, 4), 0x25ab8086);
	assert_int_equal(pci_rig_read(vm, SLOT, PCI_CLASS_REVISION, 4) >> 8, 0x088000);
	assert_false(timed_out());
}

TEST_WITH(two_counts_without_a_reload_end_the_run, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	assert_int_equal(loop_poll(vm->loop, 60000), 1);
	assert_false(ended() || timed_out());
	assert_int_equal(loop_poll(vm->loop, 60000), 1);
	assert_true(ended() && timed_out());
}

TEST_WITH(a_reload_begins_with_the_first_count_again, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(loop_poll(vm->loop, 60000), 1);
		put(RELOAD, RELOAD_NOW);
	}
	assert_false(ended());
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(ended());
}

TEST_WITH(what_is_not_unlocked_is_not_written, setup, teardown)
{
	put(PRELOAD1, 7);
	pci_rig_store(vm, bar + PRELOAD1, 8, 4);
	assert_int_equal(pci_rig_load(vm, bar + PRELOAD1, 4), 7);
	/* The wrong order, and a sequence that something else came into. */
	pci_rig_store(vm, bar + RELOAD, 0x86, 2);
	pci_rig_store(vm, bar + RELOAD, 0x80, 2);
	pci_rig_store(vm, bar + PRELOAD1, 9, 4);
	pci_rig_store(vm, bar + RELOAD, 0x86, 2);
	pci_rig_store(vm, bar + PRELOAD1, 10, 4);
	assert_int_equal(pci_rig_load(vm, bar + PRELOAD1, 4), 7);
	put(PRELOAD1, 0xffffffff);
	assert_int_equal(pci_rig_load(vm, bar + PRELOAD1, 4), 0xfffff);
}

TEST_WITH(a_watchdog_that_is_switched_off_is_quiet, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	pci_rig_write(vm, SLOT, LOCK, 0, 1);
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	assert_false(ended());
}

TEST_WITH(a_locked_watchdog_cannot_be_switched_off, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED | LOCKED);
	pci_rig_write(vm, SLOT, LOCK, 0, 1);
	assert_int_equal(pci_rig_read(vm, SLOT, LOCK, 1), ENABLED | LOCKED);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(ended());
}

TEST_WITH(the_first_count_may_interrupt, setup, teardown)
{
	start(0, 1, 0xfffff, ENABLED);
	loop_poll(vm->loop, 60000);
	assert_true(wire_level(RIG_INTX + SLOT));
	assert_int_equal(pci_rig_load(vm, bar + INTERRUPT, 4), 1);
	pci_rig_store(vm, bar + INTERRUPT, 1, 4);
	assert_false(wire_level(RIG_INTX + SLOT));
	assert_false(ended());
}

TEST_WITH(the_free_one_has_one_count_and_no_end, setup, teardown)
{
	start(NO_INTERRUPT | FAST, 0, 0, ENABLED | FREE);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(loop_poll(vm->loop, 60000), 1);
	assert_false(ended() || timed_out());
}

TEST_WITH(an_output_that_is_off_ends_nothing_but_is_remembered, setup, teardown)
{
	start(NO_INTERRUPT | NO_END, 1, 1, ENABLED);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(timed_out() && !ended());
	put(RELOAD, TIMED_OUT);
	assert_false(timed_out());
}

TEST_WITH(none_ends_nothing_and_a_reload_starts_it_again, setup_none, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(timed_out() && !ended());
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	put(RELOAD, RELOAD_NOW | TIMED_OUT);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(timed_out() && !ended());
}

/* A guest that stands still cannot show that it lives. */
TEST_WITH(time_does_not_count_while_the_vm_is_paused, setup, teardown)
{
	struct device *device = list_entry(vm->devices.prev, struct device, node);

	start(NO_INTERRUPT, 1, 1, ENABLED);
	device->ops->pause(device);
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	device->ops->resume(device);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_true(ended());
}

/* The loop has slept: it is later than the timers know. */
static bool some_seconds_later(struct timespec *now)
{
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now);
	now->tv_sec += 3;
	return true;
}

/* Nor did the guest run, which could not reload it. */
TEST_WITH(what_ends_while_all_of_us_sleep_ends_nothing_the_first_time, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	loop_poll(vm->loop, 60000);
	host_clock_ask(some_seconds_later);
	loop_poll(vm->loop, 60000);
	host_clock_ask(NULL);
	assert_false(ended() || timed_out());
	loop_poll(vm->loop, 60000);
	assert_true(ended() && timed_out());
}

TEST_WITH(a_host_that_is_late_each_time_does_not_keep_a_hung_guest, setup, teardown)
{
	start(NO_INTERRUPT, 1, 1, ENABLED);
	loop_poll(vm->loop, 60000);
	host_clock_ask(some_seconds_later);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	host_clock_ask(NULL);
	assert_true(ended());
}

TEST_WITH(every_access_of_every_size_is_survived, setup, teardown)
{
	for (unsigned len = 1; len <= 8; len *= 2) {
		for (u32 offset = 0; offset + len <= 16; offset++) {
			pci_rig_store(vm, bar + offset, ~0ull, len);
			pci_rig_load(vm, bar + offset, len);
		}
	}
	for (u32 offset = 0; offset < 256; offset++)
		pci_rig_write(vm, SLOT, offset, 0xff, 1);
	assert_int_equal(pci_rig_read(vm, SLOT, LOCK, 1), ENABLED | LOCKED | FREE);
}
