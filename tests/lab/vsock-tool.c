/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vsock-tool send ADDRESS COUNT BYTES: COUNT connections at once, BYTES through each, and a sum
 *            back; says how many were right
 * vsock-tool messages ADDRESS COUNT: COUNT messages, which must come back as they are
 * vsock-tool sink ADDRESS: answer all of these, for ever
 * vsock-tool print ADDRESS COUNT: print what COUNT connections said, a line each
 * vsock-tool touch MIB: take that much memory, fill it, and give it back
 *
 * ADDRESS: stream:CID:PORT, seqpacket:CID:PORT for sockets of the guest's (to listen: CID is
 * ignored); unix-stream:PATH, unix-seqpacket:PATH for those of the host's; and with ":PORT" behind
 * PATH a port of the guest's by way of the socket of its virtio-vsock.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define CHUNK	    65536
#define LONGEST	    20000
#define CONNECT_TRY 300 /* times 100 ms */

struct address {
	int family, type;
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_un un;
	} socket;
	socklen_t len;
	const char *port; /* of the guest's, by way of a Unix socket; NULL: none */
};

static void die(const char *what)
{
	fprintf(stderr, "vsock-tool: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct address parse(char *text)
{
	char *kind = strsep(&text, ":"), *first = strsep(&text, ":");
	struct address address = { .type = strstr(kind, "seqpacket") ? SOCK_SEQPACKET
								     : SOCK_STREAM };

	if (!first)
		die("no address");
	if (strncmp(kind, "unix", 4)) {
		address.family = AF_VSOCK;
		address.socket.vm.svm_family = AF_VSOCK;
		address.socket.vm.svm_cid = atoi(first);
		address.socket.vm.svm_port = atoi(text);
		address.len = sizeof(address.socket.vm);
		return address;
	}
	address.family = address.socket.un.sun_family = AF_UNIX;
	snprintf(address.socket.un.sun_path, sizeof(address.socket.un.sun_path), "%s", first);
	address.len = sizeof(address.socket.un);
	address.port = text;
	return address;
}

static int listen_at(struct address *address)
{
	int fd = socket(address->family, address->type, 0);

	if (address->family == AF_VSOCK)
		address->socket.vm.svm_cid = VMADDR_CID_ANY;
	if (fd < 0 || bind(fd, &address->socket.any, address->len) || listen(fd, 128))
		die("listen");
	return fd;
}

/* "CONNECT PORT", and the answer, byte by byte: what follows is the guest's. */
static bool greet(int fd, const struct address *address)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "CONNECT %s\n", address->port);
	bool whole = address->type == SOCK_SEQPACKET;

	if (write(fd, line, len) != len)
		return false;
	for (len = 0; len < (int)sizeof(line); len++) {
		if (read(fd, line + len, whole ? sizeof(line) : 1) <= 0)
			return false;
		if (whole || line[len] == '\n')
			return !strncmp(line, "OK ", 3);
	}
	return false;
}

static int connect_to(const struct address *address)
{
	for (int i = 0; i < CONNECT_TRY; i++) {
		int fd = socket(address->family, address->type, 0);

		if (fd < 0)
			die("socket");
		if (!connect(fd, &address->socket.any, address->len) &&
		    (!address->port || greet(fd, address)))
			return fd;
		close(fd);
		/* Nobody listens there yet. */
		usleep(100000);
	}
	die("connect");
	return -1;
}

static void fill(uint64_t *words, size_t count, uint64_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		words[i] = *seed;
	}
}

/* The position counts, too. */
static uint64_t add(uint64_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum << 1 | sum >> 63) + data[i];
	return sum;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t wrote = write(fd, at, len);

		if (wrote <= 0)
			return false;
		at += wrote;
		len -= wrote;
	}
	return true;
}

/* ---- send, messages ---- */

static bool send_one(const struct address *address, uint64_t seed, uint64_t bytes)
{
	static uint64_t chunk[CHUNK / 8];
	uint64_t sum = 0, answer = 0;
	int fd = connect_to(address);

	while (bytes) {
		size_t len = bytes < CHUNK ? bytes : CHUNK;

		fill(chunk, CHUNK / 8, &seed);
		sum = add(sum, (uint8_t *)chunk, len);
		if (!write_all(fd, chunk, len))
			return false;
		bytes -= len;
	}
	shutdown(fd, SHUT_WR);
	return recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) && answer == sum;
}

static int send_many(const struct address *address, int count, uint64_t bytes)
{
	int right = 0, status;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(!send_one(address, i + 1, bytes));
	}
	while (wait(&status) > 0)
		right += !status;
	printf("%d of %d connections right\n", right, count);
	return right != count;
}

static int send_messages(const struct address *address, int count)
{
	static uint64_t out[LONGEST / 8 + 1], in[LONGEST / 8 + 1];
	int fd = connect_to(address), right = 0;
	uint64_t seed = 1;

	for (int i = 0; i < count; i++) {
		ssize_t len = 1 + i * 977 % LONGEST;

		fill(out, LONGEST / 8 + 1, &seed);
		if (send(fd, out, len, 0) != len)
			break;
		right += recv(fd, in, sizeof(in), 0) == len && !memcmp(in, out, len);
	}
	printf("%d of %d messages right\n", right, count);
	return right != count;
}

/* ---- sink, print ---- */

static void serve(int fd, int type)
{
	static uint8_t data[CHUNK];
	uint64_t sum = 0;
	ssize_t got;

	while ((got = recv(fd, data, sizeof(data), 0)) > 0) {
		sum = add(sum, data, got);
		if (type == SOCK_SEQPACKET && send(fd, data, got, 0) != got)
			_exit(1);
	}
	if (type == SOCK_STREAM)
		write_all(fd, &sum, sizeof(sum));
	_exit(0);
}

static void sink(struct address *address)
{
	int listener = listen_at(address), fd;

	signal(SIGCHLD, SIG_IGN);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (!fork())
			serve(fd, address->type);
		close(fd);
	}
	die("accept");
}

static int print(struct address *address, int count)
{
	int listener = listen_at(address);

	while (count--) {
		char data[1000];
		int fd = accept(listener, NULL, NULL);
		ssize_t got;

		if (fd < 0)
			die("accept");
		while ((got = read(fd, data, sizeof(data))) > 0) {
			for (ssize_t i = 0; i < got; i++)
				putchar(data[i] == '\n' ? ' ' : data[i]);
		}
		putchar('\n');
		fflush(stdout);
		close(fd);
	}
	return 0;
}

static int touch(size_t mib)
{
	uint64_t seed = 1;
	uint64_t *memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	/* A word of each page is enough. */
	for (size_t page = 0; page < mib << 8; page++)
		fill(memory + page * 512, 1, &seed);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	struct address address;

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(verb, "touch"))
		return touch(atoi(argv[2]));
	if (argc > 2)
		address = parse(argv[2]);
	if (!strcmp(verb, "sink"))
		sink(&address);
	if (!strcmp(verb, "print") && argc == 4)
		return print(&address, atoi(argv[3]));
	if (!strcmp(verb, "messages") && argc == 4)
		return send_messages(&address, atoi(argv[3]));
	if (!strcmp(verb, "send") && argc == 5)
		return send_many(&address, atoi(argv[3]), strtoull(argv[4], NULL, 0));
	fprintf(stderr, "vsock-tool: send|messages|sink|print|touch\n");
	return 2;
}
