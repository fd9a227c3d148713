/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets while the host is at work: a second vCPU, which is a thread, writes the register and
 * waits; the main thread is the loop, a third vCPU, and the judge.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "fake_disk.h"
#include "iommu_driver.h"
#include "vcpus.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"

#define IOMMU_SLOT  0
#define DISK_SLOT   2
#define ECHO_SLOT   3
#define RINGS	    0x100000
#define HEADER	    0x120000
#define STATUS	    0x121000
#define ECHO_RINGS  0x140000
#define ECHO_DATA   0x160000
#define DATA	    0x200000
#define DOMAIN	    7
#define QUEUE_RESET 0x0c0
#define F(bit)	    (1ULL << (bit))

/* ---- the machine: an IOMMU, a disk behind it, and an echo that is not ---- */

struct bench {
	struct rig rig;
	struct vm *vm;
	struct disk *disk;
	struct virtio_device *blk;
	struct echo *echo;
	struct wire_queue queue, echoes;
	unsigned closed;
};

static void start_disk(struct bench *bench)
{
	u64 features = F(VIRTIO_F_ACCESS_PLATFORM) | F(VIRTIO_F_RING_RESET);

	assert_true(wire_negotiate(bench->vm, DISK_SLOT, features));
	wire_queue_init(&bench->queue, bench->vm, DISK_SLOT, 0, 16, RINGS);
	wire_driver_ok(bench->vm, DISK_SLOT);
}

static void create_devices(struct bench *bench)
{
	struct device_resource slot;

	bench->disk = fake_disk_create(DISK_SIZE, false, true, &bench->closed);
	fake_disk_fill(bench->disk);
	assert_int_equal(
		virtio_blk_create(&bench->blk, bench->disk, NULL, bench->vm->loop, bench->rig.a),
		0);
	wire_slot(DISK_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(bench->vm, bench->blk, &slot, ENDPOINT_A, false), 0);
	bench->echo = echo_create(bench->vm, ECHO_SLOT, DEVICE_NO_ENDPOINT, false);
}

/* Boot bypass is on; the disk, which is told to hold its requests, is not attached. */
static int setup(void **state)
{
	const struct viommu_config config = { .bypass = true, .address_bits = 40 };
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	rig_create(&bench.rig, &config);
	bench.vm = bench.rig.vm;
	/* The IOMMU is there before those behind it, and outlives them. */
	rig_start(&bench.rig, ALL_FEATURES);
	create_devices(&bench);
	start_disk(&bench);
	assert_true(wire_negotiate(bench.vm, ECHO_SLOT, 0));
	wire_queue_init(&bench.echoes, bench.vm, ECHO_SLOT, 0, 16, ECHO_RINGS);
	wire_driver_ok(bench.vm, ECHO_SLOT);
	bench.disk->hold = true;
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	vcpus_end(bench->vm);
	rig_destroy(&bench->rig);
	assert_int_equal(bench->closed, 1);
	return 0;
}

/* The @n-th read of sector 0: it is under way when this returns. */
static void start_read(struct bench *bench, unsigned n)
{
	const struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN) };
	const struct wire_segment parts[] = { { HEADER, sizeof(header), false },
					      { DATA + 512 * n, 512, true },
					      { STATUS + n, 1, true } };
	unsigned submits = bench->disk->submits;

	wire_write(bench->vm, HEADER, &header, sizeof(header));
	wire_fill(bench->vm, STATUS + n, 0xee, 1);
	wire_fill(bench->vm, DATA + 512 * n, 0xdd, 512);
	wire_add(&bench->queue, parts, 3);
	wire_kick(&bench->queue);
	turn_loop(bench->vm, 4);
	assert_int_equal(bench->disk->submits, submits + 1);
	assert_int_equal(!!bench->disk->running, bench->disk->hold);
}

static u8 byte_at(struct bench *bench, gpa_t gpa)
{
	u8 byte;

	wire_read(bench->vm, gpa, &byte, 1);
	return byte;
}

static void release(struct bench *bench, unsigned count)
{
	vm_lock(bench->vm);
	fake_disk_release(bench->disk, count);
	vm_unlock(bench->vm);
}

static void echo_answers(struct bench *bench)
{
	const struct wire_segment parts[] = { { ECHO_DATA, 8, false },
					      { ECHO_DATA + 0x100, 8, true } };
	u32 len;

	wire_add(&bench->echoes, parts, 2);
	wire_kick(&bench->echoes);
	assert_true(wire_used(&bench->echoes, NULL, &len));
	assert_int_equal(len, 8);
}

static void disk_works(struct bench *bench)
{
	bench->disk->hold = false;
	start_disk(bench);
	start_read(bench, 9);
	assert_true(wire_used(&bench->queue, NULL, NULL));
	assert_int_equal(byte_at(bench, STATUS + 9), VIRTIO_BLK_S_OK);
}

