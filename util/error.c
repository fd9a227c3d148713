/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "util/error.h"

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err || err->text[0])
		return code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}
