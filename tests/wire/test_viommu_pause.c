/* SPDX-License-Identifier: BSD-2-Clause */
/* A request that waits for other devices' I/O, and a pause that comes meanwhile. */
#include <errno.h>

#include <linux/virtio_iommu.h>

#include "test.h"
#include "iommu_driver.h"
#include "vmm/vm.h"

#define OK VIRTIO_IOMMU_S_OK

/* What a device has at the host: a page that is mapped in domain 1. */
static const struct dma_segment held[] = { { 0x1000, 0x1000 } };

static struct rig the_rig;

static int start(void **state)
{
	const struct viommu_config config = { .address_bits = 40 };

	rig_create(&the_rig, &config);
	rig_start(&the_rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&the_rig, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_map(&the_rig, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_map(&the_rig, 1, 0x5000, 0x5fff, 0x100000, READ_WRITE), OK);
	*state = &the_rig;
	return 0;
}

static int stop(void **state)
{
	rig_destroy(*state);
	return 0;
}

static void add_unmap(struct rig *rig, unsigned n, iova_t page)
{
	const gpa_t request_at = RIG_REQUEST + 0x100 * n, reply_at = RIG_REPLY + 0x100 * n;
	const struct virtio_iommu_req_unmap request = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = htole32(1),
		.virt_start = htole64(page),
		.virt_end = htole64(page + 0xfff),
	};
	const struct wire_segment parts[] = {
		{ request_at, offsetof(struct virtio_iommu_req_unmap, tail), false },
		{ reply_at, sizeof(struct virtio_iommu_req_tail), true },
	};

	wire_write(rig->vm, request_at, &request, sizeof(request));
	wire_fill(rig->vm, reply_at, 0xee, sizeof(struct virtio_iommu_req_tail));
	wire_add(&rig->requests, parts, 2);
}

static bool is_paused_soon(struct rig *rig)
{
	for (unsigned i = 0; i < 200 && !vm_is_paused(rig->vm); i++)
		loop_poll(rig->vm->loop, 10);
	return vm_is_paused(rig->vm);
}

TEST_WITH(a_pause_answers_the_request_that_waits_and_begins_no_other, start, stop)
{
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	dma_hold(rig->a, &hold);
	add_unmap(rig, 0, 0x1000);
	add_unmap(rig, 1, 0x5000);
	wire_kick(&rig->requests);
	assert_false(wire_has_used(&rig->requests));
	vm_pause(rig->vm, VM_PAUSE_USER, NULL);
	loop_poll(rig->vm->loop, 10);
	/* The device's I/O is part of what is waited for. */
	assert_false(vm_is_paused(rig->vm));
	dma_drop(rig->a, &hold);
	assert_true(is_paused_soon(rig));
	assert_true(wire_used(&rig->requests, NULL, NULL));
	assert_false(wire_has_used(&rig->requests));
	assert_int_equal(rig_dma(rig->a, 0x5000, DMA_READ), 0);
	vm_resume(rig->vm, VM_PAUSE_USER);
	assert_true(wire_used(&rig->requests, NULL, NULL));
	assert_int_equal(rig_dma(rig->a, 0x5000, DMA_READ), -EFAULT);
}

TEST_WITH(a_pause_that_is_taken_back_leaves_the_request_waiting, start, stop)
{
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	dma_hold(rig->a, &hold);
	add_unmap(rig, 0, 0x1000);
	wire_kick(&rig->requests);
	vm_pause(rig->vm, VM_PAUSE_USER, NULL);
	vm_resume(rig->vm, VM_PAUSE_USER);
	loop_poll(rig->vm->loop, 10);
	assert_false(wire_has_used(&rig->requests));
	dma_drop(rig->a, &hold);
	assert_true(wire_used(&rig->requests, NULL, NULL));
}
