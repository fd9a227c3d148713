/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/unasked.h: resets behind the IOMMU, whose driver has unmapped lazily. A second vCPU, which is
 * a thread, writes the register and waits; the main thread is the loop and the judge. The clock
 * stands unless a test moves it.
 */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "host_clock.h"
#include "iommu_driver.h"
#include "util/clock.h"
#include "vcpus.h"
#include "virtio/mmio.h"

#define BEHIND_SLOT 2
#define BESIDE_SLOT 3
#define RINGS	    0x100000
#define DOMAIN	    7
#define MS	    1000000

static _Atomic u64 now; /* ns; the poller's thread reads it, too */

static bool tell_now(struct timespec *time)
{
	*time = (struct timespec){ now / 1000000000, now % 1000000000 };
	return true;
}

static void stop_clock(void)
{
	now = now_ns();
	host_clock_ask(tell_now);
}

/* ---- over MMIO ---- */

/* An IOMMU, a device behind it, whose boot bypass is on, and one that is not. */
struct bench {
	struct rig rig;
	struct vm *vm;
	struct vm_config config;
	struct echo *behind;
};

static void start(struct vm *vm, unsigned slot, u64 features)
{
	struct wire_queue queue;

	assert_true(wire_negotiate(vm, slot, features));
	wire_queue_init(&queue, vm, slot, 0, 16, RINGS + slot * 0x10000);
	wire_driver_ok(vm, slot);
}

static void create_behind(struct bench *bench)
{
	struct device_resource slot;

	wire_slot(BEHIND_SLOT, &slot);
	bench->behind = echo_alloc(bench->vm);
	bench->behind->device.space = bench->rig.a;
	assert_int_equal(
		virtio_mmio_create(bench->vm, &bench->behind->device, &slot, ENDPOINT_A, false), 0);
}

static int setup_with(void **state, unsigned cpus, enum virtio_poll_mode poll)
{
	const struct viommu_config config = {
		.bypass = true, .address_bits = 40, .poll = poll, .smp = cpus > 1
	};
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	rig_create(&bench.rig, &config);
	bench.vm = bench.rig.vm;
	bench.config = *bench.vm->config;
	bench.config.cpus = cpus;
	bench.vm->config = &bench.config;
	rig_start(&bench.rig, ALL_FEATURES);
	create_behind(&bench);
	echo_create(bench.vm, BESIDE_SLOT, DEVICE_NO_ENDPOINT, false);
	start(bench.vm, BEHIND_SLOT, 1ULL << VIRTIO_F_ACCESS_PLATFORM);
	start(bench.vm, BESIDE_SLOT, 0);
	stop_clock();
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, 1, VIRTIO_POLL_OFF);
}

static int setup_smp(void **state)
{
	return setup_with(state, 2, VIRTIO_POLL_OFF);
}

static int setup_polled(void **state)
{
	return setup_with(state, 1, VIRTIO_POLL_ON);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	host_clock_ask(NULL);
	vcpus_end(bench->vm);
	rig_destroy(&bench->rig);
	return 0;
}

/* The IOMMU is not kicked. */
static void unmap_lazily(struct bench *bench)
{
	static const struct virtio_iommu_req_unmap request = { .head.type = VIRTIO_IOMMU_T_UNMAP };
	const struct wire_segment parts[] = {
		{ RIG_REQUEST, offsetof(struct virtio_iommu_req_unmap, tail), false },
		{ RIG_REPLY, sizeof(struct virtio_iommu_req_tail), true },
	};

	wire_write(bench->vm, RIG_REQUEST, &request, sizeof(request));
	wire_add(&bench->rig.requests, parts, 2);
}

static struct vcpu_write *begin_reset(struct bench *bench, unsigned slot)
{
	return vcpu_writes(bench->vm, slot, VIRTIO_MMIO_STATUS, 0, 4);
}

/* The device is reset, and its driver has not been told. */
static struct vcpu_write *reset_waits(struct bench *bench)
{
	struct vcpu_write *reset = begin_reset(bench, BEHIND_SLOT);

	for (unsigned i = 0; i < 5000 && wire_status(bench->vm, BEHIND_SLOT); i++) {
		loop_poll(bench->vm->loop, 0);
		pause_ms(1);
	}
	assert_int_equal(wire_status(bench->vm, BEHIND_SLOT), 0);
	vcpu_still_waits(reset, bench->vm);
	return reset;
}

