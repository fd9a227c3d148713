/* SPDX-License-Identifier: BSD-2-Clause */
/* INTx: level-triggered, several functions to a line (PCI Local Bus 3.0, "Interrupt Pins"). */
#include <linux/pci_regs.h>

#include "pci_private.h"
#include "vmm/vm.h"

u32 pci_intx_gsi(const struct pci_function *function)
{
	u8 pin = function->config[PCI_INTERRUPT_PIN];

	if (!function->bus || !pin || pin > PCI_PINS)
		return DEVICE_NO_IRQ;
	return function->bus->layout.intx(function->slot, pin);
}

static struct pci_line *find_line(struct pci_bus *bus, u32 gsi)
{
	for (unsigned i = 0; i < bus->line_count; i++) {
		if (bus->lines[i].gsi == gsi)
			return &bus->lines[i];
	}
	return NULL;
}

int pci_intx_connect(struct pci_function *function)
{
	u32 gsi = pci_intx_gsi(function);
	struct pci_bus *bus = function->bus;
	struct pci_line *line;
	int ret;

	if (gsi == DEVICE_NO_IRQ || find_line(bus, gsi))
		return 0;
	line = &bus->lines[bus->line_count];
	*line = (struct pci_line){ .gsi = gsi };
	ret = irq_line_create(&line->line, bus->vm->irq, gsi, IRQ_LEVEL);
	if (!ret)
		bus->line_count++;
	return ret;
}

void pci_intx_destroy(struct pci_bus *bus)
{
	while (bus->line_count)
		irq_line_destroy(bus->lines[--bus->line_count].line);
}

/* "While a function's MSI is enabled it is prohibited from using INTx"; MSI-X likewise. */
bool pci_intx_allowed(const struct pci_function *function)
{
	if (pci_get16(function, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE)
		return false;
	if (function->msi &&
	    pci_get16(function, function->msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE)
		return false;
	return !function->msix_at ||
	       !(pci_get16(function, function->msix_at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE);
}

void pci_intx_update(struct pci_function *function)
{
	bool level = function->intx_level && pci_intx_allowed(function);
	u8 bit = 1 << function->function;
	struct pci_line *line;
	u8 *asserting;

	if (!function->bus)
		return;
	asserting = &function->bus->asserting[function->slot];
	line = find_line(function->bus, pci_intx_gsi(function));
	if (!line || level == !!(*asserting & bit))
		return;
	*asserting ^= bit;
	line->asserted += level ? 1 : -1;
	irq_line_set(line->line, line->asserted);
}

/* "Interrupt Status" shows the level whatever "Interrupt Disable" says. */
void pci_intx(struct pci_function *function, bool level)
{
	u16 status = pci_get16(function, PCI_STATUS) & ~PCI_STATUS_INTERRUPT;

	function->intx_level = level;
	pci_set16(function, PCI_STATUS, status | (level ? PCI_STATUS_INTERRUPT : 0));
	pci_intx_update(function);
}

void pci_set_interrupt_pin(struct pci_function *function, u8 pin)
{
	function->config[PCI_INTERRUPT_PIN] = pin;
}
