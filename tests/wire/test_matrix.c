/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each device on each transport, on each layout of rings, with an IOMMU in front of it and without:
 * its data gets through in both directions, several times round the ring. One row of a table for
 * each device.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "fake_disk.h"
#include "folder/folder.h"
#include "iommu_driver.h"
#include "net_rig.h"
#include "pci_driver.h"
#include "test.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/fs.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"
#include "virtio/pci.h"
#include "virtio/rng.h"
#include "vmm/terminal.h"

#define F(bit)	  (1ull << (bit))
#define MMIO_SLOT 1
#define PCI_SLOT  3
#define DOMAIN	  5
#define RINGS(n)  (0x100000 + (n)*0x10000)
#define TO	  0x200000 /* what the device reads, and what it writes */
#define FROM	  0x280000
#define LAST	  0x2fffff
#define SIZE	  16
#define ROUNDS	  40 /* more than twice round the ring */

/* ---- a console's other end ---- */

struct terminal {
	struct terminal_client *client;
	char in[256], out[256];
	size_t in_len, out_len;
};

static struct terminal terminal;

void terminal_set_client(struct terminal *to, struct terminal_client *client)
{
	to->client = client;
}

size_t terminal_read(struct terminal *from, void *data, size_t len)
{
	len = MIN(len, from->in_len);
	memcpy(data, from->in, len);
	from->in_len -= len;
	memmove(from->in, from->in + len, from->in_len);
	return len;
}

size_t terminal_write(struct terminal *to, const void *data, size_t len)
{
	assert_true(to->out_len + len <= sizeof(to->out));
	memcpy(to->out + to->out_len, data, len);
	to->out_len += len;
	return len;
}

void terminal_size(const struct terminal *of, u16 *columns, u16 *rows)
{
	*columns = *rows = 0;
}

/* ---- a cell of the table ---- */

struct cell {
	bool pci, iommu;
	u64 rings; /* features */
	/* What there is in it. */
	struct vm *vm;
	struct rig rig;
	struct dma_space *space; /* the device's */
	struct pci_driver driver;
	struct wire_queue queues[6];
	/* Ends of the devices that have some. */
	struct disk *disk;
	struct fake_net *net;
	bool net_closed;
	char folder[32];
};

static void begin(struct cell *cell, const struct cell *as)
{
	*cell = *as;
	if (cell->iommu) {
		rig_create(&cell->rig, NULL);
		cell->vm = cell->rig.vm;
		cell->space = cell->rig.a;
	} else {
		cell->vm = wire_create();
		cell->space = &cell->vm->identity.space;
	}
}

static void negotiate(struct cell *cell, u64 features)
{
	features |= cell->rings | (cell->iommu ? F(VIRTIO_F_ACCESS_PLATFORM) : 0);
	if (cell->pci)
		assert_true(pci_driver_negotiate(&cell->driver,
						 features & pci_driver_features(&cell->driver)));
	else
		assert_true(wire_negotiate(cell->vm, MMIO_SLOT,
					   features & wire_features(cell->vm, MMIO_SLOT)));
}

/* The device is there, behind the IOMMU if there is one, and has @queues queues. */
static void bring_up(struct cell *cell, struct virtio_device *device, u64 features, unsigned queues)
{
	const u32 endpoint = cell->iommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT;
	struct device_resource slot;

	if (cell->pci) {
		pci_rig_create(cell->vm);
		assert_int_equal(
			virtio_pci_create(cell->vm, cell->vm->pci, device, PCI_SLOT << 3, endpoint),
			0);
		assert_int_equal(pci_bus_place_bars(cell->vm->pci, NULL), 0);
		pci_driver_find(&cell->driver, cell->vm, PCI_SLOT);
	} else {
		wire_slot(MMIO_SLOT, &slot);
		assert_int_equal(virtio_mmio_create(cell->vm, device, &slot, endpoint, false), 0);
	}
	if (cell->iommu) {
		rig_start(&cell->rig, ALL_FEATURES);
		assert_int_equal(rig_attach(&cell->rig, DOMAIN, ENDPOINT_A, 0), 0);
		assert_int_equal(rig_map(&cell->rig, DOMAIN, RINGS(0), LAST, RINGS(0), READ_WRITE),
				 0);
	}
	negotiate(cell, features);
	for (unsigned i = 0; i < queues; i++) {
		if (cell->pci)
			pci_driver_queue(&cell->driver, &cell->queues[i], i, SIZE, RINGS(i));
		else
			wire_queue_init(&cell->queues[i], cell->vm, MMIO_SLOT, i, SIZE, RINGS(i));
		assert_int_equal(wire_is_packed(&cell->queues[i]),
				 cell->rings >> VIRTIO_F_RING_PACKED & 1);
	}
	if (cell->pci)
		pci_driver_ok(&cell->driver);
	else
		wire_driver_ok(cell->vm, MMIO_SLOT);
}

