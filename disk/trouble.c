/* SPDX-License-Identifier: BSD-2-Clause */
#include "driver.h"

void disk_trouble_set(struct disk_trouble *trouble, const char *text, u64 value)
{
	if (atomic_load(&trouble->text))
		return;
	atomic_store(&trouble->value, value);
	atomic_store(&trouble->text, text);
}

const char *disk_trouble_take(struct disk_trouble *trouble, u64 *value)
{
	*value = atomic_load(&trouble->value);
	return atomic_exchange(&trouble->text, NULL);
}
