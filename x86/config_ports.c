/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_ports.h"
#include "vmm/pci.h"

#define CONFIG_ADDRESS	     0
#define CONFIG_DATA	     4
#define CONFIG_ENABLE	     0x80000000u
#define CONFIG_ADDRESS_MASK  0x80fffffcu /* the rest is reserved and reads as 0 */
#define CONFIG_BDF_SHIFT     8
#define CONFIG_REGISTER_MASK 0xfc

static u16 selected_bdf(const struct config_ports *ports)
{
	return ports->address >> CONFIG_BDF_SHIFT;
}

static u32 selected_register(const struct config_ports *ports, u64 offset)
{
	return (ports->address & CONFIG_REGISTER_MASK) + (offset - CONFIG_DATA);
}

static bool is_data(const struct config_ports *ports, u64 offset)
{
	return offset >= CONFIG_DATA && (ports->address & CONFIG_ENABLE);
}

/* "Configuration cycles" enable any bytes of a dword, askew ones too: those go one by one. */
static bool is_askew(u64 offset, unsigned len)
{
	return offset % len;
}

/*
 * Accesses to the address other than by a dword "must be passed on". There is no device behind:
 * they read as all ones.
 */
u32 config_ports_read(const struct config_ports *ports, struct pci_bus *bus, u64 offset,
		      unsigned len)
{
	u32 value = 0;

	if (!bus)
		return ~0u;
	if (offset == CONFIG_ADDRESS && len == 4)
		return ports->address;
	if (!is_data(ports, offset))
		return ~0u;
	if (!is_askew(offset, len))
		return pci_config_read(bus, selected_bdf(ports), selected_register(ports, offset),
				       len);
	for (unsigned i = 0; i < len; i++)
		value |= (pci_config_read(bus, selected_bdf(ports),
					  selected_register(ports, offset + i), 1) &
			  0xff)
			 << (8 * i);
	return value;
}

void config_ports_write(struct config_ports *ports, struct pci_bus *bus, u64 offset, u32 value,
			unsigned len)
{
	if (!bus)
		return;
	if (offset == CONFIG_ADDRESS && len == 4)
		ports->address = value & CONFIG_ADDRESS_MASK;
	if (!is_data(ports, offset))
		return;
	if (!is_askew(offset, len)) {
		pci_config_write(bus, selected_bdf(ports), selected_register(ports, offset), value,
				 len);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		pci_config_write(bus, selected_bdf(ports), selected_register(ports, offset + i),
				 value >> (8 * i) & 0xff, 1);
}
