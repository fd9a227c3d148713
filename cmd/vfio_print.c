/* SPDX-License-Identifier: BSD-2-Clause */
/* What "lkvm vfio" prints. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "vfio.h"

/* Of the PCI Code and ID Assignment Specification what people pass, the closest first. */
static const struct {
	u32 class, mask;
	const char *name;
} classes[] = {
	{ 0x010600, 0xffff00, "SATA" },	       { 0x010800, 0xffff00, "NVMe" },
	{ 0x010000, 0xff0000, "storage" },     { 0x020000, 0xffff00, "Ethernet" },
	{ 0x020000, 0xff0000, "network" },     { 0x030000, 0xffff00, "VGA" },
	{ 0x030000, 0xff0000, "display" },     { 0x040300, 0xffff00, "audio" },
	{ 0x040000, 0xff0000, "multimedia" },  { 0x050000, 0xff0000, "memory" },
	{ 0x060000, 0xffff00, "host bridge" }, { 0x060100, 0xffff00, "ISA bridge" },
	{ 0x060400, 0xffff00, "PCI bridge" },  { 0x060000, 0xff0000, "bridge" },
	{ 0x070000, 0xffff00, "serial" },      { 0x070000, 0xff0000, "communication" },
	{ 0x080000, 0xff0000, "system" },      { 0x090000, 0xff0000, "input" },
	{ 0x0c0300, 0xffff00, "USB" },	       { 0x0c0500, 0xffff00, "SMBus" },
	{ 0x0c0000, 0xff0000, "serial bus" },  { 0x0d0000, 0xff0000, "wireless" },
	{ 0x100000, 0xff0000, "encryption" },  { 0x110000, 0xff0000, "signals" },
	{ 0x120000, 0xff0000, "accelerator" }, { 0, 0, "other" },
};

static const char *class_name(u32 class)
{
	unsigned i = 0;

	while ((class & classes[i].mask) != classes[i].class)
		i++;
	return classes[i].name;
}

static const char *kind_name(enum dma_range_kind kind)
{
	static const char *const names[] = {
		[DMA_RANGE_MSI] = "msi",
		[DMA_RANGE_RESERVED] = "reserved",
		[DMA_RANGE_DIRECT] = "direct",
		[DMA_RANGE_DIRECT_RELAXED] = "direct-relaxable",
	};

	return names[kind];
}

/* ---- the table ---- */

static void print_ranges(const struct vfio_host_device *device)
{
	if (!device->range_count)
		printf(" -");
	for (unsigned i = 0; i < device->range_count; i++) {
		const struct dma_range *range = &device->ranges[i];

		printf("%s0x%08llx-0x%08llx %s", i ? ", " : " ", (unsigned long long)range->start,
		       (unsigned long long)range->last, kind_name(range->kind));
	}
	printf("\n");
}

void vfio_print_table(const struct vfio_host_device *devices, unsigned count)
{
	char name[VFIO_ADDRESS_TEXT], group[16];

	printf("%-12s %-9s %-13s %-16s %5s %-12s %s\n", "ADDRESS", "ID", "CLASS", "DRIVER", "GROUP",
	       "RESET", "RESERVED");
	for (unsigned i = 0; i < count; i++) {
		const struct vfio_host_device *device = &devices[i];

		vfio_address_format(&device->address, name);
		snprintf(group, sizeof(group), device->group < 0 ? "-" : "%d", device->group);
		printf("%-12s %04x:%04x %-13s %-16s %5s %-12s", name, device->vendor,
		       device->device, class_name(device->class),
		       device->driver[0] ? device->driver : "-", group,
		       device->reset[0] ? device->reset : "-");
		print_ranges(device);
	}
}

/* ---- JSON ---- */

static json_t *hex(unsigned digits, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%0*llx", (int)digits, (unsigned long long)value);
	return json_string(text);
}

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *ranges_json(const struct vfio_host_device *device)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < device->range_count; i++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "start",
						      hex(1, device->ranges[i].start), "last",
						      hex(1, device->ranges[i].last), "kind",
						      kind_name(device->ranges[i].kind)));
	return list;
}

static json_t *members_json(const struct vfio_host_device *device)
{
	char name[VFIO_ADDRESS_TEXT];
	json_t *list = json_array();

	for (unsigned i = 0; i < device->member_count; i++) {
		vfio_address_format(&device->members[i], name);
		json_array_append_new(list, json_string(name));
	}
	return list;
}

/* The kernel's list is of words with a space between them. */
static json_t *resets_json(const struct vfio_host_device *device)
{
	const char *at = device->reset;
	json_t *list = json_array();

	while (*at) {
		size_t len = strcspn(at, " ");

		if (len)
			json_array_append_new(list, json_stringn(at, len));
		at += len + (at[len] == ' ');
	}
	return list;
}

static json_t *device_json(const struct vfio_host_device *device)
{
	char name[VFIO_ADDRESS_TEXT];

	vfio_address_format(&device->address, name);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o}",
			 "address", name, "vendor", hex(4, device->vendor), "device",
			 hex(4, device->device), "subsystem_vendor",
			 hex(4, device->subsystem_vendor), "subsystem_device",
			 hex(4, device->subsystem_device), "class", hex(6, device->class),
			 "class_name", class_name(device->class), "bridge", device->is_bridge,
			 "driver", text_or_null(device->driver), "group",
			 device->group < 0 ? json_null() : json_integer(device->group), "reset",
			 resets_json(device), "reserved", ranges_json(device), "members",
			 members_json(device));
}

bool vfio_print_json(const struct vfio_host_device *devices, unsigned count)
{
	json_t *list = json_array();
	bool done = true;

	for (unsigned i = 0; i < count; i++)
		done &= !json_array_append_new(list, device_json(&devices[i]));
	done = done && !json_dumpf(list, stdout, JSON_INDENT(2));
	if (done)
		printf("\n");
	json_decref(list);
	return done;
}

/* ---- check ---- */

void vfio_print_problems(const char *name, const struct vfio_problem *problems, unsigned count)
{
	unsigned fatal = 0;

	for (unsigned i = 0; i < count; i++)
		fatal += problems[i].fatal;
	if (!fatal)
		printf("%s: nothing stops a passthrough\n", name);
	for (unsigned i = 0; i < count; i++) {
		printf("%s: %s\n", problems[i].fatal ? "problem" : "note", problems[i].what);
		printf("  remedy: %s\n", problems[i].remedy);
	}
}
