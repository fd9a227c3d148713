/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/log.h"

/* The one setting of the process: written before threads start. */
static enum log_level log_level = LOG_WARNING;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *name, enum log_level *level)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (!strcmp(name, level_names[i])) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

static void log_vprint(enum log_level level, const char *format, va_list args)
{
	char line[1024];
	int saved = errno;
	int len = snprintf(line, sizeof(line), "lkvm: %s: ", level_names[level]);

	len += vsnprintf(line + len, sizeof(line) - len, format, args);
	len = MIN(len, (int)sizeof(line) - 2);
	line[len++] = '\n';
	/* Nobody to tell if stderr is gone. */
	if (write(STDERR_FILENO, line, len) < 0) {
	}
	errno = saved;
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log_level)
		return;
	va_start(args, format);
	log_vprint(level, format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	struct timespec now;
	va_list args;

	limit->total++;
	if (level > log_level)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((u64)now.tv_sec - limit->window >= LOG_LIMIT_SECONDS) {
		if (limit->dropped)
			log_print(level, "(%u more like these were left out)", limit->dropped);
		limit->window = now.tv_sec;
		limit->printed = limit->dropped = 0;
	}
	if (limit->printed >= LOG_LIMIT_BURST) {
		limit->dropped++;
		return;
	}
	limit->printed++;
	va_start(args, format);
	log_vprint(level, format, args);
	va_end(args);
}
