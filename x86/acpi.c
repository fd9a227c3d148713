/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "acpi.h"
#include "aml.h"
#include "bootparams.h"
#include "layout.h"
#include "vmm/pci.h"

/* "System Description Table Header" */
#define TABLE_HEADER   36
#define TABLE_CHECKSUM 9
#define TABLE_ALIGN    16
#define RSDP_SIZE      36
#define XSDT_MAX       32

/* "Fixed ACPI Description Table (FADT)", revision 6: offsets and bits that we set. */
#define FADT_SIZE	   276
#define FADT_FACS	   36
#define FADT_DSDT	   40
#define FADT_SCI	   46
#define FADT_PM1_EVENT	   56
#define FADT_PM1_CONTROL   64
#define FADT_PM1_EVENT_LEN 88
#define FADT_PM1_CTRL_LEN  89
#define FADT_C2_LATENCY	   96 /* more than 100: there is no C2; and C3, 1000 */
#define FADT_C3_LATENCY	   98
#define FADT_CENTURY	   108
#define FADT_BOOT_ARCH	   109
#define FADT_FLAGS	   112
#define FADT_RESET_REG	   116
#define FADT_RESET_VALUE   128
#define FADT_MINOR	   131
#define FADT_X_DSDT	   140
#define FADT_SLEEP_CONTROL 244
#define FADT_SLEEP_STATUS  256
#define FADT_HYPERVISOR	   268
#define BOOT_ARCH_NO_VGA   (1 << 2) /* and neither 8042 nor other legacy devices */
#define FLAG_WBINVD	   (1 << 0)
#define FLAG_NO_PWR_BUTTON (1 << 4) /* it is a device of the DSDT, and not in PM1 */
#define FLAG_NO_SLP_BUTTON (1 << 5)
#define FLAG_FIX_RTC	   (1 << 6) /* the alarm is no event of fixed registers */
#define FLAG_RESET_REG	   (1 << 10)
#define FLAG_HW_REDUCED	   (1 << 20)
#define FACS_SIZE	   64 /* and alignment */
#define GAS_SYSTEM_IO	   1
#define GAS_BYTE	   1

/* "Multiple APIC Description Table (MADT)" */
#define MADT_FIXED     44
#define MADT_PCAT      1 /* there are 8259s as well */
#define MADT_LAPIC     8
#define MADT_IOAPIC    12
#define MADT_LAPIC_NMI 6

/* "PCI Firmware Specification", MCFG: one entry, for one segment. */
#define MCFG_ENTRY 44
#define MCFG_SIZE  60

struct acpi {
	u8 *area;
	size_t size;
	size_t used;
	gpa_t gpa;
	u64 xsdt[XSDT_MAX];
	unsigned xsdt_count;
};

/* Bytes at the next boundary, zeroed; NULL if there is no room. */
static u8 *reserve(struct acpi *acpi, size_t size)
{
	size_t at = align_up(acpi->used, TABLE_ALIGN);

	if (at > acpi->size || size > acpi->size - at)
		return NULL;
	acpi->used = at + size;
	memset(acpi->area + at, 0, size);
	return acpi->area + at;
}

static u64 address_of(const struct acpi *acpi, const u8 *table)
{
	return acpi->gpa + (table - acpi->area);
}

/* All bytes of a table add up to 0. */
static void set_checksum(u8 *table, size_t size, unsigned at)
{
	u8 sum = 0;

	table[at] = 0;
	for (size_t i = 0; i < size; i++)
		sum += table[i];
	table[at] = -sum;
}

static void finish_table(u8 *table, const char *signature, u32 size, u8 revision)
{
	memcpy(table, signature, 4);
	bp_put32(table, 4, size);
	table[8] = revision;
	memcpy(table + 10, "LKVM  ", 6);
	memcpy(table + 16, "LKVMX86 ", 8);
	bp_put32(table, 24, 1);
	memcpy(table + 28, "LKVM", 4);
	bp_put32(table, 32, 1);
	set_checksum(table, size, TABLE_CHECKSUM);
}

static int list_table(struct acpi *acpi, const u8 *table)
{
	if (acpi->xsdt_count == XSDT_MAX)
		return -ENOSPC;
	acpi->xsdt[acpi->xsdt_count++] = address_of(acpi, table);
	return 0;
}