static void end(struct cell *cell)
{
	/* An IOMMU that is there was asked. */
	assert_true(!cell->iommu || cell->space->translations);
	assert_int_equal(cell->space->faults, 0);
	wire_destroy(cell->vm);
}

static void kick(struct cell *cell, unsigned index)
{
	if (cell->pci)
		pci_driver_kick(&cell->driver, &cell->queues[index]);
	else
		wire_kick(&cell->queues[index]);
}

static u32 used(struct cell *cell, unsigned index)
{
	u32 len;

	assert_true(cell->pci ? pci_driver_used(&cell->driver, &cell->queues[index], &len)
			      : wire_used(&cell->queues[index], NULL, &len));
	return len;
}

/* @out at TO, @size bytes at FROM. */
static void add(struct cell *cell, unsigned index, const void *out, u32 out_size, u32 in_size)
{
	const struct wire_segment segments[] = { { TO, out_size, false }, { FROM, in_size, true } };

	if (out_size)
		wire_write(cell->vm, TO, out, out_size);
	if (in_size)
		wire_fill(cell->vm, FROM, 0xee, in_size);
	wire_add(&cell->queues[index], segments + !out_size, !!out_size + !!in_size);
}

/* All at once: the answer's length. */
static u32 ask(struct cell *cell, unsigned index, const void *out, u32 out_size, u32 in_size)
{
	add(cell, index, out, out_size, in_size);
	kick(cell, index);
	return used(cell, index);
}

/* ---- the devices ---- */

static void try_rng(struct cell *cell)
{
	struct virtio_device *device;
	u8 data[64], none[64];

	memset(none, 0xee, sizeof(none));
	assert_int_equal(virtio_rng_create(&device, cell->space), 0);
	bring_up(cell, device, 0, 1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(ask(cell, 0, NULL, 0, sizeof(data)), sizeof(data));
		wire_read(cell->vm, FROM, data, sizeof(data));
		assert_memory_not_equal(data, none, sizeof(data));
	}
}

static void try_console(struct cell *cell)
{
	struct virtio_device *device;
	char line[16], got[16];

	memset(&terminal, 0, sizeof(terminal));
	assert_int_equal(virtio_console_create(&device, &terminal, cell->space), 0);
	bring_up(cell, device, 0, 2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const unsigned len = 1 + snprintf(line, sizeof(line), "line %u", i);

		terminal.out_len = 0;
		ask(cell, 1, line, len, 0);
		assert_int_equal(terminal.out_len, len);
		assert_memory_equal(terminal.out, line, len);
		memcpy(terminal.in, line, len);
		terminal.in_len = len;
		assert_int_equal(ask(cell, 0, NULL, 0, sizeof(got)), len);
		wire_read(cell->vm, FROM, got, len);
		assert_memory_equal(got, line, len);
	}
}

/* The driver is ready (0), is told of a port (1) and opens it (6); "Multiport Device Operation". */
static void open_port(struct cell *cell)
{
	const u16 ready[] = { 0, 0, htole16(0), htole16(1) };
	const u16 open[] = { htole16(1), 0, htole16(6), htole16(1) };
	u16 told[4];

	ask(cell, 3, ready, sizeof(ready), 0);
	assert_int_equal(ask(cell, 2, NULL, 0, 64), sizeof(told));
	wire_read(cell->vm, FROM, told, sizeof(told));
	assert_int_equal(told[0], htole16(1));
	assert_int_equal(told[2], htole16(1));
	ask(cell, 3, open, sizeof(open), 0);
}

