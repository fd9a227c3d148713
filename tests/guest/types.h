/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_GUEST_TYPES_H
#define TESTS_GUEST_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#endif
