/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmocka_all.h"
#include "windows_rig.h"

const struct range windows_usual[WINDOWS_USUAL] = {
	{ 0xfee00000, 0xfee00fff },
	{ 0x08020000, 0x08020fff },
	{ 0x08080000, 0x0809ffff },
};

void windows_expect(const struct dma_limits *limits, const struct dma_range *ranges, unsigned count)
{
	assert_int_equal(limits->count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(limits->ranges[i].start, ranges[i].start);
		assert_int_equal(limits->ranges[i].last, ranges[i].last);
		assert_int_equal(limits->ranges[i].kind, ranges[i].kind);
	}
}
