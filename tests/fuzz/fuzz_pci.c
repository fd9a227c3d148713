/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest on the PCI bus: any access to configuration space and to BARs wherever it puts
 * them, interrupts of all kinds programmed and taken away at any time, devices that signal them,
 * and spaces whose doorbells come and go. After each act pci_judge.h looks at what must be true.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>

#include "guard.h"
#include "pci_judge.h"
#include "pci_take.h"
#include "shim.h"
#include "virtio/pci.h"
#include "virtio/rng.h"
#include "vmm/vm.h"

#define VIRTIOS	  2
#define FUNCTIONS (TOYS + VIRTIOS)
#define ECHO_SLOT 3
#define RNG_SLOT  4
#define RINGS	  0x10000ull /* 64 KiB for each queue */

struct play {
	struct vm *vm;
	struct judge judge;
	struct door_space doors[2];
	struct toy *toys[TOYS];
	struct pci_function *functions[FUNCTIONS];
	struct echo *echo;
	struct pci_driver drivers[VIRTIOS];
	struct wire_queue queues[VIRTIOS][ECHO_QUEUES];
	unsigned up[VIRTIOS]; /* queues that were set up */
	unsigned toys_destroyed, echo_destroyed;
	unsigned fail_in; /* for alloc_fail(), in the next act */
	bool holey;	  /* a region may be missing: there was no memory */
	unsigned served;  /* by the echo device, before the act */
	bool master;	  /* and whether it might */
};

/* ---- acts ---- */

