/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vfio-edu [--rng BDF] BDF...: drive QEMU's "edu" devices (docs/specs/edu.rst there) from user
 * space, by way of vfio-pci and the IOMMU that this kernel sees. They share a container, that is,
 * an address space; so does a virtio-rng, whose bytes they then carry about. vfio-edu --bare BDF:
 * without all that, by the BAR that sysfs has and with physical addresses.
 *
 * vfio-edu --open BDF: any device, opened, shown a page, and closed again. vfio-edu --scatter DISK:
 * vfio-scatter.c. vfio-edu --lsi BDF EDU, --lsi-peer BDF EDU: vfio-lsi.c.
 *
 * Says what worked, a sentence to a line; exit status 1 if a step failed. For hosts and guests
 * alike: static, no library but libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio-user.h"

enum {
	REG_ID = 0x00,
	REG_FACTORIAL = 0x08,
	REG_STATUS = 0x20,
	REG_IRQ_STATUS = 0x24,
	REG_IRQ_RAISE = 0x60,
	REG_IRQ_ACK = 0x64,
	REG_DMA_SOURCE = 0x80,
	REG_DMA_TARGET = 0x88,
	REG_DMA_COUNT = 0x90,
	REG_DMA_COMMAND = 0x98,
	BUFFER = 0x40000, /* the device's own memory, in its DMA's eyes */
};
enum { DMA_START = 1, DMA_TO_RAM = 2, DMA_IRQ = 4, DMA_DONE = 0x100 };

struct edu {
	const char *bdf;
	int device, interrupt; /* interrupt: -1 without vfio */
	unsigned irq_index;
	volatile uint32_t *registers;
};

static bool edu_says(const struct edu *edu, bool ok, const char *what)
{
	return says("edu", edu->bdf, ok, what);
}

static uint32_t get(const struct edu *edu, unsigned offset)
{
	return edu->registers[offset / 4];
}

static void put(const struct edu *edu, unsigned offset, uint32_t value)
{
	edu->registers[offset / 4] = value;
}

static bool wait_until_clear(const struct edu *edu, unsigned offset, uint32_t bits)
{
	for (int tries = 0; tries < 5000; tries++) {
		if (!(get(edu, offset) & bits))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

/* ---- opening ---- */

static void open_edu(struct edu *edu, struct container *container, const char *bdf)
{
	*edu = (struct edu){ .bdf = bdf, .device = device_open(container, bdf) };
	edu->registers = device_map_bar(edu->device, bdf, 0);
}

static int open_sysfs(const char *bdf, const char *file)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, file);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail(bdf, path);
	return fd;
}

static void open_bare(struct edu *edu, const char *bdf)
{
	int config = open_sysfs(bdf, "config"), bar = open_sysfs(bdf, "resource0");
	uint16_t command = 2 | 4;
	void *registers;

	*edu = (struct edu){ .bdf = bdf, .device = -1, .interrupt = -1 };
	if (pwrite(config, &command, 2, 4) != 2)
		fail(bdf, "cannot write its configuration space");
	registers = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	if (registers == MAP_FAILED)
		fail(bdf, "cannot map BAR 0");
	edu->registers = registers;
}

/* ---- interrupts ---- */

static void arm_interrupt(struct edu *edu)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = { { .argsz = sizeof(irq),
		    .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		    .count = 1 } };
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSI_IRQ_INDEX };

	edu->interrupt = eventfd(0, EFD_CLOEXEC);
	if (edu->interrupt < 0)
		fail(edu->bdf, "no eventfd");
	irq.fd = edu->interrupt;
	/* A machine without a controller for MSIs leaves INTx. */
	if (ioctl(edu->device, VFIO_DEVICE_GET_IRQ_INFO, &info) || !info.count)
		info.index = VFIO_PCI_INTX_IRQ_INDEX;
	irq.set.index = info.index;
	if (ioctl(edu->device, VFIO_DEVICE_SET_IRQS, &irq) &&
	    info.index == VFIO_PCI_MSI_IRQ_INDEX) {
		irq.set.index = VFIO_PCI_INTX_IRQ_INDEX;
		if (ioctl(edu->device, VFIO_DEVICE_SET_IRQS, &irq))
			fail(edu->bdf, "no interrupt to be had");
	}
	edu->irq_index = irq.set.index;
}

