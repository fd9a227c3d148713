/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tiny guests need: ports, registers in memory, and words on the serial
 * port. A guest is one guest_main(); when it returns the machine is switched off.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include "io.h"

void guest_main(const u8 *boot_params);

static inline u32 read32(u64 address)
{
	return *(volatile u32 *)address;
}

static inline void write32(u64 address, u32 value)
{
	*(volatile u32 *)address = value;
}

static inline void put_char(char c)
{
	while (!(inb(PORT_COM1 + 5) & 0x20))
		;
	outb(PORT_COM1, c);
}

static inline void put_bytes(const void *bytes, u64 count)
{
	for (u64 i = 0; i < count; i++)
		put_char(((const char *)bytes)[i]);
}

static inline void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

static inline void put_hex(u64 value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

static inline void halt(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

#endif