static bool echo_is_master(const struct play *play)
{
	return pci_get16(play->functions[TOYS], PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static void begin(struct play *play)
{
	judge_begin(&play->judge);
	play->served = play->echo->served;
	play->master = echo_is_master(play);
	alloc_fail(play->fail_in);
	play->fail_in = 0;
}

static void end(struct play *play)
{
	play->holey |= alloc_failed();
	judge_end(&play->judge);
	for (unsigned i = 0; i < TOYS; i++)
		toy_check(play->toys[i], !play->holey);
	/* "Bus Master": without it a function accesses no memory. */
	fuzz_check(play->master || echo_is_master(play) || play->served == play->echo->served);
}

/* Virtio devices interrupt when they want to. */
static bool is_virtio(const struct play *play, u16 bdf)
{
	return bdf >> 3 == ECHO_SLOT || bdf >> 3 == RNG_SLOT;
}

static bool is_virtios_bar(const struct play *play, u64 address)
{
	for (unsigned i = TOYS; i < FUNCTIONS; i++) {
		const struct pci_bar *bar = &play->functions[i]->bars[4];

		if (bar->decoded && address - bar->address < bar->size)
			return true;
	}
	return false;
}

static void config_write(struct play *play, u16 bdf, u32 offset, u32 value, unsigned len)
{
	begin(play);
	play->judge.exact = !is_virtio(play, bdf);
	pci_config_write(play->vm->pci, bdf, offset, value, len);
	end(play);
}

static void config_read(struct play *play, u16 bdf, u32 offset, unsigned len)
{
	u32 value;

	begin(play);
	play->judge.exact = !is_virtio(play, bdf);
	value = pci_config_read(play->vm->pci, bdf, offset, len);
	fuzz_check(!len || len > 3 || value == ~0u || value >> (8 * len) == 0);
	end(play);
}

static void store(struct play *play, u64 address, u64 value, unsigned len)
{
	begin(play);
	play->judge.exact = !is_virtios_bar(play, address) &&
			    !(address >= RIG_ECAM && address < RIG_ECAM + MIB &&
			      is_virtio(play, (address - RIG_ECAM) >> 12));
	pci_rig_store(play->vm, address, value, len);
	end(play);
}

static void load(struct play *play, u64 address, unsigned len)
{
	begin(play);
	play->judge.exact = !is_virtios_bar(play, address);
	pci_rig_load(play->vm, address, len);
	end(play);
}

/* ---- configuration space ---- */

static struct pci_function *take_function(struct play *play, struct input *in)
{
	return play->functions[input_below(in, FUNCTIONS)];
}

static void access_config(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u8 how = input_u8(in);
	u16 bdf = how & 0x40 ? pci_bdf(function) : how & 0x80 ? input_u16(in) : pci_bdf(function);
	u32 offset = take_register(in, function);
	unsigned len = take_len(in);

	if (how & 1)
		config_write(play, bdf, offset, take_value(in), len);
	else
		config_read(play, bdf, offset, len);
}

static void access_ecam(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u8 how = input_u8(in);
	u64 address = RIG_ECAM + ((u64)pci_bdf(function) << 12) + take_register(in, function);
	unsigned len = 1 << (how >> 1 & 3);

	if (how & 0x80)
		address = RIG_ECAM + input_u32(in) % MIB;
	if (how & 1)
		store(play, address, take_value(in), len);
	else
		load(play, address, len);
}

static void write_command(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u8 bits = input_u8(in);

	config_write(play, pci_bdf(function), PCI_COMMAND,
		     (bits & 7) | (bits & 8 ? PCI_COMMAND_INTX_DISABLE : 0), 2);
}

static void put_bar(struct play *play, const struct pci_function *function, unsigned n, u64 address)
{
	u32 at = n == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * n;

	config_write(play, pci_bdf(function), at, address, 4);
	if (function->bars[n].kind == PCI_BAR_MEMORY64)
		config_write(play, pci_bdf(function), at + 4, address >> 32, 4);
}

static void write_bar(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	unsigned n = input_below(in, PCI_BARS + 1);

	put_bar(play, function, n, take_address(in) | (n == PCI_ROM));
}

/* ---- interrupts ---- */

static u64 take_doorbell(struct input *in)
{
	u8 n = input_u8(in);

	return n < 0xe0 ? DOOR_AT + n % (DOORS + 1) * 0x1000 + (n >> 4) * 4 : take_address(in);
}

static void put_message(struct play *play, const struct pci_function *function, u64 address)
{
	config_write(play, pci_bdf(function), function->msi + PCI_MSI_ADDRESS_LO, address, 4);
	config_write(play, pci_bdf(function), function->msi + PCI_MSI_ADDRESS_HI, address >> 32, 4);
}

static void program_msi(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u8 what = input_u8(in);
	u16 at = function->msi, bdf = pci_bdf(function);

	if (!at)
		return;
	switch (what & 3) {
	case 0:
	case 1:
		config_write(play, bdf, at + PCI_MSI_FLAGS, what >> 2, 2);
		break;
	case 2:
		config_write(play, bdf, at + PCI_MSI_MASK_64, input_u8(in), 4);
		break;
	case 3:
		put_message(play, function, take_doorbell(in));
		config_write(play, bdf, at + PCI_MSI_DATA_64, input_u8(in), 2);
		break;
	}
}

static void control_msix(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);

	if (function->msix_at)
		config_write(play, pci_bdf(function), function->msix_at + PCI_MSIX_FLAGS,
			     input_u8(in) << 8, 2);
}

static u64 bar_of_table(const struct pci_function *function)
{
	u32 table = pci_get32(function, function->msix_at + PCI_MSIX_TABLE);

	return function->bars[table & PCI_MSIX_TABLE_BIR].address + (table & PCI_MSIX_TABLE_OFFSET);
}

/* Any access to the table or the pending bits, or an entry as drivers program it. */
static void access_table(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u8 how = input_u8(in);
	u64 table, door;

	if (!function->msix_at)
		return;
	table = bar_of_table(function);
	if (how & 1) {
		table += (how >> 1) % 8 * MSIX_ENTRY_SIZE;
		door = take_doorbell(in);
		store(play, table, door, how & 0x10 ? 4 : 8);
		store(play, table + PCI_MSIX_ENTRY_DATA, input_u8(in), 4);
		store(play, table + PCI_MSIX_ENTRY_VECTOR_CTRL, how >> 7, 4);
	} else if (how & 2) {
		store(play, table + (how >> 2) % 8 * MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
		      how >> 7, 4);
	} else if (how & 4) {
		store(play, table + input_u16(in) % 0x1000, take_value(in), 1 << (how >> 3 & 3));
	} else {
		load(play, table + input_u16(in) % 0x1000, 1 << (how >> 3 & 3));
	}
}

/* Everything there is, one behind the other. */
static void pile_up(struct play *play, struct input *in)
{
	u64 at = take_address(in) & ~0xfffull;

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		const struct pci_function *function = play->functions[i];

		for (unsigned n = 0; n < PCI_BARS; n++) {
			if (function->bars[n].kind == PCI_BAR_NONE)
				continue;
			at += at & (function->bars[n].size - 1) ? function->bars[n].size : 0;
			put_bar(play, function, n, at);
			at += function->bars[n].size > MIB ? 0 : function->bars[n].size;
		}
		config_write(play, pci_bdf(function), PCI_COMMAND, 7, 2);
	}
}

