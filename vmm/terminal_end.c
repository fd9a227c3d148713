/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "terminal_private.h"
#include "tty.h"
#include "util/relay.h"

/*
 * O_NONBLOCK belongs to the open file, which a shell or another program shares
 * with us: open our own for terminals and pipes. A file would lose its offset, and its file
 * system may hang; a socket cannot be opened again.
 */
void terminal_open_end(struct terminal_end *end, int fd, int flags)
{
	char path[32];
	struct stat st;
	int own;

	end->source.fd = fd;
	if (fstat(fd, &st))
		return;
	end->is_tty = isatty(fd);
	end->is_socket = S_ISSOCK(st.st_mode);
	if (end->is_socket)
		return;
	end->may_block = true;
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0 && end->is_tty)
		own = tty_open(fd, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	end->source.fd = own;
	end->owned = true;
	end->may_block = false;
}

void terminal_close_end(struct terminal_end *end)
{
	relay_destroy(end->relay);
	if (end->owned)
		close(end->source.fd);
}