/* Its size shows only when it is written: the rest of the area is its to grow in. */
static u8 *build_dsdt(struct acpi *acpi, const struct acpi_machine *machine)
{
	u8 *table = reserve(acpi, TABLE_HEADER);
	struct aml aml;

	if (!table)
		return NULL;
	aml_init(&aml, table + TABLE_HEADER, acpi->size - acpi->used);
	dsdt_build(&aml, machine);
	if (aml.failed)
		return NULL;
	acpi->used += aml.len;
	/* Revision 2: integers have 64 bits. */
	finish_table(table, "DSDT", TABLE_HEADER + aml.len, 2);
	return table;
}

/* "Generic Address Structure" of a byte-wide port. */
static void put_port(u8 *gas, u16 port)
{
	gas[0] = GAS_SYSTEM_IO;
	gas[1] = 8;
	gas[2] = 0;
	gas[3] = GAS_BYTE;
	bp_put64(gas, 4, port);
}

/* "Firmware ACPI Control Structure (FACS)": nothing is in it but its name. */
static u8 *build_facs(struct acpi *acpi)
{
	u8 *facs;

	acpi->used = align_up(acpi->used, FACS_SIZE);
	facs = reserve(acpi, FACS_SIZE);
	if (!facs)
		return NULL;
	memcpy(facs, "FACS", 4);
	bp_put32(facs, 4, FACS_SIZE);
	facs[32] = 2;
	return facs;
}

/* What a machine has whose hardware is not reduced: the least of it. */
static int put_fixed_hardware(struct acpi *acpi, u8 *fadt)
{
	u8 *facs = build_facs(acpi);

	if (!facs)
		return -ENOSPC;
	bp_put32(fadt, FADT_FACS, address_of(acpi, facs));
	bp_put16(fadt, FADT_SCI, GSI_SCI);
	bp_put32(fadt, FADT_PM1_EVENT, PORT_PM1);
	bp_put32(fadt, FADT_PM1_CONTROL, PORT_PM1 + 4);
	fadt[FADT_PM1_EVENT_LEN] = 4;
	fadt[FADT_PM1_CTRL_LEN] = 2;
	bp_put16(fadt, FADT_C2_LATENCY, 0xfff);
	bp_put16(fadt, FADT_C3_LATENCY, 0xfff);
	return 0;
}

static int build_fadt(struct acpi *acpi, u64 dsdt, bool reduced)
{
	u8 *table = reserve(acpi, FADT_SIZE);

	if (!table || (!reduced && put_fixed_hardware(acpi, table)))
		return -ENOSPC;
	bp_put32(table, FADT_DSDT, dsdt);
	bp_put64(table, FADT_X_DSDT, dsdt);
	table[FADT_CENTURY] = 0x32;
	bp_put16(table, FADT_BOOT_ARCH, BOOT_ARCH_NO_VGA);
	bp_put32(table, FADT_FLAGS,
		 FLAG_WBINVD | FLAG_NO_SLP_BUTTON | FLAG_FIX_RTC | FLAG_RESET_REG |
			 (reduced ? FLAG_HW_REDUCED | FLAG_NO_PWR_BUTTON : 0));
	put_port(table + FADT_RESET_REG, PORT_RESET);
	table[FADT_RESET_VALUE] = RESET_VALUE;
	table[FADT_MINOR] = 5;
	put_port(table + FADT_SLEEP_CONTROL, PORT_SLEEP);
	put_port(table + FADT_SLEEP_STATUS, PORT_SLEEP + 1);
	memcpy(table + FADT_HYPERVISOR, "LKVM", 4);
	finish_table(table, "FACP", FADT_SIZE, 6);
	return list_table(acpi, table);
}

static u8 *put_lapic(u8 *entry, u8 id)
{
	entry[0] = 0; /* "Processor Local APIC Structure" */
	entry[1] = MADT_LAPIC;
	entry[2] = id; /* processor UID */
	entry[3] = id;
	bp_put32(entry, 4, 1); /* enabled */
	return entry + MADT_LAPIC;
}

