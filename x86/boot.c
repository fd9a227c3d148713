/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "acpi.h"
#include "boot.h"
#include "bootparams.h"
#include "layout.h"
#include "vmm/firmware.h"
#include "vmm/memory.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

#define PAGE	   4096
#define PTE_TABLE  0x03 /* present, writable */
#define PTE_LARGE  0x83 /* and a page of 2 MiB */
#define SEED_BYTES 32

/* "x86/HVM direct boot ABI" (Xen's start_info.h), version 1 */
#define START_INFO_MAGIC 0x336ec578
#define START_MODULES	 0x100 /* from the start info, in the same page */
#define START_MEMMAP	 0x200

static unsigned ram_ranges(const struct guest_memory *memory, struct range *ram)
{
	for (unsigned i = 0; i < memory_count(memory); i++)
		memory_range(memory, i, &ram[i]);
	return memory_count(memory);
}

static unsigned build_map(const struct guest_memory *memory, const struct range *ecam,
			  struct e820_range *map)
{
	struct range ram[MEMORY_MAX_RANGES];

	return e820_build(ram, ram_ranges(memory, ram), ecam, map);
}

static u64 map_size(const struct e820_range *entry)
{
	return entry->range.last - entry->range.start + 1;
}

/*
 * "64-bit Boot Protocol": the kernel starts with paging on and all that it is
 * given mapped onto itself. 2 MiB pages: not every host has larger ones. The fifth level is for a
 * kernel that starts with it.
 */
static int write_page_tables(const struct guest_memory *memory)
{
	u8 *pml4 = memory_host(memory, LAYOUT_PAGE_TABLES, 7 * PAGE);

	if (!pml4)
		return -EFAULT;
	bp_put64(pml4, 0, (LAYOUT_PAGE_TABLES + PAGE) | PTE_TABLE);
	bp_put64(pml4, LAYOUT_PML5 - LAYOUT_PAGE_TABLES, LAYOUT_PAGE_TABLES | PTE_TABLE);
	for (unsigned gib = 0; gib < 4; gib++)
		bp_put64(pml4 + PAGE, gib * 8, (LAYOUT_PAGE_TABLES + (2 + gib) * PAGE) | PTE_TABLE);
	for (u64 n = 0; n < 4 * 512; n++)
		bp_put64(pml4 + 2 * PAGE, n * 8, n * 2 * MIB | PTE_LARGE);
	return 0;
}

static int write_gdt(const struct guest_memory *memory)
{
	const le64 gdt[] = {
		[BOOT_CS / 8] = cpu_to_le64(0x00af9b000000ffffULL), /* 64-bit code */
		[BOOT_DS / 8] = cpu_to_le64(0x00cf93000000ffffULL), /* flat data */
	};

	return memory_write(memory, LAYOUT_GDT, gdt, sizeof(gdt));
}

/*
 * What stands for the BIOS. Linux takes a hardware-reduced machine to have EFI
 * and reboots by it; where there is none it jumps to the reset vector.
 */
static int write_reset_vector(const struct guest_memory *memory)
{
	static const u8 code[] = {
		0xba, PORT_RESET & 0xff, PORT_RESET >> 8, /* mov $PORT_RESET, %dx */
		0xb0, RESET_VALUE,			  /* mov $RESET_VALUE, %al */
		0xee,					  /* out %al, %dx */
		0xf4,					  /* hlt */
	};

	return memory_write(memory, LAYOUT_RESET_VECTOR, code, sizeof(code));
}

/* A kernel that has no entropy yet is given some; it wipes what it has taken. */
static int write_seed(const struct guest_memory *memory)
{
	u8 data[SETUP_DATA_BODY + SEED_BYTES] = { 0 };

	bp_put32(data, SETUP_DATA_TYPE, SETUP_RNG_SEED);
	bp_put32(data, SETUP_DATA_LEN, SEED_BYTES);
	if (getrandom(data + SETUP_DATA_BODY, SEED_BYTES, 0) != SEED_BYTES)
		return -EIO;
	return memory_write(memory, LAYOUT_SETUP_DATA, data, sizeof(data));
}

static void put_e820(u8 *params, const struct guest_memory *memory, const struct range *ecam)
{
	struct e820_range map[E820_MAX];
	unsigned count = build_map(memory, ecam, map);

	params[BP_E820_ENTRIES] = count;
	for (unsigned i = 0; i < count; i++) {
		u8 *entry = params + BP_E820_TABLE + i * BP_E820_ENTRY;

		bp_put64(entry, 0, map[i].range.start);
		bp_put64(entry, 8, map_size(&map[i]));
		bp_put32(entry, 16, map[i].type);
	}
}

/* "Zero Page": the kernel's own setup header, completed. */
static void put_params(u8 *params, const struct arch_image *image)
{
	memset(params, 0, BP_SIZE);
	memcpy(params + SETUP_HEADER, image->header + SETUP_HEADER,
	       SETUP_HEADER_END - SETUP_HEADER);
	/* A vmlinux has none. */
	bp_put16(params, BP_BOOT_FLAG, 0xaa55);
	memcpy(params + BP_MAGIC, "HdrS", 4);
	if (!bp_get16(params, BP_VERSION))
		bp_put16(params, BP_VERSION, 0x020f);
	params[BP_LOADFLAGS] &= ~KASLR_FLAG;
	params[BP_LOADFLAGS] |= LOADED_HIGH | (image->moved ? KASLR_FLAG : 0);
	params[BP_LOADER_TYPE] = LOADER_UNASSIGNED;
	bp_put16(params, BP_VIDEO_MODE, VIDEO_NORMAL);
	bp_put32(params, BP_CMDLINE_PTR, LAYOUT_CMDLINE);
	bp_put32(params, BP_RAMDISK_IMAGE, image->initrd_size ? image->initrd : 0);
	bp_put32(params, BP_RAMDISK_SIZE, image->initrd_size);
	bp_put64(params, BP_SETUP_DATA, LAYOUT_SETUP_DATA);
	bp_put64(params, BP_ACPI_RSDP, LAYOUT_TABLES);
}

