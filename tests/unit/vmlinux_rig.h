/* SPDX-License-Identifier: BSD-2-Clause */
/* A bzImage with a small vmlinux in it, packed in any way, as the kernel's build makes them. */
#ifndef TESTS_VMLINUX_RIG_H
#define TESTS_VMLINUX_RIG_H

#include "util/types.h"
#include "util/unpack.h"

#define RIG_START     0x1000000ULL /* where it is linked to, physically */
#define RIG_VIRTUAL   0xffffffff81000000ULL
#define RIG_INIT_SIZE 0x800000ULL /* of memory that it takes */
#define RIG_ENTRY     0x40	  /* from its start */
#define RIG_IMAGE     0x5000ULL	  /* its two segments in the file, as they lie in memory */
/* What is to be moved: offsets in the image, and what is there. */
#define RIG_AT32     0x100
#define RIG_AT_MINUS 0x200
#define RIG_AT64     0x4008
#define RIG_VALUE32  0x81000123u
#define RIG_MINUS    0x7e000000u
#define RIG_VALUE64  0xffffffff81004567ULL

struct vmlinux_rig {
	u8 *elf;		     /* the ELF file, and the relocations behind it */
	size_t elf_len, relocations; /* where these begin */
	u8 *file;		     /* the bzImage */
	size_t len;
};

/* @tables: 3, or 2 as since Linux 6.15, or 0. It can be changed before it is packed. */
void vmlinux_rig_create(struct vmlinux_rig *rig, unsigned tables);
/* Make rig->file of rig->elf. */
void vmlinux_rig_pack(struct vmlinux_rig *rig, enum pack pack);
void vmlinux_rig_destroy(struct vmlinux_rig *rig);
/* A temporary file of it that has no name. */
int vmlinux_rig_open(const struct vmlinux_rig *rig);

#endif
