/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/pci_regs.h>
#include <string.h>

#include "../wire/pci_driver.h"
#include "pci_judge.h"
#include "shim.h"

/* ---- BARs ---- */

static bool is_enabled(const struct pci_function *function, unsigned n)
{
	u16 command = pci_get16(function, PCI_COMMAND);

	if (function->bars[n].kind == PCI_BAR_NONE)
		return false;
	if (function->bars[n].kind == PCI_BAR_IO)
		return command & PCI_COMMAND_IO;
	return command & PCI_COMMAND_MEMORY &&
	       (n != PCI_ROM || function->config[PCI_ROM_ADDRESS] & PCI_ROM_ADDRESS_ENABLE);
}

/* What the registers say. */
static struct range range_of(const struct pci_function *function, unsigned n)
{
	const struct pci_bar *bar = &function->bars[n];
	u32 at = n == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * n;
	u64 address = pci_get32(function, at);

	if (bar->kind == PCI_BAR_MEMORY64)
		address |= (u64)pci_get32(function, at + 4) << 32;
	address &= ~(bar->size - 1);
	return (struct range){ address, address + (bar->size - 1) };
}

static bool within(const struct range *window, struct range range)
{
	return range.start >= window->start && range.last <= window->last;
}

static bool is_forwarded(const struct judge *judge, const struct pci_bar *bar, struct range range)
{
	const struct pci_layout *layout = pci_bus_layout(judge->vm->pci);

	if (bar->kind == PCI_BAR_IO)
		return within(&layout->io, range);
	return within(&layout->mmio32, range) || within(&layout->mmio64, range);
}

/* How many decoded BARs lie over @range, which is one of ports or of memory. */
static unsigned overlaps(const struct judge *judge, bool io, struct range range)
{
	unsigned count = 0;

	for (unsigned i = 0; i < judge->count; i++) {
		const struct pci_function *function = judge->functions[i].function;

		for (unsigned n = 0; n <= PCI_ROM; n++) {
			const struct pci_bar *bar = &function->bars[n];

			if (bar->decoded && (bar->kind == PCI_BAR_IO) == io)
				count += bar->address <= range.last &&
					 bar->address + (bar->size - 1) >= range.start;
		}
	}
	return count;
}

static void check_bar(const struct judge *judge, const struct pci_function *function, unsigned n)
{
	const struct pci_bar *bar = &function->bars[n];
	struct range range = range_of(function, n);
	bool io = bar->kind == PCI_BAR_IO;

	if (bar->decoded) {
		fuzz_check(is_enabled(function, n) && bar->address == range.start);
		fuzz_check(is_forwarded(judge, bar, range));
		fuzz_check(overlaps(judge, io, range) == 1);
	} else if (is_enabled(function, n)) {
		fuzz_check(!is_forwarded(judge, bar, range) || overlaps(judge, io, range));
	}
}

/* ---- vectors ---- */

static bool msi_vector_of(struct pci_function *function, unsigned n, struct judge_vector *out)
{
	u16 at = function->msi, control;
	unsigned count;

	if (!at)
		return false;
	control = pci_get16(function, at + PCI_MSI_FLAGS);
	count = 1u << MIN((control & PCI_MSI_FLAGS_QSIZE) >> 4,
			  (control & PCI_MSI_FLAGS_QMASK) >> 1);
	out->on = control & PCI_MSI_FLAGS_ENABLE && n < count;
	out->masked = control & PCI_MSI_FLAGS_MASKBIT &&
		      pci_get32(function, at + PCI_MSI_MASK_64) >> n & 1;
	out->address = pci_get32(function, at + PCI_MSI_ADDRESS_LO) |
		       (u64)pci_get32(function, at + PCI_MSI_ADDRESS_HI) << 32;
	out->data = (pci_get16(function, at + PCI_MSI_DATA_64) & ~(count - 1)) | n;
	out->vector = &function->msi_vectors[n];
	return true;
}

