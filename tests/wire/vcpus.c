/* SPDX-License-Identifier: BSD-2-Clause */
#include <time.h>

#include "cmocka_all.h"
#include "vcpus.h"

#define VCPUS 3

static struct vcpu_write vcpus[VCPUS];

static void *vcpu_body(void *arg)
{
	struct vcpu_write *write = arg;

	pci_rig_began = &write->began;
	if (write->driver)
		pci_driver_put(write->driver, &write->driver->common, write->address, write->value,
			       write->len);
	else
		pci_rig_store(write->vm, write->address, write->value, write->len);
	atomic_store(&write->done, true);
	return NULL;
}

static struct vcpu_write *vcpu_start(const struct vcpu_write *what)
{
	struct vcpu_write *write = vcpus;

	while (write->started)
		write++;
	assert_true(write < vcpus + VCPUS);
	*write = *what;
	write->started = true;
	assert_int_equal(pthread_create(&write->thread, NULL, vcpu_body, write), 0);
	return write;
}

struct vcpu_write *vcpu_writes(struct vm *vm, unsigned slot, u32 offset, u64 value, unsigned len)
{
	const struct vcpu_write what = {
		.vm = vm,
		.address = WIRE_MMIO + 0x200 * slot + offset,
		.value = value,
		.len = len,
	};

	return vcpu_start(&what);
}

struct vcpu_write *vcpu_writes_common(const struct pci_driver *driver, u32 offset, u64 value,
				      unsigned len)
{
	const struct vcpu_write what = {
		.driver = driver, .address = offset, .value = value, .len = len
	};

	return vcpu_start(&what);
}

void vcpu_join(struct vcpu_write *write)
{
	if (!write->started)
		return;
	write->started = false;
	assert_int_equal(pthread_join(write->thread, NULL), 0);
}

void vcpus_end(struct vm *vm)
{
	loop_stop(vm->loop);
	loop_run(vm->loop);
	for (unsigned i = 0; i < VCPUS; i++)
		vcpu_join(&vcpus[i]);
}

void pause_ms(unsigned ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

void turn_loop(struct vm *vm, unsigned rounds)
{
	while (rounds--)
		loop_poll(vm->loop, 0);
}

void vcpu_ends(struct vcpu_write *write, struct vm *vm)
{
	/* A loop that was stopped returns at once. */
	for (unsigned i = 0; i < 5000 && !atomic_load(&write->done); i++) {
		loop_poll(vm->loop, 0);
		pause_ms(1);
	}
	assert_true(atomic_load(&write->done));
	vcpu_join(write);
}

void vcpu_still_waits(const struct vcpu_write *write, struct vm *vm)
{
	until(vm, &write->began);
	turn_loop(vm, 8);
	pause_ms(2);
	turn_loop(vm, 8);
	assert_false(atomic_load(&write->done));
}

void until(struct vm *vm, const bool *flag)
{
	bool set = false;

	for (unsigned i = 0; i < 5000 && !set; i++) {
		vm_lock(vm);
		set = *flag;
		vm_unlock(vm);
		if (!set)
			pause_ms(1);
	}
	assert_true(set);
}