/* What would take a dozen lucky acts: a function whose vectors all are programmed. */
static void settle(struct play *play, struct input *in)
{
	struct pci_function *function = take_function(play, in);
	u16 bdf = pci_bdf(function);
	u64 door = take_doorbell(in), table;
	u8 masked = input_u8(in);

	config_write(play, bdf, PCI_COMMAND, 7, 2);
	if (function->msi) {
		put_message(play, function, door);
		config_write(play, bdf, function->msi + PCI_MSI_MASK_64, masked, 4);
		config_write(play, bdf, function->msi + PCI_MSI_FLAGS, 0x31, 2);
	}
	if (!function->msix_at)
		return;
	table = bar_of_table(function);
	config_write(play, bdf, function->msix_at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	for (unsigned n = 0; n < MIN(msix_count(function->msix), 8u); n++) {
		store(play, table + n * MSIX_ENTRY_SIZE, door, 8);
		store(play, table + n * MSIX_ENTRY_SIZE + 8, n | (u64)(masked >> n & 1) << 32, 8);
	}
}

/* Off and on again: what was pending is forgotten. */
static void toggle(struct play *play, struct input *in)
{
	const struct pci_function *function = take_function(play, in);
	u16 msi = function->msi + PCI_MSI_FLAGS, msix = function->msix_at + PCI_MSIX_FLAGS;
	u16 bdf = pci_bdf(function);
	u16 value;

	if (function->msi) {
		value = pci_get16(function, msi);
		config_write(play, bdf, msi, value & ~PCI_MSI_FLAGS_ENABLE, 2);
		config_write(play, bdf, msi, value | PCI_MSI_FLAGS_ENABLE, 2);
	}
	if (function->msix_at) {
		value = pci_get16(function, msix);
		config_write(play, bdf, msix, value & ~PCI_MSIX_FLAGS_ENABLE, 2);
		config_write(play, bdf, msix, value | PCI_MSIX_FLAGS_ENABLE, 2);
	}
}

static void signal_vector(struct play *play, struct input *in)
{
	struct toy *toy = play->toys[input_below(in, TOYS)];
	u8 n = input_u8(in);

	begin(play);
	if (n & 0x80) {
		n %= 16;
		judge_signal(&play->judge, &toy->function, JUDGE_MSI + n);
		if (toy->function.msix)
			msix_signal(toy->function.msix, n);
	} else {
		n %= 40;
		if (n < JUDGE_MSI)
			judge_signal(&play->judge, &toy->function, n);
		pci_msi_signal(&toy->function, n);
	}
	end(play);
}

static void assert_wire(struct play *play, struct input *in)
{
	u8 how = input_u8(in);

	begin(play);
	pci_intx(&play->toys[how % TOYS]->function, how & 0x80);
	end(play);
}

static void move_doors(struct play *play, struct input *in)
{
	u8 how = input_u8(in);
	struct door_space *doors = &play->doors[how & 1];
	u8 leads = input_u8(in);

	begin(play);
	doors->leads[how >> 1 & 3] = leads & 0x80 ? DOOR_CLOSED : leads & 7;
	doors->refuses = how >= 0xf0;
	dma_space_changed(&doors->space);
	end(play);
}

static void reset_toy(struct play *play, struct input *in)
{
	struct pci_function *function = &play->toys[input_below(in, TOYS)]->function;

	begin(play);
	pci_function_reset(function);
	/* "As after a reset of the function". */
	fuzz_check(!pci_get16(function, PCI_COMMAND));
	for (unsigned n = 0; n <= PCI_ROM; n++)
		fuzz_check(!function->bars[n].decoded);
	end(play);
}

/* ---- anywhere ---- */

static void access_memory(struct play *play, struct input *in)
{
	u8 how = input_u8(in);
	unsigned len = 1 << (how >> 1 & 3);
	u64 address = take_address(in);

	if (how & 0x80) {
		const struct pci_function *function = take_function(play, in);
		const struct pci_bar *bar = &function->bars[input_below(in, PCI_BARS)];

		address = bar->address + (bar->size ? input_u16(in) % bar->size : 0);
	}
	if (how & 1)
		store(play, address, how & 0x40 ? take_value(in) : input_u64(in), len);
	else
		load(play, address, len);
}

static void access_port(struct play *play, struct input *in)
{
	u32 value = take_value(in);
	u8 how = input_u8(in);
	u16 port = input_u16(in);

	begin(play);
	if (how & 1)
		bus_write(play->vm->ports, port, &value, 1 << (how >> 1) % 3);
	else
		bus_read(play->vm->ports, port, &value, 1 << (how >> 1) % 3);
	end(play);
}

/* ---- virtio ---- */

/* Through the window, which is there wherever the BARs are; registers in any order are
 * access_memory()'s. */
static void bring_up(struct play *play, struct input *in)
{
	unsigned n = input_below(in, VIRTIOS), queues = n ? 1 : ECHO_QUEUES;
	struct pci_driver *driver = &play->drivers[n];

	begin(play);
	play->judge.exact = false;
	driver->by_window = true;
	play->up[n] = 0;
	if (pci_driver_negotiate(driver, n ? 1ULL << VIRTIO_F_ACCESS_PLATFORM : 0)) {
		for (unsigned i = 0; i < queues; i++) {
			pci_driver_queue(driver, &play->queues[n][i], i, 16,
					 RINGS * (1 + i + n * ECHO_QUEUES));
			pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_MSIX, i, 2);
		}
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_MSIX, queues, 2);
		pci_driver_ok(driver);
		play->up[n] = queues;
	}
	end(play);
}

