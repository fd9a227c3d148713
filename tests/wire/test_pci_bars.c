/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over PCI Bus": kicks where the BAR is, BARs that move, and the window. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "pci_driver.h"
#include "virtio/pci.h"

#define ELSEWHERE (RIG_MMIO32 + 0x100000)
#define NOTIFY	  0x3000 /* in BAR 4 */

static int setup_as(void **state, bool kick_on_vcpu)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, DEVICE_NO_ENDPOINT, kick_on_vcpu);
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, false);
}

static int setup_vcpu(void **state)
{
	return setup_as(state, true);
}

static int teardown(void **state)
{
	pci_bench_teardown(*state);
	return 0;
}

static void notify(struct pci_bench *bench, u32 offset, u64 value, unsigned len)
{
	pci_driver_put(&bench->driver, &bench->driver.notify, offset, value, len);
}

static void move(struct pci_bench *bench, u64 address)
{
	pci_rig_move(bench->vm, BENCH_SLOT, 4, address);
}

/* ---- kicks ---- */

TEST_WITH(a_kick_is_the_16_bit_index_at_the_queues_own_address, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const struct {
		u32 offset;
		u64 value;
		unsigned len;
	} none[] = {
		{ 0, 0, 1 }, { 0, 0, 4 },	 { 0, 0, 8 },	  { 2, 0, 2 },
		{ 0, 1, 2 }, { 4, 0, 2 },	 { 1, 0, 2 },	  { 0, 0xffff, 2 },
		{ 8, 2, 2 }, { 0xffc, 1023, 2 }, { 0xffe, 0, 2 }, { 0x400, 256, 2 },
	};

	pci_bench_up(bench, 0);
	pci_bench_add(bench);
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
		notify(bench, none[i].offset, none[i].value, none[i].len);
	pci_bench_poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
	notify(bench, 0, 0, 2);
	assert_true(pci_driver_used(&bench->driver, &bench->queue, NULL));
	assert_int_equal(bench->echo->kicks, 1);
}

TEST_WITH(a_kick_before_driver_ok_is_served_after_it, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_true(pci_driver_negotiate(&bench->driver, 0));
	pci_driver_queue(&bench->driver, &bench->queue, 0, BENCH_SIZE, BENCH_RINGS);
	pci_bench_add(bench);
	notify(bench, 0, 0, 2);
	pci_bench_poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
	pci_driver_ok(&bench->driver);
	pci_bench_poll(bench);
	assert_true(pci_driver_used(&bench->driver, &bench->queue, NULL));
}

/* KVM rings since its first life, so the kick does not come by an exit. */
TEST_WITH(so_is_one_in_the_devices_second_life, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_true(pci_driver_negotiate(&bench->driver, 0));
	pci_driver_queue(&bench->driver, &bench->queue, 0, BENCH_SIZE, BENCH_RINGS);
	pci_bench_add(bench);
	notify(bench, 0, 0, 2);
	pci_bench_poll(bench);
	pci_driver_ok(&bench->driver);
	pci_bench_poll(bench);
	assert_true(pci_driver_used(&bench->driver, &bench->queue, NULL));
}

TEST_WITH(a_kick_on_the_vcpu_is_served_before_the_write_returns, setup_vcpu, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	assert_int_equal(wire_ioevents(), 0);
	pci_bench_add(bench);
	notify(bench, 0, 0, 2);
	assert_true(wire_has_used(&bench->queue));
	move(bench, ELSEWHERE);
	assert_int_equal(wire_ioevents(), 0);
}

TEST_WITH(ioevents_are_added_at_driver_ok_and_survive_a_reset, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	assert_int_equal(wire_ioevents(), 1); /* the enabled queue alone */
	pci_bench_echoes(bench);
	pci_bench_up(bench, 0);
	assert_int_equal(wire_ioevents(), 1);
	pci_bench_echoes(bench);
}

TEST_WITH(nothing_is_served_without_bus_master_and_nothing_is_lost, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_bench_add(bench);
	notify(bench, 0, 0, 2);
	pci_bench_poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		      2);
	assert_true(pci_driver_used(&bench->driver, &bench->queue, NULL));
}

/* ---- BARs that move ---- */

TEST_WITH(kicks_move_with_the_bar, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	move(bench, ELSEWHERE);
	assert_int_equal(wire_ioevents(), 1);
	assert_true(wire_ioevent(ELSEWHERE + NOTIFY, 2, 0));
	pci_bench_poll(bench);
	pci_bench_echoes(bench);
	move(bench, RIG_MMIO64 + GIB - 0x4000);
	pci_bench_echoes(bench);
}