/* Wait for one, and take its cause back. Answers the causes; 0: none came. */
static uint32_t take_interrupt(struct edu *edu)
{
	struct vfio_irq_set unmask = { .argsz = sizeof(unmask),
				       .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				       .index = VFIO_PCI_INTX_IRQ_INDEX,
				       .count = 1 };
	struct pollfd poll_fd = { .fd = edu->interrupt, .events = POLLIN };
	uint64_t count;
	uint32_t cause;

	if (poll(&poll_fd, 1, 5000) != 1 || read(edu->interrupt, &count, 8) != 8)
		return 0;
	cause = get(edu, REG_IRQ_STATUS);
	put(edu, REG_IRQ_ACK, cause);
	if (edu->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		ioctl(edu->device, VFIO_DEVICE_SET_IRQS, &unmask);
	return cause;
}

static void try_interrupts(struct edu *edu)
{
	bool msi;
	int n;

	arm_interrupt(edu);
	msi = edu->irq_index == VFIO_PCI_MSI_IRQ_INDEX;
	for (n = 1; n <= 3; n++) {
		put(edu, REG_IRQ_RAISE, n);
		if (take_interrupt(edu) != (uint32_t)n)
			break;
	}
	edu_says(edu, n == 4, msi ? "three MSIs came by eventfd" : "three INTx came by eventfd");
}

/* ---- DMA ---- */

/* 256 bytes between the device's memory and @address. It says when it is done; whether it
 * succeeded, it does not. */
static bool transfer(struct edu *edu, uint64_t address, bool to_ram)
{
	put(edu, REG_DMA_SOURCE, to_ram ? BUFFER : address);
	put(edu, REG_DMA_TARGET, to_ram ? address : BUFFER);
	put(edu, REG_DMA_COUNT, 256);
	if (edu->interrupt >= 0) {
		put(edu, REG_DMA_COMMAND, DMA_START | DMA_IRQ | (to_ram ? DMA_TO_RAM : 0));
		return take_interrupt(edu) & DMA_DONE;
	}
	put(edu, REG_DMA_COMMAND, DMA_START | (to_ram ? DMA_TO_RAM : 0));
	return wait_until_clear(edu, REG_DMA_COMMAND, DMA_START);
}

static void fill(char *at, unsigned seed)
{
	for (int n = 0; n < 256; n++)
		at[n] = (char)(seed + n * 7);
}

static bool is_filled(const char *at, unsigned seed)
{
	char expected[256];

	fill(expected, seed);
	return !memcmp(at, expected, 256);
}

/* Out to the device and back to another place. */
static void try_both_ways(struct edu *edu, char *page, uint64_t address)
{
	bool done;

	fill(page, 1);
	memset(page + 1024, 0, 256);
	done = transfer(edu, address, false) && transfer(edu, address + 1024, true);
	edu_says(edu, done, "two DMAs come to their end");
	edu_says(edu, is_filled(page + 1024, 1), "DMA both ways brings the bytes back");
}

static void try_what_is_not_mapped(struct edu *edu, const struct container *container)
{
	char *page = container->memory;

	/* Its memory holds pattern 1 from before. Nothing of it may reach the page any more. */
	fill(page, 2);
	transfer(edu, IOVA, true);
	edu_says(edu, is_filled(page, 2), "a DMA write to an IOVA that was unmapped is stopped");
	/* Nor may anything of the page reach the device: read what it got instead into a mapped
	 * page. */
	transfer(edu, IOVA, false);
	if (!edu_says(edu,
		      !container_map(container, IOVA,
				     VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE),
		      "the page is mapped again"))
		return;
	transfer(edu, IOVA + 1024, true);
	edu_says(edu, !is_filled(page + 1024, 2),
		 "a DMA read from an IOVA that was unmapped is stopped");
	container_unmap(container, IOVA);
}

static void try_read_only(struct edu *edu, const struct container *container)
{
	fill(container->memory, 3);
	if (container_map(container, IOVA, VFIO_DMA_MAP_FLAG_READ)) {
		edu_says(edu, false, "a page is mapped for reading alone");
		return;
	}
	transfer(edu, IOVA + 1024, false);
	transfer(edu, IOVA, true);
	edu_says(edu, is_filled(container->memory, 3),
		 "a DMA write to a page mapped for reading is stopped");
	container_unmap(container, IOVA);
}

static void try_dma(struct edu *edu, const struct container *container)
{
	int ret;

	ret = container_map(container, IOVA, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	if (!edu_says(edu, !ret, "a page is mapped at a low IOVA"))
		return;
	try_both_ways(edu, container->memory, IOVA);
	edu_says(edu, !container_unmap(container, IOVA), "the page is unmapped");
	try_what_is_not_mapped(edu, container);
	try_read_only(edu, container);
}

/* ---- all of it ---- */

static void try_registers(struct edu *edu)
{
	edu_says(edu, (get(edu, REG_ID) & 0xff) == 0xed, "its registers can be read");
	put(edu, REG_STATUS, 0);
	put(edu, REG_FACTORIAL, 10);
	wait_until_clear(edu, REG_STATUS, 1);
	edu_says(edu, get(edu, REG_FACTORIAL) == 3628800, "it computes 10!");
}

static void try_by_vfio(char **bdfs, int count, struct container *container)
{
	for (int n = 0; n < count; n++) {
		struct edu edu;

		open_edu(&edu, container, bdfs[n]);
		try_registers(&edu);
		try_interrupts(&edu);
		try_dma(&edu, container);
	}
}

/* Two that know nothing of each other see the same memory at the same address. */
static void try_with_rng(char **bdfs, int count, const char *rng_bdf)
{
	struct container container = { 0 };
	int rng = device_open(&container, rng_bdf);
	enum { BYTES = 0x8000, BACK = 0x9000 };

	container_map(&container, IOVA, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	if (!says("rng", rng_bdf, rng_fill(rng, rng_bdf, container.memory, BYTES, 256),
		  "random bytes came by DMA"))
		return;
	for (int n = 0; n < count; n++) {
		struct edu edu;

		open_edu(&edu, &container, bdfs[n]);
		arm_interrupt(&edu);
		memset(container.memory + BACK, 0, 256);
		transfer(&edu, IOVA + BYTES, false);
		transfer(&edu, IOVA + BACK, true);
		edu_says(&edu, !memcmp(container.memory + BYTES, container.memory + BACK, 256),
			 "it carries what the other wrote");
	}
	container_unmap(&container, IOVA);
}

/* RAM may begin above what its DMA reaches: then there is none. */
static void try_bare(const char *bdf)
{
	char *page = new_memory();
	uint64_t address;
	struct edu edu;

	open_bare(&edu, bdf);
	try_registers(&edu);
	memset(page, 1, MEMORY_BYTES);
	address = physical_address(page);
	if (address && address < (1ull << 28) - MEMORY_BYTES)
		try_both_ways(&edu, page, address);
}

/* It moves to the container's address space, and with the end of the process back again. */
static void try_open(const char *bdf)
{
	struct container container = { 0 };

	device_open(&container, bdf);
	says("vfio", bdf, !container_map(&container, IOVA, VFIO_DMA_MAP_FLAG_READ), "it is opened");
	container_unmap(&container, IOVA);
}

int main(int argc, char **argv)
{
	bool bare = argc == 3 && !strcmp(argv[1], "--bare");
	bool rng = argc > 3 && !strcmp(argv[1], "--rng");

	if (argc < 2) {
		fprintf(stderr, "usage: vfio-edu [--rng BDF] BDF... | --bare BDF | --open BDF | "
				"--scatter DISK | --lsi[-peer] BDF EDU\n");
		return 2;
	}
	if (argc == 3 && !strcmp(argv[1], "--scatter"))
		return scatter_read(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "--lsi"))
		return lsi_bare(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "--lsi-peer"))
		return lsi_peer(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "--open")) {
		try_open(argv[2]);
		return failures != 0;
	}
	if (bare)
		try_bare(argv[2]);
	else if (rng)
		try_with_rng(argv + 3, argc - 3, argv[2]);
	else
		try_by_vfio(argv + 1, argc - 1, &(struct container){ 0 });
	printf("edu: %s%s\n", failures ? "FAILED" : "all passed", bare ? ", bare" : "");
	return failures != 0;
}
