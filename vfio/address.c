/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "vfio/host.h"

/* At most @digits hexadecimal digits at *text, and @end behind them; moves *text past both. */
static bool take_field(const char **text, unsigned digits, u32 max, char end, u32 *value)
{
	const char *at = *text;

	for (*value = 0; digits && isxdigit((unsigned char)*at); digits--, at++) {
		int c = tolower((unsigned char)*at);

		*value = *value * 16 + (isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	if (at == *text || *value > max || *at != end)
		return false;
	*text = at + 1;
	return true;
}

int vfio_address_parse(struct vfio_address *address, const char *text, struct error *err)
{
	const char *at = text;
	u32 domain, bus, slot, function;

	if (!take_field(&at, 4, UINT16_MAX, ':', &domain) ||
	    !take_field(&at, 2, UINT8_MAX, ':', &bus)) {
		at = text;
		domain = 0;
		if (!take_field(&at, 2, UINT8_MAX, ':', &bus))
			goto bad;
	}
	if (!take_field(&at, 2, 0x1f, '.', &slot) || !take_field(&at, 1, 7, '\0', &function))
		goto bad;
	*address = (struct vfio_address){ domain, bus, slot, function };
	return 0;
bad:
	return error_set(err, -EINVAL,
			 "'%.40s' is no PCI address: it is like 0000:00:04.0 or 00:04.0 "
			 "([DOMAIN:]BUS:DEV.FN, hexadecimal)",
			 text);
}

void vfio_address_format(const struct vfio_address *address, char text[VFIO_ADDRESS_TEXT])
{
	snprintf(text, VFIO_ADDRESS_TEXT, "%04x:%02x:%02x.%u", address->domain, address->bus,
		 address->slot & 0x1f, address->function & 7);
}
