/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct boot_params, by offsets: Linux's "Zero Page" and "The Linux/x86 Boot
 * Protocol". The system's asm/bootparam.h has it too, but only on x86, and
 * this code is tested everywhere.
 */
#ifndef X86_BOOTPARAMS_H
#define X86_BOOTPARAMS_H

#include <string.h>

#include "util/types.h"

#define BP_SIZE		    4096
#define BP_ACPI_RSDP	    0x070
#define BP_EXT_RAMDISK	    0x0c0
#define BP_E820_ENTRIES	    0x1e8
#define BP_SETUP_SECTS	    0x1f1
#define BP_SYSSIZE	    0x1f4
#define BP_VIDEO_MODE	    0x1fa
#define BP_BOOT_FLAG	    0x1fe
#define BP_MAGIC	    0x202
#define BP_VERSION	    0x206
#define BP_LOADER_TYPE	    0x210
#define BP_LOADFLAGS	    0x211
#define BP_RAMDISK_IMAGE    0x218
#define BP_RAMDISK_SIZE	    0x21c
#define BP_CMDLINE_PTR	    0x228
#define BP_INITRD_ADDR_MAX  0x22c
#define BP_KERNEL_ALIGNMENT 0x230
#define BP_RELOCATABLE	    0x234
#define BP_XLOADFLAGS	    0x236
#define BP_CMDLINE_SIZE	    0x238
#define BP_PAYLOAD_OFFSET   0x248
#define BP_PAYLOAD_LENGTH   0x24c
#define BP_SETUP_DATA	    0x250
#define BP_PREF_ADDRESS	    0x258
#define BP_INIT_SIZE	    0x260
#define BP_E820_TABLE	    0x2d0
#define BP_E820_ENTRY	    20

#define LOADED_HIGH	  0x01
#define KASLR_FLAG	  0x02	 /* of loadflags: the kernel may randomize the rest, too */
#define XLF_5LEVEL	  0x0060 /* of xloadflags, both: it can have five levels, and will */
#define LOADER_UNASSIGNED 0xff
#define VIDEO_NORMAL	  0xffff

/* struct setup_data */
#define SETUP_DATA_TYPE 8
#define SETUP_DATA_LEN	12
#define SETUP_DATA_BODY 16
#define SETUP_RNG_SEED	9

static inline u16 bp_get16(const u8 *base, unsigned offset)
{
	le16 value;

	memcpy(&value, base + offset, sizeof(value));
	return le16_to_cpu(value);
}

static inline u32 bp_get32(const u8 *base, unsigned offset)
{
	le32 value;

	memcpy(&value, base + offset, sizeof(value));
	return le32_to_cpu(value);
}

static inline u64 bp_get64(const u8 *base, unsigned offset)
{
	le64 value;

	memcpy(&value, base + offset, sizeof(value));
	return le64_to_cpu(value);
}

static inline void bp_put16(u8 *base, unsigned offset, u16 value)
{
	const le16 le = cpu_to_le16(value);

	memcpy(base + offset, &le, sizeof(le));
}

static inline void bp_put32(u8 *base, unsigned offset, u32 value)
{
	const le32 le = cpu_to_le32(value);

	memcpy(base + offset, &le, sizeof(le));
}

static inline void bp_put64(u8 *base, unsigned offset, u64 value)
{
	const le64 le = cpu_to_le64(value);

	memcpy(base + offset, &le, sizeof(le));
}

#endif
