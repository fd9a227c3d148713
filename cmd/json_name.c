/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "json_name.h"

json_t *json_name(const char *name)
{
	json_t *json = json_string(name);
	char *text = json ? NULL : strdup(name);

	if (json || !text)
		return json;
	for (char *at = text; *at; at++)
		*at = *at & 0x80 ? '?' : *at;
	json = json_string(text);
	free(text);
	return json;
}
