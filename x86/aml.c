/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "aml.h"

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_IF = 0xa0,
	AML_ELSE = 0xa1,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
};

void aml_init(struct aml *aml, void *data, size_t size)
{
	*aml = (struct aml){ .data = data, .size = size };
}

static void put(struct aml *aml, const void *data, size_t len)
{
	if (aml->failed || len > aml->size - aml->len) {
		aml->failed = true;
		return;
	}
	memcpy(aml->data + aml->len, data, len);
	aml->len += len;
}

static void put8(struct aml *aml, u8 value)
{
	put(aml, &value, 1);
}

static void put_le(struct aml *aml, u64 value, unsigned bytes)
{
	const le64 le = cpu_to_le64(value);

	put(aml, &le, bytes);
}

static size_t begin(struct aml *aml, u8 op)
{
	put8(aml, op);
	return aml->len;
}

size_t aml_begin_scope(struct aml *aml, const char *name)
{
	size_t mark = begin(aml, AML_SCOPE);

	put(aml, name, strlen(name));
	return mark;
}

size_t aml_begin_device(struct aml *aml, const char *name)
{
	size_t mark;

	put8(aml, AML_EXT);
	mark = begin(aml, AML_EXT_DEVICE);
	put(aml, name, 4);
	return mark;
}

size_t aml_begin_package(struct aml *aml, u8 elements)
{
	size_t mark = begin(aml, AML_PACKAGE);

	put8(aml, elements);
	return mark;
}

size_t aml_begin_method(struct aml *aml, const char *name, u8 arguments)
{
	size_t mark = begin(aml, AML_METHOD);

	put(aml, name, strlen(name));
	put8(aml, arguments);
	return mark;
}

size_t aml_begin_if(struct aml *aml)
{
	return begin(aml, AML_IF);
}

size_t aml_begin_else(struct aml *aml)
{
	return begin(aml, AML_ELSE);
}

/* Make room for @len bytes at @at, which become @data. */
static void insert(struct aml *aml, size_t at, const void *data, size_t len)
{
	size_t tail = aml->len - at;

	put(aml, data, len); /* for its check of the room */
	if (aml->failed)
		return;
	memmove(aml->data + at + len, aml->data + at, tail);
	memcpy(aml->data + at, data, len);
}

/*
 * "Package Length Encoding": the length counts its own bytes; one byte holds up
 * to 63, else the first has 4 bits and says how many follow.
 */
void aml_end(struct aml *aml, size_t mark)
{
	size_t body = aml->len - mark, len;
	u8 bytes[4];
	unsigned more = 0;

	if (aml->failed)
		return;
	while (more < 3 && body + 1 + more >= (more ? 1UL << (4 + 8 * more) : 64))
		more++;
	len = body + 1 + more;
	if (len >> 28) {
		aml->failed = true;
		return;
	}
	bytes[0] = more ? (more << 6) | (len & 0xf) : len;
	for (unsigned i = 1; i <= more; i++)
		bytes[i] = len >> (4 + 8 * (i - 1));
	insert(aml, mark, bytes, 1 + more);
}

void aml_name(struct aml *aml, const char *name)
{
	put8(aml, AML_NAME);
	put(aml, name, strlen(name));
}

void aml_integer(struct aml *aml, u64 value)
{
	if (value <= 1) {
		put8(aml, value ? AML_ONE : AML_ZERO);
	} else if (value <= UINT8_MAX) {
		put8(aml, AML_BYTE);
		put_le(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		put8(aml, AML_WORD);
		put_le(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		put8(aml, AML_DWORD);
		put_le(aml, value, 4);
	} else {
		put8(aml, AML_QWORD);
		put_le(aml, value, 8);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	put8(aml, AML_STRING);
	put(aml, text, strlen(text) + 1);
}

void aml_buffer(struct aml *aml, const void *data, u8 size)
{
	size_t mark = begin(aml, AML_BUFFER);

	aml_integer(aml, size);
	put(aml, data, size);
	aml_end(aml, mark);
}

void aml_op(struct aml *aml, enum aml_op op)
{
	put8(aml, op);
}

void aml_reference(struct aml *aml, const char *name)
{
	put(aml, name, strlen(name));
}

static unsigned hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* "EISAID Macro": three letters of five bits, four hex digits; big-endian. */
void aml_eisa_id(struct aml *aml, const char *id)
{
	u32 value = 0;
	u8 bytes[4];

	for (unsigned i = 0; i < 3; i++)
		value = value << 5 | (id[i] - '@');
	for (unsigned i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = value >> (24 - 8 * i);
	put8(aml, AML_DWORD);
	put(aml, bytes, sizeof(bytes));
}

size_t aml_begin_resources(struct aml *aml)
{
	return begin(aml, AML_BUFFER);
}

/* "32-Bit Fixed Memory Range Descriptor", read-write. */
void aml_resource_memory32(struct aml *aml, u32 base, u32 size)
{
	put8(aml, 0x86);
	put_le(aml, 9, 2);
	put8(aml, 1);
	put_le(aml, base, 4);
	put_le(aml, size, 4);
}

/* "I/O Port Descriptor", 16 bits decoded, fixed. */
void aml_resource_io(struct aml *aml, u16 base, u8 size)
{
	put8(aml, 0x47);
	put8(aml, 1);
	put_le(aml, base, 2);
	put_le(aml, base, 2);
	put8(aml, 1);
	put8(aml, size);
}

/* "Extended Interrupt Descriptor": consumer, edge, active high, exclusive or shared. */
void aml_resource_edge_interrupt(struct aml *aml, u32 gsi, bool shared)
{
	put8(aml, 0x89);
	put_le(aml, 6, 2);
	put8(aml, shared ? 0x0b : 0x03);
	put8(aml, 1);
	put_le(aml, gsi, 4);
}

/*
 * "Word", "DWord" and "QWord Address Space Descriptor": a producer, its minimum and maximum
 * fixed, positively decoded. Memory is writable and not cacheable, I/O is the whole range.
 */
void aml_resource_window(struct aml *aml, enum aml_space space, unsigned bytes, u64 start, u64 last)
{
	static const u8 type_flags[] = { [AML_SPACE_MEMORY] = 1, [AML_SPACE_IO] = 3 };
	const u8 tag = bytes == 2 ? 0x88 : bytes == 4 ? 0x87 : 0x8a;

	put8(aml, tag);
	put_le(aml, 3 + 5 * bytes, 2);
	put8(aml, space);
	put8(aml, 0x0c);
	put8(aml, space == AML_SPACE_BUS ? 0 : type_flags[space]);
	put_le(aml, 0, bytes); /* granularity */
	put_le(aml, start, bytes);
	put_le(aml, last, bytes);
	put_le(aml, 0, bytes); /* translation */
	put_le(aml, last - start + 1, bytes);
}

void aml_end_resources(struct aml *aml, size_t mark)
{
	u8 size[3];

	/* "End Tag"; a checksum of 0 stands for none. */
	put8(aml, 0x79);
	put8(aml, 0);
	if (aml->failed)
		return;
	/* The BufferSize comes first in the buffer's body. */
	size[0] = AML_WORD;
	size[1] = aml->len - mark;
	size[2] = (aml->len - mark) >> 8;
	insert(aml, mark, size, sizeof(size));
	aml_end(aml, mark);
}
