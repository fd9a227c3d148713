/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A passed device: hardware that says anything of itself in configuration space, and in what
 * VFIO tells of it, a guest that does anything with it, and a host that wants it back in the
 * middle. It is refused with a line, or it works as pci_judge.h and check_device() have it; when it
 * is gone nothing of it is left. The host's kernel stands in tests/include/vfio_fake.h.
 */
#include <stdlib.h>
#include <unistd.h>

#include "guard.h"
#include "pci_take.h"
#include "shim.h"
#include "vfio_play.h"
#include "vmm/vm.h"

#define SLOT 1
#define BDF  (SLOT << 3)

struct play play;

/* ---- acts ---- */

/* Taking all vectors off and setting them again signals those that are used. */
static void begin(bool exact)
{
	judge_begin(&play.judge);
	play.judge.exact = exact;
	alloc_fail(play.fail_in);
	play.fail_in = 0;
}

static void end(void)
{
	play.holey |= alloc_failed();
	judge_end(&play.judge);
	check_device();
}

static void put_config(u32 offset, u32 value, unsigned len)
{
	vm_lock(play.vm);
	pci_config_write(play.vm->pci, BDF, offset, value, len);
	vm_unlock(play.vm);
}

static void config_write(u32 offset, u32 value, unsigned len)
{
	begin(false);
	put_config(offset, value, len);
	end();
}

static void store(u64 address, u64 value, unsigned len)
{
	begin(false);
	pci_rig_store(play.vm, address, value, len);
	end();
}

static void access_config(struct input *in)
{
	u32 offset = take_register(in, &play.device->function);
	unsigned len = take_len(in);
	u8 how = input_u8(in);

	begin(false);
	if (how & 3)
		put_config(offset, take_value(in), len);
	else
		pci_config_read(play.vm->pci, BDF, offset, len);
	end();
}

static void write_command(struct input *in)
{
	u8 bits = input_u8(in);

	config_write(PCI_COMMAND, (bits & 7) | (bits & 8 ? PCI_COMMAND_INTX_DISABLE : 0), 2);
}

static void write_bar(struct input *in)
{
	unsigned n = input_below(in, PCI_BARS + 1);
	u64 address = take_address(in) | (n == PCI_ROM);
	u32 at = n == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * n;

	config_write(at, address, 4);
	if (play.device->function.bars[n].kind == PCI_BAR_MEMORY64)
		config_write(at + 4, address >> 32, 4);
}

static u64 take_doorbell(struct input *in)
{
	u8 n = input_u8(in);

	return n < 0xf0 ? DOOR_AT + n % (DOORS + 1) * 0x1000 : take_address(in);
}

static void program_msi(struct input *in)
{
	u16 at = play.device->function.msi;
	u8 what = input_u8(in);
	u64 door;

	if (!at)
		return;
	if (what & 1) {
		config_write(at + PCI_MSI_FLAGS, what >> 1, 2);
		return;
	}
	door = take_doorbell(in);
	config_write(at + PCI_MSI_ADDRESS_LO, door, 4);
	config_write(at + PCI_MSI_ADDRESS_HI, door >> 32, 4);
	config_write(at + PCI_MSI_MASK_64, input_u8(in), 4);
}

static void control_msix(struct input *in)
{
	u16 at = play.device->function.msix_at;

	if (at)
		config_write(at + PCI_MSIX_FLAGS, input_u8(in) << 8, 2);
}

/* Where the guest finds the table; 0 if it does not. */
static u64 find_table(void)
{
	const struct pci_function *function = &play.device->function;
	u32 table;

	if (!function->msix_at)
		return 0;
	table = pci_get32(function, function->msix_at + PCI_MSIX_TABLE);
	return function->bars[table & 7].decoded ? function->bars[table & 7].address + (table & ~7u)
						 : 0;
}

static void program_vector(struct input *in)
{
	u64 table = find_table();
	u8 how = input_u8(in);

	if (!table)
		return;
	table += (how & 0x40 ? input_u16(in) % 2100 : how & 7) * MSIX_ENTRY_SIZE;
	if (how & 8) {
		store(table + input_u8(in) % 32, take_value(in), 1 << (how >> 4 & 3));
		return;
	}
	store(table, take_doorbell(in), 8);
	store(table + 8, (how & 7) | (u64)(how >> 7) << 32, 8);
}

/* Whether [offset, offset + len) of BAR @n meets none of what is ours in it. */
static bool is_hardwares(unsigned n, u64 offset, unsigned len)
{
	const struct pci_function *function = &play.device->function;
	u32 table, pba;

	if (!function->msix_at)
		return true;
	table = pci_get32(function, function->msix_at + PCI_MSIX_TABLE);
	pba = pci_get32(function, function->msix_at + PCI_MSIX_PBA);
	return !((table & 7) == n &&
		 over(offset, len, table & ~7u, msix_table_size(function->msix))) &&
	       !((pba & 7) == n && over(offset, len, pba & ~7u, msix_pba_size(function->msix)));
}