static u8 *put_ioapic(u8 *entry)
{
	entry[0] = 1; /* "I/O APIC Structure"; ID and first GSI 0, as KVM's is */
	entry[1] = MADT_IOAPIC;
	bp_put32(entry, 4, LAYOUT_IOAPIC);
	return entry + MADT_IOAPIC;
}

static int build_madt(struct acpi *acpi, unsigned cpus)
{
	size_t size = MADT_FIXED + cpus * MADT_LAPIC + MADT_IOAPIC + MADT_LAPIC_NMI;
	u8 *table = reserve(acpi, size), *entry;

	if (!table)
		return -ENOSPC;
	bp_put32(table, 36, LAYOUT_LAPIC);
	bp_put32(table, 40, MADT_PCAT);
	entry = table + MADT_FIXED;
	for (unsigned i = 0; i < cpus; i++)
		entry = put_lapic(entry, i);
	entry = put_ioapic(entry);
	entry[0] = 4; /* "Local APIC NMI Structure": LINT1 of all */
	entry[1] = MADT_LAPIC_NMI;
	entry[2] = 0xff;
	entry[5] = 1;
	finish_table(table, "APIC", size, 5);
	return list_table(acpi, table);
}

static int build_mcfg(struct acpi *acpi, const struct pci_layout *pci)
{
	u8 *table = reserve(acpi, MCFG_SIZE);

	if (!table)
		return -ENOSPC;
	/* Segment 0 and buses 0 to 0 follow, in zeros. */
	bp_put64(table, MCFG_ENTRY, pci->ecam.start);
	finish_table(table, "MCFG", MCFG_SIZE, 1);
	return list_table(acpi, table);
}

static int add_extra(struct acpi *acpi, const struct firmware_table *extra)
{
	u8 *table = reserve(acpi, extra->size);

	if (!table)
		return -ENOSPC;
	memcpy(table, extra->data, extra->size);
	return list_table(acpi, table);
}

static u8 *build_xsdt(struct acpi *acpi)
{
	size_t size = TABLE_HEADER + acpi->xsdt_count * 8;
	u8 *table = reserve(acpi, size);

	if (!table)
		return NULL;
	for (unsigned i = 0; i < acpi->xsdt_count; i++)
		bp_put64(table, TABLE_HEADER + i * 8, acpi->xsdt[i]);
	finish_table(table, "XSDT", size, 1);
	return table;
}

/* "Root System Description Pointer (RSDP) Structure" */
static void put_rsdp(u8 *rsdp, u64 xsdt)
{
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "LKVM  ", 6);
	rsdp[15] = 2;
	bp_put32(rsdp, 20, RSDP_SIZE);
	bp_put64(rsdp, 24, xsdt);
	set_checksum(rsdp, 20, 8);
	set_checksum(rsdp, RSDP_SIZE, 32);
}

static int build_tables(struct acpi *acpi, const struct acpi_machine *machine)
{
	u8 *rsdp = reserve(acpi, RSDP_SIZE);
	u8 *dsdt, *xsdt;
	int ret;

	dsdt = rsdp ? build_dsdt(acpi, machine) : NULL;
	if (!dsdt)
		return -ENOSPC;
	ret = build_fadt(acpi, address_of(acpi, dsdt), !machine->no_ioapic);
	if (!ret)
		ret = build_madt(acpi, machine->cpus);
	if (!ret && machine->pci)
		ret = build_mcfg(acpi, machine->pci);
	for (unsigned i = 0; !ret && i < machine->table_count; i++)
		ret = add_extra(acpi, &machine->tables[i]);
	xsdt = ret ? NULL : build_xsdt(acpi);
	if (!xsdt)
		return -ENOSPC;
	put_rsdp(rsdp, address_of(acpi, xsdt));
	return 0;
}

int acpi_build(const struct acpi_machine *machine, u8 *area, size_t size, gpa_t gpa,
	       struct error *err)
{
	struct acpi acpi = { .area = area, .size = size, .gpa = gpa };

	if (build_tables(&acpi, machine))
		return error_set(err, -ENOSPC, "the ACPI tables do not fit into %zu KiB",
				 size / 1024);
	return 0;
}