/* ---- of a device ---- */

TEST_WITH(a_reset_is_over_when_the_disk_is_done_and_nothing_is_written_back, setup, teardown)
{
	struct bench *bench = *state;
	unsigned interrupts = wire_interrupts(WIRE_GSI + DISK_SLOT);
	u8 status = wire_status(bench->vm, DISK_SLOT);
	struct vcpu_write *reset;

	for (unsigned i = 0; i < 4; i++)
		start_read(bench, i);
	reset = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	vcpu_still_waits(reset, bench->vm);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), status);
	release(bench, 3);
	vcpu_still_waits(reset, bench->vm);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
	assert_null(bench->disk->running);
	assert_int_equal(bench->disk->drains, 0);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), 0);
	assert_true(list_empty(&bench->rig.a->holds));
	assert_false(wire_has_used(&bench->queue));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(byte_at(bench, STATUS + i), 0xee);
	assert_int_equal(wire_interrupts(WIRE_GSI + DISK_SLOT), interrupts);
	disk_works(bench);
}

TEST_WITH(other_devices_and_the_loop_do_not_wait_for_a_reset, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *reset;

	start_read(bench, 0);
	reset = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	for (unsigned i = 0; i < 20; i++)
		echo_answers(bench);
	assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_B, 0), 0);
	/* Whole resets, too. */
	wire_reg_write(bench->vm, ECHO_SLOT, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(wire_status(bench->vm, ECHO_SLOT), 0);
	vcpu_still_waits(reset, bench->vm);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
}

TEST_WITH(registers_are_inert_while_a_reset_waits, setup, teardown)
{
	struct bench *bench = *state;
	u8 status = wire_status(bench->vm, DISK_SLOT);
	unsigned submits;
	struct vcpu_write *reset;

	start_read(bench, 0);
	submits = bench->disk->submits;
	reset = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_not_equal(wire_reg_read(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), status);
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY), 0);
	wire_reg_write(bench->vm, DISK_SLOT, QUEUE_RESET, 1);
	wire_publish(&bench->queue, 0);
	wire_kick(&bench->queue);
	vcpu_still_waits(reset, bench->vm);
	assert_int_equal(bench->disk->submits, submits);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
	turn_loop(bench->vm, 4);
	assert_int_equal(bench->disk->submits, submits);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), 0);
}

TEST_WITH(vcpus_that_reset_one_device_at_once_are_all_through, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *resets[3];

	start_read(bench, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++)
		resets[i] = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++)
		vcpu_still_waits(resets[i], bench->vm);
	release(bench, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++)
		vcpu_ends(resets[i], bench->vm);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), 0);
	disk_works(bench);
}

TEST_WITH(a_queue_is_enabled_and_its_reset_reads_1_until_the_disk_is_done, setup, teardown)
{
	struct bench *bench = *state;
	struct virtq *queue = &bench->blk->queues[0];
	struct vcpu_write *reset;

	start_read(bench, 0);
	reset = vcpu_writes(bench->vm, DISK_SLOT, QUEUE_RESET, 1, 4);
	until(bench->vm, &queue->stopping);
	vcpu_still_waits(reset, bench->vm);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, QUEUE_RESET), 1);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY), 1);
	/* It is neither laid out anew nor enabled meanwhile. */
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_NUM, 8);
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_false(queue->ready);
	assert_int_equal(queue->size, 16);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, QUEUE_RESET), 0);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_false(wire_has_used(&bench->queue));
	assert_int_equal(byte_at(bench, STATUS), 0xee);
	/* The device itself was never reset. */
	wire_queue_init(&bench->queue, bench->vm, DISK_SLOT, 0, 16, RINGS);
	bench->disk->hold = false;
	start_read(bench, 1);
	assert_true(wire_used(&bench->queue, NULL, NULL));
}

TEST_WITH(a_device_reset_takes_a_queue_reset_with_it, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *of_queue, *of_device;

	start_read(bench, 0);
	of_queue = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_QUEUE_READY, 0, 4);
	until(bench->vm, &bench->blk->queues[0].stopping);
	of_device = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	vcpu_still_waits(of_queue, bench->vm);
	vcpu_still_waits(of_device, bench->vm);
	release(bench, 1);
	vcpu_ends(of_queue, bench->vm);
	vcpu_ends(of_device, bench->vm);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), 0);
	assert_int_equal(wire_reg_read(bench->vm, DISK_SLOT, QUEUE_RESET), 0);
	disk_works(bench);
}