static int write_long(const struct arch_image *image, const struct guest_memory *memory,
		      const struct range *ecam)
{
	u8 *params = memory_host(memory, LAYOUT_BOOT_PARAMS, BP_SIZE);
	int ret;

	if (!params)
		return -EFAULT;
	put_params(params, image);
	put_e820(params, memory, ecam);
	ret = write_seed(memory);
	if (!ret)
		ret = write_gdt(memory);
	return ret ? ret : write_page_tables(memory);
}

static int write_pvh(const struct arch_image *image, const struct guest_memory *memory,
		     const struct range *ecam)
{
	u8 *info = memory_host(memory, LAYOUT_START_INFO, PAGE);
	struct e820_range map[E820_MAX];
	unsigned count = build_map(memory, ecam, map);

	if (!info)
		return -EFAULT;
	memset(info, 0, PAGE);
	bp_put32(info, 0, START_INFO_MAGIC);
	bp_put32(info, 4, 1); /* version: with a memory map */
	bp_put32(info, 12, image->initrd_size ? 1 : 0);
	bp_put64(info, 16, LAYOUT_START_INFO + START_MODULES);
	bp_put64(info, 24, LAYOUT_CMDLINE);
	bp_put64(info, 32, LAYOUT_TABLES);
	bp_put64(info, 40, LAYOUT_START_INFO + START_MEMMAP);
	bp_put32(info, 48, count);
	bp_put64(info + START_MODULES, 0, image->initrd);
	bp_put64(info + START_MODULES, 8, image->initrd_size);
	for (unsigned i = 0; i < count; i++) {
		u8 *entry = info + START_MEMMAP + i * 24;

		bp_put64(entry, 0, map[i].range.start);
		bp_put64(entry, 8, map_size(&map[i]));
		bp_put32(entry, 16, map[i].type);
	}
	return write_gdt(memory);
}

static int hand_over(const struct arch_image *image, const struct guest_memory *memory,
		     const struct range *ecam)
{
	int ret;

	if (image->entry_kind == ENTRY_REAL)
		return 0;
	ret = memory_write(memory, LAYOUT_CMDLINE, image->cmdline, strlen(image->cmdline) + 1);
	if (ret)
		return ret;
	return image->entry_kind == ENTRY_PVH ? write_pvh(image, memory, ecam)
					      : write_long(image, memory, ecam);
}

int boot_write(const struct arch_image *image, const struct guest_memory *memory,
	       const struct range *ecam, struct error *err)
{
	int ret = write_reset_vector(memory);

	if (!ret)
		ret = hand_over(image, memory, ecam);
	return ret ? error_set(err, ret, "cannot write the boot parameters: %s", strerror(-ret))
		   : 0;
}

static bool has_word(const char *cmdline, const char *const *words, unsigned count)
{
	while (*cmdline) {
		size_t len = strcspn(cmdline, " ");

		for (unsigned i = 0; i < count; i++) {
			if (len == strlen(words[i]) && !memcmp(cmdline, words[i], len))
				return true;
		}
		cmdline += len + strspn(cmdline + len, " ");
	}
	return false;
}

/*
 * Words of the kernel's command line that take the IOAPIC away (Linux,
 * admin-guide/kernel-parameters): by name, or because one processor alone needs none.
 */
bool boot_has_no_ioapic(const char *cmdline)
{
	static const char *const words[] = { "noapic",	  "nolapic",	"disableapic", "nosmp",
					     "maxcpus=0", "acpi=noirq", "pci=noacpi" };

	return has_word(cmdline, words, ARRAY_SIZE(words));
}

/* Without a local APIC there are no MSIs, and without ACPI's routing no INTx. */
bool arch_wants_mmio(const struct arch_options *options, const char *params)
{
	static const char *const off = "pci=off";

	return params && (boot_has_no_ioapic(params) || has_word(params, &off, 1));
}

int arch_firmware_write(struct vm *vm, const struct arch_image *image,
			const struct firmware *firmware, struct error *err)
{
	const struct pci_layout *pci = vm->pci ? pci_bus_layout(vm->pci) : NULL;
	const struct acpi_machine machine = {
		.cpus = vm->config->cpus,
		.devices = &vm->devices,
		.pci = pci,
		.no_ioapic = boot_has_no_ioapic(image->cmdline),
		.tables = firmware->tables,
		.table_count = firmware->table_count,
	};
	u8 *area = memory_host(vm->memory, LAYOUT_TABLES, LAYOUT_TABLES_SIZE);
	int ret;

	if (!area)
		return error_set(err, -EFAULT, "no RAM for the ACPI tables");
	ret = acpi_build(&machine, area, LAYOUT_TABLES_SIZE, LAYOUT_TABLES, err);
	return ret ? ret : boot_write(image, vm->memory, pci ? &pci->ecam : NULL, err);
}
