/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A writer of AML, the bytecode of ACPI's definition blocks (ACPI 6.5, "ACPI
 * Machine Language (AML) Specification"), into a buffer of fixed size. A write
 * that does not fit sets @failed and changes nothing more; the caller looks at
 * it once, at the end.
 */
#ifndef X86_AML_H
#define X86_AML_H

#include "util/types.h"

struct aml {
	u8 *data; /* borrowed */
	size_t size;
	size_t len;
	bool failed;
};

void aml_init(struct aml *aml, void *data, size_t size);

/* What is written between a begin and aml_end() of the mark that it returned is inside. */
size_t aml_begin_scope(struct aml *aml, const char *name);  /* "\\_SB_" */
size_t aml_begin_device(struct aml *aml, const char *name); /* four characters */
size_t aml_begin_package(struct aml *aml, u8 elements);
size_t aml_begin_method(struct aml *aml, const char *name, u8 arguments); /* not serialized */
size_t aml_begin_if(struct aml *aml); /* the condition comes first */
size_t aml_begin_else(struct aml *aml);
void aml_end(struct aml *aml, size_t mark);

/* Name(@name, the object that is written next). */
void aml_name(struct aml *aml, const char *name);

void aml_integer(struct aml *aml, u64 value);
void aml_string(struct aml *aml, const char *text);
void aml_buffer(struct aml *aml, const void *data, u8 size);
/* One byte of code, of which the operands are written next; and the name of an object as one. */
enum aml_op {
	AML_LOCAL0 = 0x60,
	AML_ARG0 = 0x68,
	AML_ARG1,
	AML_ARG2,
	AML_ARG3,
	AML_STORE = 0x70,
	AML_AND = 0x7b,
	AML_OR = 0x7d,
	AML_NOTIFY = 0x86,
	AML_CREATE_DWORD_FIELD = 0x8a,
	AML_NOT = 0x92,
	AML_EQUAL = 0x93,
	AML_RETURN = 0xa4,
};
void aml_op(struct aml *aml, enum aml_op op);
void aml_reference(struct aml *aml, const char *name);
/* A hardware ID as a string of seven, "PNP0501", in its 32-bit form. */
void aml_eisa_id(struct aml *aml, const char *id);

/* A ResourceTemplate: descriptors between begin and end ("Resource Data Types for ACPI"). */
size_t aml_begin_resources(struct aml *aml);
void aml_resource_memory32(struct aml *aml, u32 base, u32 size);
void aml_resource_io(struct aml *aml, u16 base, u8 size);
void aml_resource_edge_interrupt(struct aml *aml, u32 gsi, bool shared);
/* What a bridge passes on, in @bytes (2, 4, 8) each: "Address Space Resource Descriptors". */
enum aml_space { AML_SPACE_MEMORY, AML_SPACE_IO, AML_SPACE_BUS };
void aml_resource_window(struct aml *aml, enum aml_space space, unsigned bytes, u64 start,
			 u64 last);
void aml_end_resources(struct aml *aml, size_t mark);

#endif
