/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An LSI 53C895A, whose scripts copy from any address to any other ("Memory Move", LSI53C895A
 * Technical Manual): to see which registers a device reaches by DMA. @edu: an edu device, the first
 * of whose registers is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio-user.h"

enum { REG_DSTAT = 0x0c, REG_ISTAT = 0x14, REG_DSP = 0x2c };
enum { ISTAT_DIP = 1, DSTAT_SIR = 4 };

#define MEMORY_MOVE 0xc0000000u
#define INTERRUPT   0x98080000u
#define EDU_ID	    0xed
#define REGISTERS   1 /* BARs */
#define SCRIPTS	    2
#define TARGET	    1024 /* of the memory, after the script */

struct lsi {
	const char *bdf;
	int device;		     /* with vfio; or -1 */
	uint64_t offset;	     /* of the registers in it */
	volatile uint8_t *registers; /* without */
	uint32_t *memory;
	uint32_t memory_at; /* in the device's eyes */
};

static void put32(const struct lsi *lsi, unsigned reg, uint32_t value)
{
	if (lsi->device < 0)
		*(volatile uint32_t *)(lsi->registers + reg) = value;
	else if (pwrite(lsi->device, &value, 4, lsi->offset + reg) != 4)
		fail(lsi->bdf, "cannot write its registers");
}

static uint8_t get8(const struct lsi *lsi, unsigned reg)
{
	uint8_t value = 0;

	if (lsi->device < 0)
		return lsi->registers[reg];
	if (pread(lsi->device, &value, 1, lsi->offset + reg) != 1)
		fail(lsi->bdf, "cannot read its registers");
	return value;
}

/* @count bytes from @source to the memory, at TARGET: whether it says that it is done. */
static bool move(const struct lsi *lsi, uint32_t source, uint32_t count)
{
	const uint32_t script[] = { MEMORY_MOVE | count, source, lsi->memory_at + TARGET, INTERRUPT,
				    0 };

	memcpy(lsi->memory, script, sizeof(script));
	memset((char *)lsi->memory + TARGET, 0, count);
	put32(lsi, REG_DSP, lsi->memory_at);
	for (int tries = 0; tries < 1000; tries++) {
		if (get8(lsi, REG_ISTAT) & ISTAT_DIP)
			return get8(lsi, REG_DSTAT) & DSTAT_SIR;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

static uint32_t moved(const struct lsi *lsi)
{
	return lsi->memory[TARGET / 4];
}

/* ---- with physical addresses ---- */

static uint64_t resource(const char *bdf, int n)
{
	unsigned long long start = 0;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	file = fopen(path, "r");
	for (int i = 0; file && i <= n; i++) {
		if (fscanf(file, "%llx %*x %*x", &start) != 1)
			fail(bdf, path);
	}
	if (file)
		fclose(file);
	return start;
}

/* A BAR may begin in the middle of a page. */
static volatile uint8_t *map_resource(const char *bdf, int n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint16_t command = 2 | 4;
	char path[128];
	char *at;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDWR);
	if (fd < 0 || pwrite(fd, &command, 2, 4) != 2)
		fail(bdf, path);
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d", bdf, n);
	fd = open(path, O_RDWR);
	at = fd < 0 ? MAP_FAILED : mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		fail(bdf, path);
	close(fd);
	return (volatile uint8_t *)at + resource(bdf, n) % page;
}

static bool lsi_says(const struct lsi *lsi, bool ok, const char *what)
{
	return says("lsi", lsi->bdf, ok, what);
}

int lsi_bare(const char *bdf, const char *edu)
{
	struct lsi lsi = { .bdf = bdf, .device = -1 };
	volatile uint32_t *scripts;
	uint64_t address;

	lsi.memory = (uint32_t *)new_memory();
	memset(lsi.memory, 0, MEMORY_BYTES);
	address = physical_address(lsi.memory);
	if (!address || address >> 32)
		fail(bdf, "no memory that it reaches");
	lsi.memory_at = address;
	lsi.registers = map_resource(bdf, REGISTERS);
	scripts = (volatile uint32_t *)map_resource(bdf, SCRIPTS);
	map_resource(edu, 0);
	scripts[0] = 0x12345678;
	lsi.memory[2048 / 4] = 0x87654321;
	lsi_says(&lsi, move(&lsi, lsi.memory_at + 2048, 4) && moved(&lsi) == 0x87654321,
		 "it copies memory");
	lsi_says(&lsi, move(&lsi, resource(bdf, SCRIPTS), 4) && moved(&lsi) == 0x12345678,
		 "it reads its own registers by DMA");
	lsi_says(&lsi, move(&lsi, resource(edu, 0), 4) && (moved(&lsi) & 0xff) == EDU_ID,
		 "it reads another device's registers by DMA");
	return failures != 0;
}

/* ---- with vfio ---- */

static uint64_t region_offset(int device, unsigned index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) ? 0 : info.offset;
}

static int map_registers(const struct container *container, volatile void *registers, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)registers,
						.iova = iova,
						.size = 1 << 20 };

	return ioctl(container->fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

/* The edu is taken away while its registers are mapped for the other. */
int lsi_peer(const char *bdf, const char *edu)
{
	const uint64_t peer = 1 << 24;
	struct container container = { 0 };
	struct lsi lsi = { .bdf = bdf, .memory_at = IOVA };
	volatile uint32_t *registers;
	bool before, stopped;

	lsi.device = device_open(&container, bdf);
	lsi.offset = region_offset(lsi.device, REGISTERS);
	registers = device_map_bar(device_open(&container, edu), edu, 0);
	lsi.memory = (uint32_t *)container.memory;
	if (container_map(&container, IOVA, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) ||
	    map_registers(&container, registers, peer))
		fail(bdf, "cannot map for it");
	before = move(&lsi, peer, 4) && (moved(&lsi) & 0xff) == EDU_ID;
	lsi_says(&lsi, before, "it reads registers of a peer that are mapped for it");
	printf("lsi: look\n");
	fflush(stdout);
	for (int n = 0; n < 100 && registers[0] != ~0u; n++)
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	lsi_says(&lsi, registers[0] == ~0u, "the peer has gone");
	stopped = !move(&lsi, peer, 4) || (moved(&lsi) & 0xff) != EDU_ID;
	lsi_says(&lsi, stopped, "it does not reach the registers of a peer that has gone");
	return failures != 0;
}