static bool msix_vector_of(struct pci_function *function, unsigned n, struct judge_vector *out)
{
	const u64 entry = (u64)n * MSIX_ENTRY_SIZE;
	u16 control;

	if (!function->msix_at || n >= msix_count(function->msix))
		return false;
	control = pci_get16(function, function->msix_at + PCI_MSIX_FLAGS);
	out->on = control & PCI_MSIX_FLAGS_ENABLE;
	out->masked = control & PCI_MSIX_FLAGS_MASKALL ||
		      msix_table_read(function->msix, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4);
	out->address = msix_table_read(function->msix, entry, 8);
	out->data = msix_table_read(function->msix, entry + PCI_MSIX_ENTRY_DATA, 4);
	out->vector = msix_vector(function->msix, n);
	return true;
}

bool judge_vector(struct pci_function *function, unsigned n, struct judge_vector *out)
{
	return n < JUDGE_MSI ? msi_vector_of(function, n, out)
			     : msix_vector_of(function, n - JUDGE_MSI, out);
}

bool judge_vector_leads(const struct judge_vector *v, u64 *doorbell)
{
	struct dma_space *space = v->vector->space;

	return v->on && !v->masked && !space->ops->resolve_msi(space, v->address, false, doorbell);
}

/* What KVM does with it is what the guest's registers say; returns whether it has a route. */
static bool check_vector(const struct judge *judge, const struct pci_function *function,
			 const struct judge_vector *v)
{
	const struct msi_vector *vector = v->vector;
	u64 doorbell = 0;
	bool leads = judge_vector_leads(v, &doorbell);

	fuzz_check(!vector->tied || (leads && vector->routed && vector->fd >= 0));
	fuzz_check(vector->tied || !leads || judge->starved);
	fuzz_check(!vector->routed || v->on);
	if (vector->tied)
		fuzz_check(vector->route.address == doorbell && vector->route.data == v->data &&
			   vector->route.device_id == pci_bdf(function));
	return vector->routed;
}

