/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm ssh": the host's ssh, by way of a running VM's vsock. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "util/error.h"
#include "util/log.h"
#include "util/types.h"
#include "vsock.h"

#define SSH_PORT 22

/* As one word of a shell's, in which ssh finds none of its own '%'s. */
static void quote(const char *word, char *to, size_t size)
{
	size_t len = 0;

	to[len++] = '\'';
	for (; *word && len + 6 < size; word++) {
		if (*word == '\'') {
			memcpy(to + len, "'\\''", 4);
			len += 4;
			continue;
		}
		if (*word == '%')
			to[len++] = '%';
		to[len++] = *word;
	}
	to[len++] = '\'';
	to[len] = '\0';
}

/* ssh runs it as a shell's line. */
static int make_proxy(const char *name, char *line, size_t size)
{
	char self[PATH_MAX], program[2 * PATH_MAX], vm[2 * PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return -errno;
	self[len] = '\0';
	quote(self, program, sizeof(program));
	quote(name, vm, sizeof(vm));
	snprintf(line, size, "ProxyCommand=%s vsock %s %u", program, vm, SSH_PORT);
	return 0;
}

/* The socket is this user's, so whoever answers is the VM: a key would say no more. */
static int execute(char *destination, char **rest, unsigned count, char *proxy)
{
	char *fixed[] = { "ssh",
			  "-o",
			  proxy,
			  "-o",
			  "StrictHostKeyChecking=no",
			  "-o",
			  "UserKnownHostsFile=/dev/null",
			  "-o",
			  "LogLevel=ERROR",
			  destination };
	char **words = calloc(ARRAY_SIZE(fixed) + count + 1, sizeof(*words));

	if (!words)
		return -ENOMEM;
	memcpy(words, fixed, sizeof(fixed));
	memcpy(words + ARRAY_SIZE(fixed), rest, count * sizeof(*rest));
	execvp("ssh", words);
	free(words);
	return -errno;
}

/* ssh would say of its proxy alone that it has gone. */
static int look(const char *name, struct error *err)
{
	int fd = vsock_dial_guest(name, SSH_PORT, err);

	if (fd >= 0)
		close(fd);
	return MIN(fd, 0);
}

int cmd_ssh(int argc, char **argv)
{
	char proxy[6 * PATH_MAX];
	const char *at = argc > 1 ? strrchr(argv[1], '@') : NULL;
	struct error err = { "" };
	int ret;

	if (argc < 2 || *argv[1] == '-') {
		log_error("usage: lkvm ssh [USER@]NAME [ARG...]");
		return EXIT_USAGE;
	}
	ret = look(at ? at + 1 : argv[1], &err);
	if (ret) {
		log_error("%s", err.text);
		return vsock_exit_status(ret);
	}
	ret = make_proxy(at ? at + 1 : argv[1], proxy, sizeof(proxy));
	if (!ret)
		ret = execute(argv[1], argv + 2, argc - 2, proxy);
	log_error("ssh: %s%s", strerror(-ret), ret == -ENOENT ? ": install OpenSSH's client" : "");
	return EXIT_HOST;
}

void cmd_ssh_help(void)
{
	printf("usage: lkvm ssh [USER@]NAME [ARG...]\n\n"
	       "Log into a running guest by its vsock, with the host's ssh: ARGs are that one's\n"
	       "options and the command. The guest's sshd must listen at vsock port 22, which\n"
	       "systemd 256 and newer (Debian 13) have it do where an sshd is installed. NAME is\n"
	       "that of 'lkvm run --name NAME --vsock CID', or, with a '/' in it, the path= that\n"
	       "--vsock was given. Keys of hosts are not looked at: the socket is yours alone.\n"
	       "The exit status is ssh's; before it is called, 2 if there is no such guest, and 1\n"
	       "if that does not answer.\n");
}