/* teardown() sees that the machine ends in good order, the disk drained. */
TEST_WITH(a_stop_ends_the_wait_and_the_device_stays_in_its_reset, setup, teardown)
{
	struct bench *bench = *state;
	u8 status = wire_status(bench->vm, DISK_SLOT);
	struct vcpu_write *reset;

	start_read(bench, 0);
	reset = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	loop_stop(bench->vm->loop);
	vcpu_ends(reset, bench->vm);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), status);
	assert_non_null(bench->disk->running);
	/* A later caller does not wait at all, not even here. */
	wire_reg_write(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0);
	wire_reg_write(bench->vm, DISK_SLOT, QUEUE_RESET, 1);
	assert_int_equal(wire_status(bench->vm, DISK_SLOT), status);
}

TEST_WITH(a_loop_that_ends_leaves_no_vcpu_waiting, setup, teardown)
{
	struct bench *bench = *state;
	struct vcpu_write *resets[2];

	start_read(bench, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++)
		resets[i] = vcpu_writes(bench->vm, DISK_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &bench->blk->resetting);
	loop_stop(bench->vm->loop);
	/* It does not even look for events. */
	assert_int_equal(loop_run(bench->vm->loop), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++)
		vcpu_join(resets[i]);
}

/* ---- of the IOMMU ---- */

static void attach_disk(struct bench *bench, u32 flags)
{
	assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_A, flags), 0);
	if (!flags)
		assert_int_equal(rig_map(&bench->rig, DOMAIN, 0, WIRE_RAM - 1, 0, READ_WRITE), 0);
}

TEST_WITH(a_reset_of_the_iommu_waits_for_io_on_translations_that_it_took_away, setup, teardown)
{
	struct bench *bench = *state;
	const struct virtio_device *viommu = viommu_device(bench->rig.viommu);
	struct vcpu_write *reset;

	attach_disk(bench, 0);
	start_read(bench, 0);
	reset = vcpu_writes(bench->vm, IOMMU_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &viommu->resetting);
	vcpu_still_waits(reset, bench->vm);
	assert_int_not_equal(wire_status(bench->vm, IOMMU_SLOT), 0);
	echo_answers(bench);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
	assert_null(bench->disk->running);
	assert_int_equal(wire_status(bench->vm, IOMMU_SLOT), 0);
	/* The page is the guest's own again. */
	wire_fill(bench->vm, DATA, 0x5a, 512);
	turn_loop(bench->vm, 8);
	assert_int_equal(byte_at(bench, DATA), 0x5a);
	assert_int_equal(byte_at(bench, DATA + 511), 0x5a);
}

TEST_WITH(it_does_not_wait_for_a_device_whose_bypass_goes_on, setup, teardown)
{
	struct bench *bench = *state;

	start_read(bench, 0);
	vcpu_ends(vcpu_writes(bench->vm, IOMMU_SLOT, VIRTIO_MMIO_STATUS, 0, 4), bench->vm);
	assert_int_equal(wire_status(bench->vm, IOMMU_SLOT), 0);
	assert_non_null(bench->disk->running);
	release(bench, 1);
	assert_true(wire_used(&bench->queue, NULL, NULL));
	assert_int_equal(byte_at(bench, STATUS), VIRTIO_BLK_S_OK);
}

TEST_WITH(it_does_not_wait_for_io_that_begins_later, setup, teardown)
{
	struct bench *bench = *state;
	const struct virtio_device *viommu = viommu_device(bench->rig.viommu);
	struct vcpu_write *reset;

	attach_disk(bench, VIRTIO_IOMMU_ATTACH_F_BYPASS);
	start_read(bench, 0);
	reset = vcpu_writes(bench->vm, IOMMU_SLOT, VIRTIO_MMIO_STATUS, 0, 4);
	until(bench->vm, &viommu->resetting);
	/* No longer attached, the disk is in bypass, and works. */
	start_read(bench, 1);
	vcpu_still_waits(reset, bench->vm);
	release(bench, 1);
	vcpu_ends(reset, bench->vm);
	assert_non_null(bench->disk->running);
	assert_int_equal(wire_status(bench->vm, IOMMU_SLOT), 0);
}

TEST_WITH(the_end_of_bypass_waits_for_io_that_it_has_let, setup, teardown)
{
	const u32 bypass = offsetof(struct virtio_iommu_config, bypass);
	struct bench *bench = *state;
	struct vcpu_write *off;

	start_read(bench, 0);
	off = vcpu_writes(bench->vm, IOMMU_SLOT, VIRTIO_MMIO_CONFIG + bypass, 0, 1);
	for (unsigned i = 0; i < 5000 && wire_config_read(bench->vm, IOMMU_SLOT, bypass, 1); i++)
		pause_ms(1);
	assert_int_equal(wire_config_read(bench->vm, IOMMU_SLOT, bypass, 1), 0);
	vcpu_still_waits(off, bench->vm);
	assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_B, 0), 0);
	release(bench, 1);
	vcpu_ends(off, bench->vm);
	assert_null(bench->disk->running);
}

