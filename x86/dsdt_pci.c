/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI's objects in the namespace (ACPI 6.5; PCI Firmware Specification 3.3). */
#include "acpi.h"
#include "aml.h"
#include "layout.h"
#include "vmm/pci.h"

#define INTX_PINS 4

/* "_OSC Control Field Capabilities": of what a native system may take over, there is this. */
#define OSC_EXPRESS_CAPABILITY 0x10
/* "Status bits" of the first dword. */
#define OSC_UNKNOWN_UUID     0x04
#define OSC_UNKNOWN_REVISION 0x08
#define OSC_MASKED	     0x10

static void add_integer(struct aml *aml, const char *name, u64 value)
{
	aml_name(aml, name);
	aml_integer(aml, value);
}

static void add_bridge_resources(struct aml *aml, const struct pci_layout *pci)
{
	size_t mark;

	aml_name(aml, "_CRS");
	mark = aml_begin_resources(aml);
	aml_resource_window(aml, AML_SPACE_BUS, 2, 0, 0);
	aml_resource_io(aml, PORT_CONFIG, 8);
	aml_resource_window(aml, AML_SPACE_IO, 2, pci->io.start, pci->io.last);
	aml_resource_window(aml, AML_SPACE_MEMORY, 4, pci->mmio32.start, pci->mmio32.last);
	aml_resource_window(aml, AML_SPACE_MEMORY, 8, pci->mmio64.start, pci->mmio64.last);
	aml_end_resources(aml, mark);
}

/* "_PRT (PCI Routing Table)": a GSI outright, with no link device in between. */
static void add_routing(struct aml *aml, const struct pci_layout *pci)
{
	size_t table, entry;

	aml_name(aml, "_PRT");
	table = aml_begin_package(aml, PCI_SLOTS * INTX_PINS);
	for (unsigned i = 0; i < PCI_SLOTS * INTX_PINS; i++) {
		unsigned slot = i / INTX_PINS, pin = i % INTX_PINS;

		entry = aml_begin_package(aml, 4);
		aml_integer(aml, slot << 16 | 0xffff);
		aml_integer(aml, pin);
		aml_integer(aml, 0);
		aml_integer(aml, pci->intx(slot, pin + 1));
		aml_end(aml, entry);
	}
	aml_end(aml, table);
}

/* Or(@name, @bits, @name). */
static void or_into(struct aml *aml, const char *name, u8 bits)
{
	aml_op(aml, AML_OR);
	aml_reference(aml, name);
	aml_integer(aml, bits);
	aml_reference(aml, name);
}

static void create_field(struct aml *aml, u8 offset, const char *name)
{
	aml_op(aml, AML_CREATE_DWORD_FIELD);
	aml_op(aml, AML_ARG3);
	aml_integer(aml, offset);
	aml_reference(aml, name);
}

/* If (@a != @b) @name |= @bits. */
static void flag_difference(struct aml *aml, enum aml_op a, const char *b, u8 bits)
{
	size_t mark = aml_begin_if(aml);

	aml_op(aml, AML_NOT);
	aml_op(aml, AML_EQUAL);
	aml_op(aml, a);
	if (b)
		aml_reference(aml, b);
	else
		aml_integer(aml, 1);
	or_into(aml, "CDW1", bits);
	aml_end(aml, mark);
}

/*
 * "_OSC (Operating System Capabilities)", of a host bridge with nothing but endpoints on its
 * bus: no slot to plug into, no root port that could tell of errors or wake-ups. The PCI Express
 * capability is the guest's to control.
 */
static void add_osc(struct aml *aml)
{
	/* 33DB4D5B-1FF7-401C-9657-7441C03DD766 */
	static const u8 uuid[] = { 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
				   0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66 };
	size_t method = aml_begin_method(aml, "_OSC", 4), mark;

	create_field(aml, 0, "CDW1");
	mark = aml_begin_if(aml);
	aml_op(aml, AML_EQUAL);
	aml_op(aml, AML_ARG0);
	aml_buffer(aml, uuid, sizeof(uuid));
	create_field(aml, 8, "CDW3");
	aml_op(aml, AML_AND);
	aml_reference(aml, "CDW3");
	aml_integer(aml, OSC_EXPRESS_CAPABILITY);
	aml_op(aml, AML_LOCAL0);
	flag_difference(aml, AML_LOCAL0, "CDW3", OSC_MASKED);
	flag_difference(aml, AML_ARG1, NULL, OSC_UNKNOWN_REVISION);
	aml_op(aml, AML_STORE);
	aml_op(aml, AML_LOCAL0);
	aml_reference(aml, "CDW3");
	aml_end(aml, mark);
	mark = aml_begin_else(aml);
	or_into(aml, "CDW1", OSC_UNKNOWN_UUID);
	aml_end(aml, mark);
	aml_op(aml, AML_RETURN);
	aml_op(aml, AML_ARG3);
	aml_end(aml, method);
}

static void add_bridge(struct aml *aml, const struct pci_layout *pci)
{
	size_t mark = aml_begin_device(aml, "PCI0");

	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0A08");
	/* For systems that know no PCI Express. */
	aml_name(aml, "_CID");
	aml_eisa_id(aml, "PNP0A03");
	add_integer(aml, "_UID", 0);
	add_integer(aml, "_SEG", 0);
	add_integer(aml, "_BBN", 0);
	add_bridge_resources(aml, pci);
	add_routing(aml, pci);
	add_osc(aml);
	aml_end(aml, mark);
}

/* MCFG: the ECAM is to be reserved by a "motherboard resource", not by the bridge. */
static void add_ecam(struct aml *aml, const struct pci_layout *pci)
{
	size_t mark = aml_begin_device(aml, "ECAM"), resources;

	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0C02");
	add_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	resources = aml_begin_resources(aml);
	aml_resource_memory32(aml, pci->ecam.start, pci->ecam.last - pci->ecam.start + 1);
	aml_end_resources(aml, resources);
	aml_end(aml, mark);
}

void dsdt_add_pci(struct aml *aml, const struct pci_layout *pci)
{
	add_bridge(aml, pci);
	add_ecam(aml, pci);
}
