/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "vmm/counters.h"

static void add(struct counters_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct counters_text *text, const char *format, ...)
{
	size_t room = sizeof(text->buffer) - text->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->buffer + text->len, room, format, args);
	va_end(args);
	text->len += MIN((size_t)len, room - 1);
}

static void begin(struct counters *counters, const char *part, int queue)
{
	struct counters_text *text = container_of(counters, struct counters_text, counters);

	counters_text_end(text);
	add(text, "%s", part);
	if (queue >= 0)
		add(text, " queue %d", queue);
	add(text, ":");
}

static void number(struct counters *counters, const char *key, u64 value)
{
	add(container_of(counters, struct counters_text, counters), " %s=%llu", key,
	    (unsigned long long)value);
}

static void put_text(struct counters *counters, const char *key, const char *value)
{
	add(container_of(counters, struct counters_text, counters), " %s=%s", key, value);
}

void counters_text_begin(struct counters_text *text)
{
	text->counters = (struct counters){ .begin = begin, .number = number, .text = put_text };
	text->len = 0;
}

void counters_text_end(struct counters_text *text)
{
	if (text->len)
		text->line(text, text->buffer);
	text->len = 0;
}