/* Its registers get what a stale doorbell would have eaten. */
TEST_WITH(who_comes_to_the_old_address_gets_its_own_writes, setup, teardown)
{
	struct pci_bench *bench = *state;
	struct echo *second = echo_alloc(bench->vm);
	u64 old = pci_rig_bar(bench->vm, BENCH_SLOT, 4);
	struct pci_driver other;
	struct wire_queue queue;

	wire_allow_ioevents();
	second->device.kick_on_vcpu = true;
	assert_int_equal(virtio_pci_create(bench->vm, bench->vm->pci, &second->device,
					   (BENCH_SLOT + 1) << 3, DEVICE_NO_ENDPOINT),
			 0);
	pci_bench_up(bench, 0);
	move(bench, ELSEWHERE);
	pci_driver_find(&other, bench->vm, BENCH_SLOT + 1);
	pci_rig_move(bench->vm, BENCH_SLOT + 1, 4, old);
	assert_true(pci_driver_negotiate(&other, 0));
	pci_driver_queue(&other, &queue, 0, BENCH_SIZE, BENCH_RINGS2);
	pci_driver_ok(&other);
	pci_rig_store(bench->vm, old + NOTIFY, 0, 2);
	assert_int_equal(second->kicks, 1);
	pci_bench_poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(a_bar_that_is_switched_off_has_no_doorbells, setup, teardown)
{
	struct pci_bench *bench = *state;
	u64 bar = pci_rig_bar(bench->vm, BENCH_SLOT, 4);

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(wire_ioevents(), 0);
	assert_int_equal(pci_rig_load(bench->vm, bar, 4), 0xffffffff);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		      2);
	assert_int_equal(wire_ioevents(), 1);
	pci_bench_echoes(bench);
}

TEST_WITH(doorbells_first_heard_while_the_bar_is_off_are_armed_later, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	bench->driver.by_window = true;
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	pci_bench_up(bench, 0);
	assert_int_equal(wire_ioevents(), 0);
	pci_bench_echoes(bench);
	bench->driver.by_window = false;
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		      2);
	assert_int_equal(wire_ioevents(), 1);
	pci_bench_echoes(bench);
}

TEST_WITH(a_guest_that_moves_for_ever_does_without_ioevents, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	for (unsigned i = 0; i < 1000; i++)
		move(bench, ELSEWHERE + i % 2 * 0x4000);
	assert_int_equal(wire_ioevents(), 0);
	pci_bench_echoes(bench);
}

TEST_WITH(absurd_bars_change_nothing_but_their_own_device, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const u64 absurd[] = { 0,
				      UINT64_MAX,
				      UINT64_MAX - 0x3fff,
				      0x100000,
				      WIRE_HIGH,
				      RIG_ECAM,
				      RIG_MMIO32 - 0x4000,
				      RIG_MMIO32 + 256 * MIB - 0x2000,
				      RIG_DOORBELL,
				      WIRE_MMIO };
	u64 home = pci_rig_bar(bench->vm, BENCH_SLOT, 4);
	u64 vectors = pci_rig_bar(bench->vm, BENCH_SLOT, 1);
	u32 id = pci_rig_read(bench->vm, 0, PCI_VENDOR_ID, 4);

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(absurd); i++) {
		move(bench, absurd[i]);
		pci_rig_move(bench->vm, BENCH_SLOT, 1, absurd[i]);
		pci_rig_store(bench->vm, absurd[i], 0, 4);
		assert_int_equal(pci_rig_read(bench->vm, 0, PCI_VENDOR_ID, 4), id);
		pci_rig_move(bench->vm, BENCH_SLOT, 1, vectors);
		/* Over our own vectors: the first to be decoded stands. */
		move(bench, vectors);
		move(bench, home);
	}
	pci_bench_vectors(bench);
	pci_bench_echoes(bench);
	assert_int_equal(wire_msis(NULL), 1);
}

TEST_WITH(decoding_half_an_address_is_no_harm, setup, teardown)
{
	struct pci_bench *bench = *state;
	u64 home = pci_rig_bar(bench->vm, BENCH_SLOT, 4);

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	/* Decoding stays on: the BAR is nowhere in between. */
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_BASE_ADDRESS_5, ~0u, 4);
	assert_int_equal(wire_ioevents(), 0);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_BASE_ADDRESS_4, ~0u, 4);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_BASE_ADDRESS_4, home, 4);
	pci_rig_write(bench->vm, BENCH_SLOT, PCI_BASE_ADDRESS_5, home >> 32, 4);
	assert_int_equal(wire_ioevents(), 1);
	pci_bench_echoes(bench);
}

/* ---- the PCI configuration access capability ---- */

