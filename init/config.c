/* SPDX-License-Identifier: BSD-2-Clause */
/* What init is to do: strings in a file of the initial RAM disk. */
#include "init.h"

static char boot_config[ONESHOT_CONFIG_SIZE];
static const char *config = boot_config;

void config_read(void)
{
	int fd = sys_open(ONESHOT_CONFIG, O_RDONLY);
	size_t len = 0;
	long got;

	while ((got = sys_read(fd, boot_config + len, ONESHOT_CONFIG_SIZE - 1 - len)) > 0)
		len += got;
	sys_close(fd);
	boot_config[len] = '\0';
}

const char *config_next(enum oneshot_config key, const char *last)
{
	const char *at = last ? last + text_length(last) + 1 : config;

	while (*at && *at != (char)key)
		at += text_length(at) + 1;
	return *at ? at + 1 : NULL;
}

void config_use(const char *text)
{
	config = text;
}

const char *config_text(void)
{
	return config;
}
