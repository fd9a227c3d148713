/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "client.h"

const char *client_split(const char *path, char dir[1024])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? slash - path : 0;

	memcpy(dir, path, len);
	dir[len] = '\0';
	return slash ? slash + 1 : path;
}