static void kick(struct play *play, struct input *in)
{
	static const struct wire_segment pair[] = { { 0x100000, 8, false }, { 0x200000, 8, true } };
	unsigned n = input_below(in, VIRTIOS);
	struct wire_queue *queue;
	u8 how = input_u8(in);

	if (!play->up[n])
		return;
	queue = &play->queues[n][how % play->up[n]];
	play->drivers[n].by_window = how & 0x40;
	begin(play);
	play->judge.exact = false;
	wire_add(queue, n ? &pair[1] : pair, n ? 1 : 2);
	pci_driver_kick(&play->drivers[n], queue);
	end(play);
}

static void access_structure(struct play *play, struct input *in)
{
	struct pci_driver *driver = &play->drivers[input_below(in, VIRTIOS)];
	const struct pci_structure *all[] = { &driver->common, &driver->notify, &driver->isr,
					      &driver->device };
	u8 how = input_u8(in);
	const struct pci_structure *structure = all[how >> 1 & 3];
	u32 offset = input_u8(in);
	unsigned len = 1 << (how >> 3) % 3;

	begin(play);
	play->judge.exact = false;
	driver->by_window = how & 0x40;
	if (how & 1)
		pci_driver_put(driver, structure, offset, take_value(in), len);
	else
		pci_driver_get(driver, structure, offset, len);
	end(play);
}

