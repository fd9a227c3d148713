/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of vmm/windows.h share. */
#ifndef TESTS_UNIT_WINDOWS_RIG_H
#define TESTS_UNIT_WINDOWS_RIG_H

#include "vmm/windows.h"

/* The page sizes of a host with pages of 4 KiB. */
#define WINDOWS_4K 0x40201000ULL

/* The places of doorbells: x86's; arm64's v2m frame and ITS. */
#define WINDOWS_USUAL 3
extern const struct range windows_usual[WINDOWS_USUAL];

/* Assert that the ranges of @limits are these. */
void windows_expect(const struct dma_limits *limits, const struct dma_range *ranges,
		    unsigned count);
#define WINDOWS_EXPECT(limits, ...)                                                                \
	do {                                                                                       \
		const struct dma_range expected[] = { __VA_ARGS__ };                               \
		windows_expect(limits, expected, ARRAY_SIZE(expected));                            \
	} while (0)

#endif
