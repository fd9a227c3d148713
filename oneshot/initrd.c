/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/cpio.h"
#include "oneshot/initrd.h"

#define FOLDER "lkvm"

void initrd_config_add(struct initrd_config *config, enum oneshot_config key, const char *value)
{
	size_t len = strlen(value) + 1;
	char *text = config->failed ? NULL : realloc(config->text, config->len + 1 + len);

	config->failed |= !text;
	if (!text)
		return;
	config->text = text;
	text[config->len++] = key;
	memcpy(text + config->len, value, len);
	config->len += len;
}

static unsigned count_values(const struct initrd_config *config, enum oneshot_config key)
{
	unsigned count = 0;

	for (size_t at = 0; at < config->len; at += strlen(config->text + at) + 1)
		count += config->text[at] == (char)key;
	return count;
}

int initrd_config_check(const struct initrd_config *config, size_t longest, struct error *err)
{
	if (config->failed)
		return error_set(err, -ENOMEM, "out of memory");
	if (config->len > longest)
		return error_set(err, -E2BIG,
				 "the command and its environment are longer than %zu KiB",
				 longest / 1024);
	if (count_values(config, ONESHOT_WORD) > ONESHOT_WORDS)
		return error_set(err, -E2BIG, "the command has more than %u words", ONESHOT_WORDS);
	if (count_values(config, ONESHOT_VARIABLE) > ONESHOT_WORDS)
		return error_set(err, -E2BIG,
				 "the command's environment has more than %u variables",
				 ONESHOT_WORDS);
	return 0;
}

void initrd_config_free(struct initrd_config *config)
{
	free(config->text);
	*config = (struct initrd_config){ 0 };
}

static int add_module(struct cpio *cpio, const struct modules *modules, unsigned n,
		      struct initrd_config *config, struct error *err)
{
	char path[PATH_MAX], name[32];
	size_t len;
	void *data;
	int ret;

	modules_path(modules, n, path, sizeof(path));
	ret = module_read(path, &data, &len, err);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), FOLDER "/%u.ko", n);
	cpio_add(cpio, name, S_IFREG | 0600, data, len);
	free(data);
	/* As init sees it. */
	snprintf(name, sizeof(name), "/" FOLDER "/%u.ko", n);
	initrd_config_add(config, ONESHOT_MODULE, name);
	return 0;
}

static int fill(struct cpio *cpio, const void *init, size_t init_len, const struct modules *modules,
		struct initrd_config *config, struct error *err)
{
	int ret = 0;

	cpio_add(cpio, "dev", S_IFDIR | 0755, NULL, 0);
	/* For init's own words, before there is a /dev. */
	cpio_add_device(cpio, "dev/console", 0600, 5, 1);
	cpio_add(cpio, "init", S_IFREG | 0755, init, init_len);
	cpio_add(cpio, FOLDER, S_IFDIR | 0700, NULL, 0);
	for (unsigned i = 0; !ret && modules && i < modules_count(modules); i++)
		ret = add_module(cpio, modules, i, config, err);
	if (ret)
		return ret;
	if (config->failed)
		return error_set(err, -ENOMEM, "out of memory");
	cpio_add(cpio, &ONESHOT_CONFIG[1], S_IFREG | 0600, config->text, config->len);
	ret = cpio_end(cpio);
	return ret ? error_set(err, ret, "cannot make the initrd: %s", strerror(-ret)) : 0;
}

int initrd_build(const void *init, size_t init_len, const struct modules *modules,
		 struct initrd_config *config, struct error *err)
{
	struct cpio cpio = { .fd = memfd_create("lkvm-initrd", MFD_CLOEXEC) };
	int ret;

	if (cpio.fd < 0)
		return error_set(err, -errno, "cannot make the initrd: %s", strerror(errno));
	ret = fill(&cpio, init, init_len, modules, config, err);
	if (!ret)
		return cpio.fd;
	close(cpio.fd);
	return ret;
}
