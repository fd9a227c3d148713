/* SPDX-License-Identifier: BSD-2-Clause */
/* The capabilities that a device has, as its configuration space lists them. (Pure.) */
#ifndef VFIO_CAPABILITY_LIST_H
#define VFIO_CAPABILITY_LIST_H

#include "util/types.h"

/* More than fit into the space there is. */
#define CAPABILITY_LIST_MAX 64

struct capability {
	u16 at, id;
	u16 size; /* of what is known of it; else all up to the next one */
	u8 version;
};

struct capability_list {
	unsigned count;
	struct capability all[CAPABILITY_LIST_MAX];
};

u16 capability_get16(const u8 *hardware, u32 offset);
u32 capability_get32(const u8 *hardware, u32 offset);

/*
 * @hardware: all 4096 bytes. A list that loops ends at the first capability that was seen before;
 * sizes are cut so that no structure reaches into the next one.
 */
void capability_list_read(struct capability_list *list, const u8 *hardware);
void capability_list_read_extended(struct capability_list *list, const u8 *hardware);

#endif