/* The guest's own view of what is pending; a passed device may be gone, and reads as all ones. */
static bool shows_pending(const struct judged *judged, unsigned n)
{
	struct pci_function *function = judged->function;

	if (n >= JUDGE_MSI)
		return msix_pba_read(function->msix, (n - JUDGE_MSI) / 64 * 8, 8) >>
			       (n - JUDGE_MSI) % 64 &
		       1;
	if (!judged->modelled ||
	    !(pci_get16(function, function->msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_MASKBIT))
		return msi_vector_pending(&function->msi_vectors[n]);
	return pci_config_read(function->bus, pci_bdf(function), function->msi + PCI_MSI_PENDING_64,
			       4) >>
		       n &
	       1;
}

/* It left, is forgotten, or stays: @judged->pending follows. */
static void follow(struct judge *judge, struct judged *judged, unsigned n,
		   const struct judge_vector *v)
{
	bool *pending = &judged->pending[n];

	if (!v->on) {
		*pending = false;
	} else if (v->vector->tied) {
		judge->expected += *pending;
		*pending = false;
	}
	if (!judged->modelled)
		*pending = msi_vector_pending(v->vector);
	else
		fuzz_check(*pending == msi_vector_pending(v->vector));
	if (*pending || n % 64 == judge->msis % 64)
		fuzz_check(shows_pending(judged, n) == *pending);
}

/* A device may have 2,048: those of which there is nothing to say are not worth more of a look. */
static bool is_idle(const struct judged *judged, unsigned n)
{
	const struct pci_function *function = judged->function;
	const u64 entry = (u64)(n - JUDGE_MSI) * MSIX_ENTRY_SIZE;
	const struct msi_vector *vector;

	if (n < JUDGE_MSI || judged->pending[n])
		return false;
	vector = msix_vector(function->msix, n - JUDGE_MSI);
	return !vector->programmed && !vector->routed && !vector->tied &&
	       msix_table_read(function->msix, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4);
}

static unsigned check_vectors(struct judge *judge, struct judged *judged)
{
	struct pci_function *function = judged->function;
	unsigned last = JUDGE_MSI + (function->msix ? msix_count(function->msix) : 0), routes = 0;
	struct judge_vector v;

	for (unsigned n = 0; n < last; n++) {
		if (is_idle(judged, n) || !judge_vector(function, n, &v))
			continue;
		routes += check_vector(judge, function, &v);
		follow(judge, judged, n, &v);
	}
	return routes;
}

void judge_signal(struct judge *judge, struct pci_function *function, unsigned n)
{
	struct judge_vector v;
	u64 doorbell;

	for (unsigned i = 0; i < judge->count; i++) {
		struct judged *judged = &judge->functions[i];

		if (judged->function != function || !judge_vector(function, n, &v) || !v.on)
			continue;
		if (v.vector->tied)
			judge->expected++;
		else if (v.masked || judge_vector_leads(&v, &doorbell))
			judged->pending[n] = true;
	}
}

/* ---- wires ---- */

static bool asserts(const struct pci_function *function)
{
	if (!function->intx_level || pci_get16(function, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE)
		return false;
	if (function->msi &&
	    pci_get16(function, function->msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE)
		return false;
	return !function->msix_at ||
	       !(pci_get16(function, function->msix_at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE);
}

static void check_wires(const struct judge *judge)
{
	bool high[4] = { false };

	for (unsigned i = 0; i < judge->count; i++) {
		const struct pci_function *function = judge->functions[i].function;
		u32 gsi = pci_intx_gsi(function);

		if (gsi == DEVICE_NO_IRQ)
			continue;
		high[gsi % 4] |= asserts(function);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(high); i++)
		fuzz_check(wire_level(RIG_INTX + i) == high[(RIG_INTX + i) % 4]);
}

/* ---- all of it ---- */

void judge_init(struct judge *judge, struct vm *vm)
{
	memset(judge, 0, sizeof(*judge));
	judge->vm = vm;
}

void judge_add(struct judge *judge, struct pci_function *function, bool modelled)
{
	fuzz_check(judge->count < JUDGE_FUNCTIONS);
	judge->functions[judge->count++] = (struct judged){ .function = function,
							    .modelled = modelled };
}

void judge_begin(struct judge *judge)
{
	judge->msis = wire_msis(NULL);
	judge->expected = 0;
	judge->exact = true;
}

void judge_end(struct judge *judge)
{
	unsigned routes = 0, sent;

	for (unsigned i = 0; i < judge->count; i++) {
		struct judged *judged = &judge->functions[i];

		for (unsigned n = 0; n <= PCI_ROM; n++)
			check_bar(judge, judged->function, n);
		routes += check_vectors(judge, judged);
	}
	fuzz_check(routes == wire_routes());
	sent = wire_msis(NULL) - judge->msis;
	fuzz_check(judge->exact ? sent == judge->expected : sent >= judge->expected);
	check_wires(judge);
}

/* Places at which BARs may have been: each of @count steps in @window. */
static void check_empty(struct bus *bus, struct range window, unsigned count)
{
	u64 step = (window.last - window.start) / count;
	u8 byte;

	for (unsigned i = 0; i <= count; i++)
		fuzz_check(!bus_read(bus, window.start + i * step, &byte, 1));
}

void judge_destroy(struct vm *vm)
{
	while (!list_empty(&vm->devices)) {
		struct list_node *last = vm->devices.prev;
		struct device *device = list_entry(last, struct device, node);

		list_del(last);
		device->ops->destroy(device);
	}
	fuzz_check(!vm->pci && !wire_routes());
	for (unsigned i = 0; i < 4; i++)
		fuzz_check(!wire_level(RIG_INTX + i));
	check_empty(vm->mmio, (struct range){ RIG_ECAM, RIG_ECAM + MIB - 1 }, 16);
	check_empty(vm->mmio, (struct range){ RIG_MMIO32, RIG_MMIO32 + 256 * MIB - 1 }, 64);
	check_empty(vm->mmio, (struct range){ RIG_MMIO64, RIG_MMIO64 + GIB - 1 }, 64);
	check_empty(vm->ports, (struct range){ 0x1000, 0xffff }, 16);
}