static void poll(struct play *play, struct input *in)
{
	begin(play);
	play->judge.exact = false;
	loop_poll(play->vm->loop, 0);
	end(play);
}

static void change_config(struct play *play, struct input *in)
{
	begin(play);
	play->judge.exact = false;
	virtio_device_config_changed(&play->echo->device);
	end(play);
}

static void fail_allocation(struct play *play, struct input *in)
{
	play->fail_in = 1 + input_below(in, 3);
}

/* ---- one input ---- */

static void add_virtio(struct play *play, struct virtio_device *device, unsigned slot, u32 endpoint)
{
	fuzz_check(!virtio_pci_create(play->vm, play->vm->pci, device, slot << 3, endpoint));
	play->functions[TOYS + (slot == RNG_SLOT)] = pci_bus_find(play->vm->pci, slot, 0);
}

static void create_functions(struct play *play, u8 how)
{
	struct virtio_device *rng;

	for (unsigned i = 0; i < TOYS; i++) {
		struct toy_kind kind = toy_kinds[i];

		/* More vectors than the machine has routes. */
		if (i == 2 && how & 1) {
			kind.msix = 70;
			play->judge.starved = true;
		}
		play->toys[i] = toy_create(play->vm, play->vm->pci, &kind,
					   i ? &play->doors[i - 1].space
					     : &play->vm->identity.space,
					   1 + i / 2, i % 2 * 3, &play->toys_destroyed);
		play->functions[i] = &play->toys[i]->function;
	}
	play->echo = echo_alloc(play->vm);
	play->echo->destroyed = &play->echo_destroyed;
	play->echo->device.space = &play->doors[0].space;
	play->echo->device.kick_on_vcpu = how & 2;
	add_virtio(play, &play->echo->device, ECHO_SLOT, DEVICE_NO_ENDPOINT);
	fuzz_check(!virtio_rng_create(&rng, &play->doors[1].space));
	add_virtio(play, rng, RNG_SLOT, RNG_SLOT << 3);
}

static void create(struct play *play, struct input *in)
{
	u8 how = input_u8(in);

	memset(play, 0, sizeof(*play));
	play->vm = wire_create();
	guard_raise(play->vm->memory);
	toy_bus_create(play->vm);
	judge_init(&play->judge, play->vm);
	for (unsigned i = 0; i < ARRAY_SIZE(play->doors); i++)
		door_space_init(&play->doors[i], play->vm);
	create_functions(play, how);
	if (how & 4)
		wire_allow_ioevents();
	fuzz_check(!pci_bus_place_bars(play->vm->pci, NULL));
	for (unsigned i = 0; i < FUNCTIONS; i++)
		judge_add(&play->judge, play->functions[i], i < TOYS);
	for (unsigned i = 0; i < VIRTIOS; i++)
		pci_driver_find(&play->drivers[i], play->vm, ECHO_SLOT + i);
}

static void destroy(struct play *play)
{
	judge_destroy(play->vm);
	fuzz_check(play->toys_destroyed == TOYS && play->echo_destroyed == 1);
	for (unsigned i = 0; i < ARRAY_SIZE(play->doors); i++)
		fuzz_check(list_empty(&play->doors[i].space.vectors));
	wire_destroy(play->vm);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const steps[])(struct play *, struct input *) = {
		access_config, access_config, access_ecam,   write_command,
		write_bar,     write_bar,     program_msi,   program_msi,
		control_msix,  access_table,  access_table,  pile_up,
		settle,	       settle,	      signal_vector, signal_vector,
		assert_wire,   move_doors,    reset_toy,     access_memory,
		access_port,   bring_up,      kick,	     access_structure,
		poll,	       change_config, poll,	     fail_allocation,
		move_doors,    toggle,
	};
	struct input in = { data, size };
	static struct play play;

	create(&play, &in);
	while (in.left)
		steps[input_below(&in, ARRAY_SIZE(steps))](&play, &in);
	destroy(&play);
	return 0;
}