static void try_ports(struct cell *cell)
{
	const struct virtio_console_port port = { "port", &terminal };
	struct virtio_device *device;
	char line[16], got[16];

	memset(&terminal, 0, sizeof(terminal));
	assert_int_equal(virtio_console_create_ports(&device, &port, 1, cell->space), 0);
	bring_up(cell, device, F(VIRTIO_CONSOLE_F_MULTIPORT), 6);
	open_port(cell);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const unsigned len = 1 + snprintf(line, sizeof(line), "line %u", i);

		terminal.out_len = 0;
		ask(cell, 5, line, len, 0);
		assert_int_equal(terminal.out_len, len);
		assert_memory_equal(terminal.out, line, len);
		memcpy(terminal.in, line, len);
		terminal.in_len = len;
		assert_int_equal(ask(cell, 4, NULL, 0, sizeof(got)), len);
		wire_read(cell->vm, FROM, got, len);
		assert_memory_equal(got, line, len);
	}
}

static void try_blk(struct cell *cell)
{
	const u32 size = 4096;
	struct virtio_device *device;
	u8 data[4096], got[4097];

	cell->disk = fake_disk_create(64 * KIB, false, false, NULL);
	assert_int_equal(virtio_blk_create(&device, cell->disk, 0, cell->vm->loop, cell->space), 0);
	bring_up(cell, device, F(VIRTIO_RING_F_INDIRECT_DESC), 1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_OUT),
						    .sector = htole64(i % 16 * 8) };
		const struct wire_segment write[] = {
			{ TO, sizeof(header), false },
			{ TO + 0x1000, size, false },
			{ FROM + size, 1, true },
		};

		memset(data, i + 1, sizeof(data));
		wire_write(cell->vm, TO, &header, sizeof(header));
		wire_write(cell->vm, TO + 0x1000, data, size);
		if (i % 2)
			wire_add(&cell->queues[0], write, 3);
		else
			wire_add_indirect(&cell->queues[0], write, 3, TO + 0x4000);
		kick(cell, 0);
		assert_int_equal(used(cell, 0), 1);
		header.type = htole32(VIRTIO_BLK_T_IN);
		assert_int_equal(ask(cell, 0, &header, sizeof(header), size + 1), size + 1);
		wire_read(cell->vm, FROM, got, size + 1);
		assert_memory_equal(got, data, size);
		assert_int_equal(got[size], VIRTIO_BLK_S_OK);
	}
}

static void try_net(struct cell *cell)
{
	struct virtio_net_options options = { .number = 0 };
	struct virtio_device *device;
	u8 frame[NET_HEADER + 200] = { 0 }, got[2048];

	memcpy(options.mac, net_rig_mac, NET_MAC);
	cell->net = fake_net_create(1, false, 0);
	cell->net->closed = &cell->net_closed;
	assert_int_equal(virtio_net_create(&device, &cell->net->backend, &options, cell->vm->loop,
					   cell->space),
			 0);
	bring_up(cell, device, F(VIRTIO_NET_F_MRG_RXBUF), 2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		net_frame(frame + NET_HEADER, 200, net_rig_mac, i);
		ask(cell, 1, frame, sizeof(frame), 0);
		assert_int_equal(recv(cell->net->peer[0], got, sizeof(got), 0), 200);
		assert_memory_equal(got, frame + NET_HEADER, 200);
		add(cell, 0, NULL, 0, sizeof(got));
		kick(cell, 0);
		assert_int_equal(send(cell->net->peer[0], frame + NET_HEADER, 200, 0), 200);
		assert_int_equal(used(cell, 0), sizeof(frame));
		wire_read(cell->vm, FROM, got, sizeof(frame));
		assert_memory_equal(got + NET_HEADER, frame + NET_HEADER, 200);
	}
}

/* Pages that a guest gives back are empty when it looks at them again: their numbers are 32 bits.
 */
static void try_balloon(struct cell *cell)
{
	static const struct virtio_balloon_options options = { .deflate_on_oom = true };
	struct virtio_device *device;

	assert_int_equal(virtio_balloon_create(&device, &options, cell->vm->loop, cell->vm->memory,
					       cell->space),
			 0);
	bring_up(cell, device, 0, 2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const u32 pfn = htole32((LAST + 1) / 4096 + i);
		u8 byte;

		wire_fill(cell->vm, le32toh(pfn) * 4096ull, 0xa5, 4096);
		ask(cell, 0, &pfn, sizeof(pfn), 0);
		wire_read(cell->vm, le32toh(pfn) * 4096ull, &byte, 1);
		assert_int_equal(byte, 0);
		ask(cell, 1, &pfn, sizeof(pfn), 0);
	}
}

static struct folder *open_folder(struct cell *cell)
{
	static const struct folder_options options = { .map = FOLDER_MAP_SQUASH };
	struct folder *folder;