TEST_WITH(a_detach_waits_for_io_that_was_under_way_and_for_no_other, setup, teardown)
{
	const struct virtio_iommu_req_detach request = { .head.type = VIRTIO_IOMMU_T_DETACH,
							 .domain = htole32(DOMAIN),
							 .endpoint = htole32(ENDPOINT_A) };
	const struct wire_segment parts[] = { { RIG_REQUEST, 20, false }, { RIG_REPLY, 4, true } };
	struct bench *bench = *state;

	attach_disk(bench, VIRTIO_IOMMU_ATTACH_F_BYPASS);
	start_read(bench, 0);
	wire_write(bench->vm, RIG_REQUEST, &request, 20);
	wire_add(&bench->rig.requests, parts, 2);
	wire_kick(&bench->rig.requests);
	assert_false(wire_has_used(&bench->rig.requests));
	start_read(bench, 1);
	release(bench, 1);
	assert_true(wire_used(&bench->rig.requests, NULL, NULL));
	assert_non_null(bench->disk->running);
}

/* ---- over PCI ---- */

struct pci_host {
	struct pci_bench bench;
	struct loop_source source; /* its eventfd: the host is done */
};

static void host_is_done(struct loop_source *source, u32 events)
{
	struct pci_host *host = container_of(source, struct pci_host, source);
	u64 count;

	assert_int_equal(read(source->fd, &count, sizeof(count)), sizeof(count));
	host->bench.echo->busy = false;
}

static int pci_setup(void **state)
{
	static struct pci_host host;

	memset(&host, 0, sizeof(host));
	pci_bench_setup(&host.bench, DEVICE_NO_ENDPOINT, false);
	pci_bench_up(&host.bench, F(VIRTIO_F_RING_RESET));
	pci_bench_vectors(&host.bench);
	host.source = (struct loop_source){ eventfd(0, EFD_NONBLOCK), EPOLLIN, host_is_done };
	assert_int_equal(loop_add(host.bench.vm->loop, &host.source), 0);
	host.bench.echo->busy = true;
	*state = &host;
	return 0;
}

static int pci_teardown(void **state)
{
	struct pci_host *host = *state;

	vcpus_end(host->bench.vm);
	loop_remove(host->bench.vm->loop, &host->source);
	close(host->source.fd);
	pci_bench_teardown(&host->bench);
	return 0;
}

static void host_finishes(struct pci_host *host)
{
	assert_int_equal(eventfd_write(host->source.fd, 1), 0);
}

TEST_WITH(over_pci_status_reads_0_when_all_is_done, pci_setup, pci_teardown)
{
	struct pci_host *host = *state;
	struct pci_bench *bench = &host->bench;
	struct vcpu_write *reset, *master;

	reset = vcpu_writes_common(&bench->driver, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	until(bench->vm, &bench->echo->device.resetting);
	vcpu_still_waits(reset, bench->vm);
	assert_int_not_equal(pci_driver_status(&bench->driver), 0);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
	/* The BAR goes from under the access that waits. */
	pci_rig_move(bench->vm, BENCH_SLOT, 4, RIG_MMIO64 + 64 * MIB);
	/* Bus Master as well, which waits for the same. */
	master = vcpu_writes(bench->vm, 0, RIG_ECAM + (BENCH_SLOT << 15) + PCI_COMMAND - WIRE_MMIO,
			     PCI_COMMAND_MEMORY, 2);
	vcpu_still_waits(reset, bench->vm);
	vcpu_still_waits(master, bench->vm);
	host_finishes(host);
	vcpu_ends(reset, bench->vm);
	vcpu_ends(master, bench->vm);
	assert_int_equal(pci_driver_status(&bench->driver), 0);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		      2);
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(over_pci_a_queue_reset_is_that_queues_alone, pci_setup, pci_teardown)
{
	struct pci_host *host = *state;
	struct pci_bench *bench = &host->bench;
	struct vcpu_write *reset;

	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	reset = vcpu_writes_common(&bench->driver, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	until(bench->vm, &bench->echo->queues[0].stopping);
	vcpu_still_waits(reset, bench->vm);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_RESET, 2), 1);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* Another is selected when it ends. */
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	host_finishes(host);
	vcpu_ends(reset, bench->vm);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
}

TEST_WITH(a_reset_through_the_configuration_window_waits_as_well, pci_setup, pci_teardown)
{
	struct pci_host *host = *state;
	struct pci_bench *bench = &host->bench;
	struct vcpu_write *reset;

	bench->driver.by_window = true;
	reset = vcpu_writes_common(&bench->driver, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	until(bench->vm, &bench->echo->device.resetting);
	vcpu_still_waits(reset, bench->vm);
	assert_int_not_equal(pci_driver_status(&bench->driver), 0);
	host_finishes(host);
	vcpu_ends(reset, bench->vm);
	assert_int_equal(pci_driver_status(&bench->driver), 0);
}