/* And not before. */
static void ends_after(struct bench *bench, struct vcpu_write *reset, u64 ns)
{
	now += ns - 1;
	vcpu_still_waits(reset, bench->vm);
	now += 1;
	vcpu_ends(reset, bench->vm);
}

TEST_WITH(a_reset_behind_the_iommu_ends_when_the_iommu_was_asked_for_lazy_unmaps, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *reset;

	unmap_lazily(bench);
	reset = reset_waits(bench);
	assert_false(wire_has_used(&bench->rig.requests));
	wire_kick(&bench->rig.requests);
	assert_true(wire_used(&bench->rig.requests, NULL, NULL));
	vcpu_ends(reset, bench->vm);
}

TEST_WITH(a_reset_by_the_only_processor_lets_its_timer_ask_after_20_ms, setup, teardown)
{
	struct bench *bench = *state;

	unmap_lazily(bench);
	ends_after(bench, reset_waits(bench), 20 * MS);
}

TEST_WITH(with_more_processors_it_has_time_to_ask_and_to_look, setup_smp, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *reset;

	unmap_lazily(bench);
	reset = reset_waits(bench);
	now += 60 * MS;
	vcpu_still_waits(reset, bench->vm);
	wire_kick(&bench->rig.requests);
	ends_after(bench, reset, 20 * MS);
}

TEST_WITH(but_not_for_ever, setup_smp, teardown)
{
	struct bench *bench = *state;

	unmap_lazily(bench);
	ends_after(bench, reset_waits(bench), 100 * MS);
}

TEST_WITH(only_a_device_that_was_used_behind_the_iommu_waits_for_lazy_unmaps, setup, teardown)
{
	struct bench *bench = *state;

	unmap_lazily(bench);
	vcpu_ends(begin_reset(bench, BESIDE_SLOT), bench->vm);
	wire_kick(&bench->rig.requests);
	vcpu_ends(begin_reset(bench, BEHIND_SLOT), bench->vm);
	assert_true(wire_negotiate(bench->vm, BEHIND_SLOT, 1ULL << VIRTIO_F_ACCESS_PLATFORM));
	unmap_lazily(bench);
	vcpu_ends(begin_reset(bench, BEHIND_SLOT), bench->vm);
}

TEST_WITH(a_stop_of_the_vm_ends_the_wait, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *reset;

	unmap_lazily(bench);
	reset = reset_waits(bench);
	loop_stop(bench->vm->loop);
	vcpu_ends(reset, bench->vm);
}

TEST_WITH(where_the_iommu_polls_a_reset_gives_the_driver_time_to_look, setup_polled, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *reset;

	assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_B, 0), 0);
	now += 15 * MS;
	reset = reset_waits(bench);
	now += 5 * MS;
	vcpu_ends(reset, bench->vm);
}

/* ---- over PCI ---- */

static bool unasked;

static bool tell_unasked(struct dma_space *space)
{
	(void)space;
	return unasked;
}

static int pci_setup(void **state)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, DEVICE_NO_ENDPOINT, false);
	bench.vm->identity.space.has_unasked = tell_unasked;
	pci_bench_up(&bench, 0);
	unasked = true;
	stop_clock();
	*state = &bench;
	return 0;
}

static int pci_teardown(void **state)
{
	host_clock_ask(NULL);
	pci_bench_teardown(*state);
	return 0;
}

static bool reads_0(const struct pci_bench *bench)
{
	return !pci_driver_status(&bench->driver);
}

/* The processor goes on, so that it can ask. */
static void pci_reset(struct pci_bench *bench)
{
	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_false(reads_0(bench));
}

TEST_WITH(over_pci_status_reads_0_when_the_iommu_was_asked_for_lazy_unmaps, pci_setup, pci_teardown)
{
	struct pci_bench *bench = *state;

	pci_reset(bench);
	now += 999 * MS;
	assert_false(reads_0(bench));
	unasked = false;
	assert_true(reads_0(bench));
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(or_when_a_second_is_over, pci_setup, pci_teardown)
{
	struct pci_bench *bench = *state;

	pci_reset(bench);
	now += 1000 * MS - 1;
	assert_false(reads_0(bench));
	now += 1;
	assert_true(reads_0(bench));
}

TEST_WITH(a_driver_that_does_not_read_it_goes_on_at_once, pci_setup, pci_teardown)
{
	struct pci_bench *bench = *state;

	pci_reset(bench);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE, 1);
	assert_int_equal(pci_driver_status(&bench->driver), VIRTIO_CONFIG_S_ACKNOWLEDGE);
}
