/* SPDX-License-Identifier: BSD-2-Clause */
#include "fdt.h"

#include "../lib.h"

#define MAGIC	 0xd00dfeed
#define MAX_SIZE 0x200000 /* a kernel takes no larger one */

enum { HEADER_SIZE = 40, TOKEN_SIZE = 4 };
enum token { BEGIN_NODE = 1, END_NODE, PROPERTY, NOP, END = 9 };

struct entry {
	u32 token;
	const char *name; /* of a property */
	struct fdt_property property;
};

static u32 be32(const u8 *at)
{
	return (u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Whether a string begins at @at of [@text, @text + @size) and ends there too. */
static bool ends(const char *text, u32 at, u32 size)
{
	while (at < size && text[at])
		at++;
	return at < size;
}

bool fdt_open(struct fdt *fdt, const void *blob)
{
	const u8 *header = blob;
	u32 total, structs, strings;

	if (!header || (u64)header % 8 || be32(header) != MAGIC)
		return false;
	total = be32(header + 4);
	structs = be32(header + 8);
	strings = be32(header + 12);
	*fdt = (struct fdt){
		.structs = header + structs,
		.strings = (const char *)header + strings,
		.strings_size = be32(header + 32),
		.structs_size = be32(header + 36),
	};
	return total >= HEADER_SIZE && total <= MAX_SIZE && structs <= total &&
	       fdt->structs_size <= total - structs && strings <= total &&
	       fdt->strings_size <= total - strings;
}

/* What is at *at, and *at past it; false: the tree is broken there. */
static bool read_entry(const struct fdt *fdt, u32 *at, struct entry *entry)
{
	const u32 room = fdt->structs_size;
	u32 size = 0, name;

	if (*at >= room || room - *at < TOKEN_SIZE)
		return false;
	entry->token = be32(fdt->structs + *at);
	*at += TOKEN_SIZE;
	if (entry->token == BEGIN_NODE) {
		if (!ends((const char *)fdt->structs, *at, room))
			return false;
		while (fdt->structs[*at + size++])
			;
	} else if (entry->token == PROPERTY) {
		if (room - *at < 2 * TOKEN_SIZE)
			return false;
		size = be32(fdt->structs + *at);
		name = be32(fdt->structs + *at + TOKEN_SIZE);
		*at += 2 * TOKEN_SIZE;
		if (size > room - *at || !ends(fdt->strings, name, fdt->strings_size))
			return false;
		entry->name = fdt->strings + name;
		entry->property = (struct fdt_property){ fdt->structs + *at, size };
	}
	*at = (*at + size + TOKEN_SIZE - 1) & -TOKEN_SIZE;
	return entry->token != END;
}

bool fdt_next(const struct fdt *fdt, struct fdt_node *node)
{
	struct entry entry;

	while (read_entry(fdt, &node->at, &entry)) {
		if (entry.token == BEGIN_NODE)
			return true;
	}
	return false;
}

struct fdt_property fdt_get(const struct fdt *fdt, struct fdt_node node, const char *name)
{
	struct entry entry;

	while (read_entry(fdt, &node.at, &entry) &&
	       (entry.token == PROPERTY || entry.token == NOP)) {
		if (entry.token == PROPERTY && same(entry.name, name))
			return entry.property;
	}
	return (struct fdt_property){ 0 };
}

bool fdt_compatible(const struct fdt *fdt, struct fdt_node node, const char *with)
{
	const struct fdt_property list = fdt_get(fdt, node, "compatible");
	const char *text = (const char *)list.data;

	for (u32 at = 0; ends(text, at, list.size); at++) {
		if (same(text + at, with))
			return true;
		while (text[at])
			at++;
	}
	return false;
}

u32 fdt_cell(struct fdt_property property, u32 n)
{
	return n < property.size / 4 ? be32(property.data + 4 * n) : 0;
}

u64 fdt_cell2(struct fdt_property property, u32 n)
{
	return (u64)fdt_cell(property, n) << 32 | fdt_cell(property, n + 1);
}

const char *fdt_text(struct fdt_property property)
{
	const char *text = (const char *)property.data;

	return ends(text, 0, property.size) ? text : NULL;
}