	strcpy(cell->folder, "/tmp/lkvm-matrix-XXXXXX");
	assert_non_null(mkdtemp(cell->folder));
	assert_int_equal(folder_open(&folder, cell->folder, &options, NULL), 0);
	return folder;
}

/* "version - negotiate protocol version": sizes, types and tags are the protocol's. */
static void try_p9(struct cell *cell)
{
	static const u8 version[] = { 21, 0, 0,	  0,   100, 0xff, 0xff, 0,   0x10, 0,  0,
				      8,  0, '9', 'P', '2', '0',  '0',	'0', '.',  'L' };
	struct virtio_device *device;
	u8 got[sizeof(version)];

	assert_int_equal(virtio_p9_create(&device, open_folder(cell), "shared", 0, cell->vm->loop,
					  cell->space),
			 0);
	bring_up(cell, device, 0, 1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(ask(cell, 0, version, sizeof(version), 256), sizeof(version));
		wire_read(cell->vm, FROM, got, sizeof(got));
		assert_int_equal(got[4], 101);
		assert_memory_equal(got + 11, version + 11, sizeof(got) - 11);
	}
}

/* FUSE_INIT, and then FUSE_STATFS of the root: headers of 40 and 16 bytes. */
static void try_fs(struct cell *cell)
{
	static const struct virtio_fs_options options = { .tag = "shared", .queues = 1 };
	struct virtio_device *device;
	u32 message[26] = { 104, 26, 1 }, got[4];

	assert_int_equal(virtio_fs_create(&device, open_folder(cell), &options, 0, cell->vm->loop,
					  cell->space),
			 0);
	bring_up(cell, device, 0, 2);
	message[10] = 7;
	message[11] = 31;
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (i) {
			message[0] = 40;
			message[1] = 17;
			message[4] = 1;
		}
		message[2] = i + 1;
		assert_in_range(ask(cell, 1, message, message[0], 256), 16 + 1, 256);
		wire_read(cell->vm, FROM, got, sizeof(got));
		assert_int_equal(got[1], 0);
		assert_int_equal(got[2], i + 1);
	}
}

static void put_folder(const struct cell *cell)
{
	if (cell->folder[0])
		assert_int_equal(rmdir(cell->folder), 0);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	u64 features;
} layouts[] = {
	{ "split", 0 },
	{ "split in order", F(VIRTIO_F_IN_ORDER) },
	{ "packed", F(VIRTIO_F_RING_PACKED) },
	{ "packed in order", F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_IN_ORDER) },
	{ "packed, kicks with data", F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_NOTIFICATION_DATA) },
};

static void passes_everywhere(const char *name, void (*try)(struct cell *cell))
{
	for (unsigned i = 0; i < 4 * ARRAY_SIZE(layouts); i++) {
		const unsigned layout = i / 4;
		const struct cell as = { .pci = i & 2,
					 .iommu = i & 1,
					 .rings = layouts[layout].features };
		static struct cell cell;

		begin(&cell, &as);
		try(&cell);
		end(&cell);
		put_folder(&cell);
		print_message("%s | %s | %s | IOMMU %s | %s\n", name, as.pci ? "pci" : "mmio",
			      layouts[layout].name, as.iommu ? "on" : "off",
			      as.rings & ~cell.queues[0].features ? "pass, but in any order"
								  : "pass");
	}
}

TEST(data_gets_through_virtio_rng_in_every_cell)
{
	passes_everywhere("virtio-rng", try_rng);
}

TEST(data_gets_through_virtio_console_in_every_cell)
{
	passes_everywhere("virtio-console", try_console);
}

TEST(data_gets_through_a_port_of_virtio_console_in_every_cell)
{
	passes_everywhere("virtio-console with ports", try_ports);
}

TEST(data_gets_through_virtio_blk_in_every_cell)
{
	passes_everywhere("virtio-blk", try_blk);
}

TEST(data_gets_through_virtio_net_in_every_cell)
{
	passes_everywhere("virtio-net", try_net);
}

TEST(pages_come_back_through_virtio_balloon_in_every_cell)
{
	passes_everywhere("virtio-balloon", try_balloon);
}

TEST(data_gets_through_virtio_9p_in_every_cell)
{
	passes_everywhere("virtio-9p", try_p9);
}

TEST(data_gets_through_virtio_fs_in_every_cell)
{
	passes_everywhere("virtio-fs", try_fs);
}
