/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI's configuration ports, 0xcf8 to 0xcff (PCI Local Bus 3.0, "Configuration Mechanism
 * #1"). @offset is from 0xcf8. VM lock held. Without a bus they read as all ones, like
 * ports without a device.
 */
#ifndef X86_CONFIG_PORTS_H
#define X86_CONFIG_PORTS_H

#include "util/types.h"

struct pci_bus;

struct config_ports {
	u32 address; /* the register at 0xcf8 */
};

u32 config_ports_read(const struct config_ports *ports, struct pci_bus *bus, u64 offset,
		      unsigned len);
void config_ports_write(struct config_ports *ports, struct pci_bus *bus, u64 offset, u32 value,
			unsigned len);

#endif
