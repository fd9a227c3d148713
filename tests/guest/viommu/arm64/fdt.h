/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader of device trees (Devicetree Specification 0.4, "Flattened Devicetree (DTB)
 * Format") that believes no offset: for (node = { 0 }; fdt_next(fdt, &node);).
 */
#ifndef TESTS_GUEST_VIOMMU_ARM64_FDT_H
#define TESTS_GUEST_VIOMMU_ARM64_FDT_H

#include "../machine.h"

struct fdt {
	const u8 *structs;
	const char *strings;
	u32 structs_size, strings_size;
};

struct fdt_node {
	u32 at; /* behind its name */
};

struct fdt_property {
	const u8 *data; /* NULL: there is none */
	u32 size;
};

/* False: @blob is no device tree. */
bool fdt_open(struct fdt *fdt, const void *blob);
/* The node after @node, in the order of the tree. */
bool fdt_next(const struct fdt *fdt, struct fdt_node *node);
struct fdt_property fdt_get(const struct fdt *fdt, struct fdt_node node, const char *name);
bool fdt_compatible(const struct fdt *fdt, struct fdt_node node, const char *with);
/* Cell @n of @property, or two of them; 0 past its end. */
u32 fdt_cell(struct fdt_property property, u32 n);
u64 fdt_cell2(struct fdt_property property, u32 n);
/* A string that ends within @property; NULL otherwise. */
const char *fdt_text(struct fdt_property property);

#endif
