/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "cmocka_all.h"
#include "fake_vm.h"

void fake_vm_create(struct vm *vm, struct irq *irq, const struct range *ram, unsigned count)
{
	memset(vm, 0, sizeof(*vm));
	vm->kvm_fd = vm->fd = -1;
	irq_fake_init(irq, IRQ_FAKE_ROUTES);
	vm->irq = irq;
	pthread_mutex_init(&vm->lock, NULL);
	list_init(&vm->devices);
	list_init(&vm->terminals);
	list_init(&vm->page_slots);
	assert_int_equal(memory_create(&vm->memory, NULL, ram, count, NULL), 0);
	assert_int_equal(loop_create(&vm->loop, &vm->lock), 0);
	assert_int_equal(bus_create(&vm->mmio), 0);
	assert_int_equal(bus_create(&vm->ports), 0);
	dma_identity_init(&vm->identity, vm->memory, vm->irq);
}

void fake_vm_destroy_devices(struct vm *vm)
{
	while (!list_empty(&vm->devices)) {
		struct device *last = list_entry(vm->devices.prev, struct device, node);

		list_del(&last->node);
		last->ops->destroy(last);
	}
}

void fake_vm_destroy(struct vm *vm)
{
	fake_vm_destroy_devices(vm);
	assert_true(list_empty(&vm->identity.space.holds));
	assert_int_equal(vm->irq->lines, 0);
	assert_int_equal(irq_fake_routes(vm->irq), 0);
	bus_destroy(vm->ports);
	bus_destroy(vm->mmio);
	loop_destroy(vm->loop);
	memory_destroy(vm->memory);
	pthread_mutex_destroy(&vm->lock);
}