/* Registers that trap are the hardware's own: what was read or written is what it has. */
static void access_bar(unsigned n, u64 offset, unsigned len, bool write, u64 value)
{
	const struct pci_bar *bar = &play.device->function.bars[n];
	bool io = bar->kind == PCI_BAR_IO;
	struct bus *bus = io ? play.vm->ports : play.vm->mmio;
	u64 has = 0;

	begin(false);
	if (write)
		bus_write(bus, bar->address + offset, &value, len);
	else if (!bus_read(bus, bar->address + offset, &value, len))
		value = ~0ull;
	end();
	if (!bar->decoded || play.holey || play.device->gone || (write && n == PCI_ROM) ||
	    !is_hardwares(n, offset, len) || offset + len > play_memory(n))
		return;
	memcpy(&has, play.hardware->regions[n].memory + offset, len);
	fuzz_check(!memcmp(&has, &value, len));
}

static void access_memory(struct input *in)
{
	unsigned n = input_below(in, PCI_BARS + 1);
	u8 how = input_u8(in);
	u64 value = take_value(in), size = play.device->function.bars[n].size;
	unsigned len = 1 << (how >> 1 & 3);

	if (!(how & 0x80) && size) {
		access_bar(n, input_u16(in) % size, MIN(len, size), how & 1, value);
		return;
	}
	begin(false);
	if (how & 1)
		pci_rig_store(play.vm, take_address(in), value, len);
	else
		pci_rig_load(play.vm, take_address(in), len);
	end();
}

