/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <unistd.h>

#include "image.h"

int image_read(const struct arch_image *image, u64 offset, void *data, size_t count)
{
	char *to = data;

	while (count) {
		ssize_t n = pread(image->fd, to, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}
