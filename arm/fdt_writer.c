/* SPDX-License-Identifier: BSD-2-Clause */
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "fdt_writer.h"

#define FDT_REG_MAX 8

void fdt_write_bytes(struct fdt_writer *w, const char *name, const void *data, size_t len)
{
	if (!w->error)
		w->error = fdt_property(w->fdt, name, data, len);
}

void fdt_write_flag(struct fdt_writer *w, const char *name)
{
	fdt_write_bytes(w, name, "", 0);
}

void fdt_write_string(struct fdt_writer *w, const char *name, const char *text)
{
	fdt_write_bytes(w, name, text, strlen(text) + 1);
}

void fdt_write_u32(struct fdt_writer *w, const char *name, u32 value)
{
	fdt32_t cell = cpu_to_fdt32(value);

	fdt_write_bytes(w, name, &cell, sizeof(cell));
}

void fdt_write_u64(struct fdt_writer *w, const char *name, u64 value)
{
	fdt64_t cells = cpu_to_fdt64(value);

	fdt_write_bytes(w, name, &cells, sizeof(cells));
}

/* @count pairs of address and size, two cells each. */
void fdt_write_reg(struct fdt_writer *w, const u64 *values, unsigned count)
{
	fdt64_t cells[FDT_REG_MAX];

	for (unsigned i = 0; i < count * 2; i++)
		cells[i] = cpu_to_fdt64(values[i]);
	fdt_write_bytes(w, "reg", cells, count * 2 * sizeof(cells[0]));
}

void fdt_write_begin(struct fdt_writer *w, const char *name)
{
	if (!w->error)
		w->error = fdt_begin_node(w->fdt, name);
}

void fdt_write_begin_at(struct fdt_writer *w, const char *name, u64 address)
{
	char unit[64];

	snprintf(unit, sizeof(unit), "%s@%llx", name, (unsigned long long)address);
	fdt_write_begin(w, unit);
}

void fdt_write_end(struct fdt_writer *w)
{
	if (!w->error)
		w->error = fdt_end_node(w->fdt);
}