/* D0 or D3, if it has power management; a reset, if it has one. */
static void change_power(struct input *in)
{
	const struct vfio_device *device = play.device;
	u8 how = input_u8(in);

	if (how & 0x80 && device->pcie)
		config_write(device->pcie + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	else if (how & 0x40 && device->af)
		config_write(device->af + PCI_AF_CTRL, PCI_AF_CTRL_FLR, 1);
	else if (device->pm)
		config_write(device->pm + PCI_PM_CTRL, how & 3, 1 << (how >> 2) % 3);
}

static void settle(struct input *in)
{
	const struct pci_function *function = &play.device->function;
	unsigned count = input_below(in, 12);
	u64 at = take_address(in) & ~0xfffull, table;

	for (unsigned n = 0; n < PCI_BARS; n++) {
		u64 size = function->bars[n].size;

		if (!size || size > MIB)
			continue;
		at = align_up(at, size);
		config_write(PCI_BASE_ADDRESS_0 + 4 * n,
			     function->bars[n].kind == PCI_BAR_IO ? 0x1000 + n * 0x100 : at, 4);
		if (function->bars[n].kind == PCI_BAR_MEMORY64)
			config_write(PCI_BASE_ADDRESS_0 + 4 * n + 4, at >> 32, 4);
		at += size;
	}
	config_write(PCI_COMMAND, 7, 2);
	if (!function->msix_at)
		return;
	config_write(function->msix_at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	table = find_table();
	for (unsigned n = 0; table && n < count; n++) {
		store(table + n * MSIX_ENTRY_SIZE, DOOR_AT, 8);
		store(table + n * MSIX_ENTRY_SIZE + 8, n, 8);
	}
}

/* ---- acts of the others ---- */

/* It reaches the guest, or is pending: with hardware there is no access that is refused. */
static void raise_vector(struct input *in)
{
	struct fake_device *hardware = play.hardware;
	unsigned n = input_u8(in) % FAKE_VECTORS, first;
	struct judge_vector v;
	bool tied;

	if (!hardware->open || n >= hardware->vector_count || hardware->vectors[n] < 0 ||
	    hardware->irq_on == VFIO_PCI_INTX_IRQ_INDEX)
		return;
	first = hardware->irq_on == VFIO_PCI_MSIX_IRQ_INDEX ? JUDGE_MSI : 0;
	fuzz_check(judge_vector(&play.device->function, first + n, &v) && v.on);
	tied = v.vector->tied;
	begin(true);
	fuzz_check(vfio_fake_raise(hardware, n));
	play.judge.expected += tied;
	end();
	fuzz_check(tied || msi_vector_pending(v.vector));
}

static void move_doors(struct input *in)
{
	u8 how = input_u8(in);

	begin(true);
	play.doors.leads[how & 3] = how & 0x80 ? DOOR_CLOSED : how >> 2 & 7;
	dma_space_changed(&play.doors.space);
	end();
}

/* "The host wants it back", or it dies. */
static void give_back(struct input *in)
{
	u8 how = input_u8(in);
	int fd = how & 1 ? play.hardware->error_fd : play.hardware->request_fd;
	u64 one = 1;

	if (how < 0xe0 || !play.hardware->open || fd < 0)
		return;
	fuzz_check(write(fd, &one, sizeof(one)) == sizeof(one));
	begin(false);
	loop_poll(play.vm->loop, 0);
	end();
	fuzz_check(play.device->gone && list_empty(&play.vm->page_slots));
}

static void change_host(struct input *in)
{
	u8 how = input_u8(in);

	if (how & 1) {
		play.hardware->vectors_max = input_below(in, FAKE_VECTORS + 1);
		/* What it refused before it is not asked for again when it has more. */
		play.holey = true;
	} else {
		play.hardware->config[PCI_STD_HEADER_SIZEOF +
				      input_u16(in) % (PCI_CONFIG_SIZE - PCI_STD_HEADER_SIZEOF)] =
			how;
	}
}

static void fail_allocation(struct input *in)
{
	play.fail_in = 1 + input_below(in, 3);
}

/* ---- one input ---- */

/* Whatever the hardware's lists are, the guest's end, and meet nothing twice. */
static void check_lists(void)
{
	bool seen[PCI_CONFIG_SIZE] = { false };
	u32 at = pci_config_read(play.vm->pci, BDF, PCI_CAPABILITY_LIST, 1), header;

	while (at) {
		fuzz_check(at >= PCI_STD_HEADER_SIZEOF && !(at % 4) && !seen[at]);
		seen[at] = true;
		at = pci_config_read(play.vm->pci, BDF, at + PCI_CAP_LIST_NEXT, 1);
	}
	at = PCI_CFG_SPACE_SIZE;
	header = pci_config_read(play.vm->pci, BDF, at, 4);
	while (at && header != ~0u) {
		fuzz_check(at >= PCI_CFG_SPACE_SIZE && !seen[at]);
		seen[at] = true;
		header = pci_config_read(play.vm->pci, BDF, at, 4);
		at = PCI_EXT_CAP_NEXT(header);
	}
}

static void create(struct input *in)
{
	memset(&play, 0, sizeof(play));
	memset(play.intx_fds, 0xff, sizeof(play.intx_fds));
	take_hardware(in);
	play.vm = wire_create();
	guard_raise(play.vm->memory);
	toy_bus_create(play.vm);
	judge_init(&play.judge, play.vm);
	door_space_init(&play.doors, play.vm);
	play.group = (struct vfio_group){ .number = 4, .fd = vfio_sys_open("/dev/vfio/4") };
	fuzz_check(!vfio_container_open(&play.container, &vfio_host_paths, "vfio x", NULL));
	fuzz_check(!vfio_container_attach(play.container, play.group.fd, "vfio x", NULL));
	play.group.container = play.container;
	play.container->vm = play.vm;
	vfio_peers_init(&play.peers);
	vfio_container_join(play.container, &play.peers);
	play.device = calloc(1, sizeof(*play.device));
	fuzz_check(play.device);
	play.device->address = (struct vfio_address){ .slot = 4 };
	strcpy(play.device->name, "vfio 0000:00:04.0");
	play.device->peers = &play.peers;
	fuzz_check(!vfio_device_open(play.device, &play.group, NULL));
	vfio_reach_all(&play.container->reach);
}

/* Whether there is a guest that has the device; else there is a line that says why not. */
static bool start(struct input *in)
{
	struct error err = { "" };
	int ret;

	alloc_fail(input_u8(in) & 0x80 ? input_u8(in) : 0);
	ret = vfio_device_add(play.device, play.vm->pci, play.vm, SLOT, 0, &play.doors.space, BDF,
			      &err);
	play.holey = alloc_failed();
	fuzz_check(!ret == !err.text[0]);
	fuzz_check(!ret == !!pci_bus_find(play.vm->pci, SLOT, 0));
	if (ret)
		return false;
	ret = pci_bus_place_bars(play.vm->pci, &err);
	fuzz_check(!ret == !err.text[0]);
	return !ret;
}

static void destroy(void)
{
	judge_destroy(play.vm);
	fuzz_check(list_empty(&play.vm->page_slots) && list_empty(&play.doors.space.vectors));
	fuzz_check(!play.hardware->vector_count);
	/* The guest is no longer there: nor is the device master, if it has such a register. */
	fuzz_check(!play.hardware->open || play.hardware->config_size < PCI_STD_HEADER_SIZEOF ||
		   !(play.hardware->config[PCI_COMMAND] & PCI_COMMAND_MASTER));
	for (unsigned i = 0; i < LINES; i++)
		fuzz_check(play.intx_fds[i] < 0);
	vfio_device_close(play.device);
	free(play.device);
	vfio_group_close(&play.group);
	vfio_container_close(play.container);
	wire_destroy(play.vm);
	vfio_fake_end();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const steps[])(struct input *) = {
		access_config, access_config,	access_config, write_command,  write_bar,
		program_msi,   program_msi,	control_msix,  program_vector, program_vector,
		access_memory, access_memory,	change_power,  settle,	       settle,
		raise_vector,  raise_vector,	raise_vector,  move_doors,     give_back,
		change_host,   fail_allocation,
	};
	struct input in = { data, size };
	const struct pci_function *function;

	create(&in);
	if (start(&in)) {
		function = &play.device->function;
		judge_add(&play.judge, &play.device->function, false);
		play.judge.starved = function->msix && msix_count(function->msix) > 32;
		begin(true);
		end();
		check_lists();
		while (in.left)
			steps[input_below(&in, ARRAY_SIZE(steps))](&in);
	}
	destroy();
	return 0;
}