static void window(struct pci_bench *bench, u8 bar, u32 offset, u32 length)
{
	u16 at = bench->driver.window.at;

	pci_rig_write(bench->vm, BENCH_SLOT, at + VIRTIO_PCI_CAP_BAR, bar, 1);
	pci_rig_write(bench->vm, BENCH_SLOT, at + VIRTIO_PCI_CAP_OFFSET, offset, 4);
	pci_rig_write(bench->vm, BENCH_SLOT, at + VIRTIO_PCI_CAP_LENGTH, length, 4);
}

static u32 through(struct pci_bench *bench, unsigned byte, unsigned len)
{
	return pci_rig_read(bench->vm, BENCH_SLOT,
			    bench->driver.window.at + sizeof(struct virtio_pci_cap) + byte, len);
}

static void write_through(struct pci_bench *bench, u32 value, unsigned len)
{
	pci_rig_write(bench->vm, BENCH_SLOT,
		      bench->driver.window.at + sizeof(struct virtio_pci_cap), value, len);
}

TEST_WITH(a_read_stores_the_first_bytes_of_the_window, setup, teardown)
{
	struct pci_bench *bench = *state;

	window(bench, 0, 0, 0);
	write_through(bench, 0xa1b2c3d4, 4);
	window(bench, 4, bench->driver.device.offset, 2);
	assert_int_equal(through(bench, 0, 4), 0xa1b21110);
	assert_int_equal(through(bench, 0, 1), 0x10);
	assert_int_equal(through(bench, 1, 1), 0x11);
	assert_int_equal(through(bench, 2, 2), 0xa1b2);
	window(bench, 4, bench->driver.device.offset + 4, 4);
	assert_int_equal(through(bench, 0, 4), 0x17161514);
	window(bench, 4, bench->driver.device.offset + 3, 1);
	assert_int_equal(through(bench, 0, 4), 0x17161513);
}

TEST_WITH(a_write_takes_the_first_bytes_of_the_window, setup, teardown)
{
	struct pci_bench *bench = *state;

	window(bench, 4, bench->driver.device.offset + 4, 2);
	write_through(bench, 0xa1b2c3d4, 4);
	assert_int_equal(pci_driver_get(&bench->driver, &bench->driver.device, 4, 4), 0x1716c3d4);
	window(bench, 4, bench->driver.device.offset, 1);
	write_through(bench, 0x55, 1);
	assert_int_equal(pci_driver_get(&bench->driver, &bench->driver.device, 0, 4), 0x13121155);
}

TEST_WITH(a_window_on_nothing_reads_what_was_there_and_writes_nothing, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const struct {
		u8 bar;
		u32 offset, length;
	} bad[] = {
		{ 0, 0x2000, 4 },     { 1, 0, 4 },	    { 2, 0x2000, 4 },
		{ 5, 0x2000, 4 },     { 6, 0x2000, 4 },	    { 0xff, 0x2000, 4 },
		{ 4, 0x2000, 0 },     { 4, 0x2000, 3 },	    { 4, 0x2000, 8 },
		{ 4, 0x2000, ~0u },   { 4, 0x2001, 2 },	    { 4, 0x2002, 4 },
		{ 4, 0x4000, 4 },     { 4, 0xfffffffc, 4 }, { 4, 0xffffffff, 1 },
		{ 4, 0x80002000, 4 }, { 4, 0x2000, 0x104 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		window(bench, bad[i].bar, bad[i].offset, bad[i].length);
		write_through(bench, 0xdeadbeef, 4);
		assert_int_equal(through(bench, 0, 4), 0xdeadbeef);
	}
	for (unsigned i = 0; i < sizeof(bench->echo->config); i++)
		assert_int_equal(bench->echo->config[i], 0x10 + i);
	assert_int_equal(pci_rig_load(bench->vm, pci_rig_bar(bench->vm, BENCH_SLOT, 1), 4), 0);
}

TEST_WITH(only_the_windows_own_fields_are_the_drivers, setup, teardown)
{
	struct pci_bench *bench = *state;
	u16 at = bench->driver.window.at;

	for (unsigned i = 0; i < 20; i++) {
		bool theirs = i == VIRTIO_PCI_CAP_BAR || i >= VIRTIO_PCI_CAP_OFFSET;
		u8 before = pci_rig_read(bench->vm, BENCH_SLOT, at + i, 1), after;

		pci_rig_write(bench->vm, BENCH_SLOT, at + i, ~before & 0xff, 1);
		after = pci_rig_read(bench->vm, BENCH_SLOT, at + i, 1);
		assert_int_equal(after, theirs ? ~before & 0xff : before);
	}
}

/* As firmware may: the kick, too. */
TEST_WITH(a_driver_can_do_with_the_window_alone, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_rig_write(bench->vm, BENCH_SLOT, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	bench->driver.by_window = true;
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
	assert_int_equal(pci_driver_get(&bench->driver, &bench->driver.isr, 0, 1), 1);
}
