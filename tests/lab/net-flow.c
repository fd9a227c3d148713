/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic between a host and its guest whose every byte is looked at:
 *
 *   net-flow serve PORT                   the other end of all these, TCP and UDP
 *   net-flow drain|pour|rr|udp ADDRESS PORT MS
 *                                         a stream from there or to there; requests of one byte
 *                                         and their answers over TCP; datagrams that come back.
 *                                         Says "KIND COUNT SECONDS", in bytes, answers, datagrams
 *   net-flow mix ADDRESS PORT MS          all four at once: status 0 if nothing was lost or wrong
 *   net-flow give ADDRESS PORT            standard input, to
 *   net-flow take PORT                    which writes it to standard output, a file, for ever
 *
 * A stream's bytes are a function of their place in it. A datagram may be lost; a wrong one is
 * an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define PERIOD	 65521 /* a prime: no power of two hides a shift */
#define BUFFER	 65536
#define DATAGRAM 1400
#define PATIENCE 20 /* seconds without anything, and a connection is lost */

/* The first bytes of a connection. */
struct wish {
	uint8_t kind, unused[3];
	uint32_t ms;
};

static uint8_t pattern[PERIOD + BUFFER];
static uint8_t buffer[BUFFER];

static void make_pattern(void)
{
	uint32_t x = 1;

	for (unsigned i = 0; i < PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = x >> 24;
	}
	for (unsigned i = 0; i < BUFFER; i++)
		pattern[PERIOD + i] = pattern[i];
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* ---- one way ---- */

/* Bytes sent, or -1. */
static int64_t send_stream(int fd, unsigned ms)
{
	double end = now() + ms / 1e3;
	int64_t sent = 0;

	while (now() < end) {
		ssize_t did = send(fd, pattern + sent % PERIOD, BUFFER, MSG_NOSIGNAL);

		if (did <= 0)
			return -1;
		sent += did;
	}
	return shutdown(fd, SHUT_WR) ? -1 : sent;
}

/* To its end. Bytes received; -1: it was cut off, or they are others. */
static int64_t receive_stream(int fd)
{
	int64_t got = 0;

	for (;;) {
		ssize_t did = recv(fd, buffer, BUFFER, 0);

		if (did <= 0)
			return did ? -1 : got;
		if (memcmp(buffer, pattern + got % PERIOD, did))
			return -1;
		got += did;
	}
}

/* ---- the server ---- */

static int serve_wish(int fd)
{
	int on = 1;
	struct wish wish;
	int64_t count;
	ssize_t len;

	if (recv(fd, &wish, sizeof(wish), MSG_WAITALL) != sizeof(wish))
		return 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	switch (wish.kind) {
	case 'd':
		return send_stream(fd, wish.ms) < 0;
	case 'p':
		count = receive_stream(fd);
		return send(fd, &count, sizeof(count), MSG_NOSIGNAL) != sizeof(count);
	default:
		while ((len = recv(fd, buffer, BUFFER, 0)) > 0) {
			if (send(fd, buffer, len, MSG_NOSIGNAL) != len)
				return 1;
		}
		return 0;
	}
}

static void limit_silence(int fd)
{
	struct timeval patience = { .tv_sec = PATIENCE };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static void serve_connection(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	if (!fork()) {
		limit_silence(fd);
		_exit(serve_wish(fd));
	}
	close(fd);
}

static void serve_datagram(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t len = recvfrom(fd, buffer, BUFFER, 0, (struct sockaddr *)&from, &size);

	if (len > 0)
		sendto(fd, buffer, len, 0, (struct sockaddr *)&from, size);
}

static int serve(uint16_t port)
{
	struct sockaddr_in self = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct pollfd ready[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int on = 1;

	for (unsigned i = 0; i < 2; i++) {
		ready[i].fd = socket(AF_INET, i ? SOCK_DGRAM : SOCK_STREAM, 0);
		setsockopt(ready[i].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(ready[i].fd, (struct sockaddr *)&self, sizeof(self))) {
			perror("net-flow: bind");
			return 1;
		}
	}
	listen(ready[0].fd, 64);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		poll(ready, 2, -1);
		if (ready[0].revents)
			serve_connection(ready[0].fd);
		if (ready[1].revents)
			serve_datagram(ready[1].fd);
	}
}

/* ---- files ---- */

/* All of @from to @to, by large pieces: what is written at once may be one packet. */
static int copy(int from, int to)
{
	ssize_t len;

	while ((len = read(from, buffer, BUFFER)) > 0) {
		for (ssize_t done = 0; done < len;) {
			ssize_t did = write(to, buffer + done, len - done);

			if (did <= 0) {
				perror("net-flow: write");
				return 1;
			}
			done += did;
		}
	}
	if (len)
		perror("net-flow: read");
	return len != 0;
}

/* One connection's, to its end; the other side hears of the end when it is written. */
static int take(uint16_t port)
{
	struct sockaddr_in self = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&self, sizeof(self)) || listen(listener, 1)) {
		perror("net-flow: bind");
		return 1;
	}
	/* Whoever has to give it again begins at its beginning. */
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (lseek(STDOUT_FILENO, 0, SEEK_SET) || ftruncate(STDOUT_FILENO, 0))
			return 1;
		copy(fd, STDOUT_FILENO);
		close(fd);
	}
	return 1;
}

static int give(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char none;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) || copy(STDIN_FILENO, fd) ||
	    shutdown(fd, SHUT_WR))
		return 1;
	return read(fd, &none, 1) != 0;
}

/* ---- the clients ---- */

struct peer {
	struct sockaddr_in address;
	unsigned ms;
};

static int connect_to(const struct peer *peer, int type, char kind)
{
	struct wish wish = { .kind = kind, .ms = peer->ms };
	int fd = socket(AF_INET, type, 0), on = 1;

	limit_silence(fd);
	if (connect(fd, (const struct sockaddr *)&peer->address, sizeof(peer->address)))
		return -1;
	if (type == SOCK_DGRAM)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return send(fd, &wish, sizeof(wish), MSG_NOSIGNAL) == sizeof(wish) ? fd : -1;
}

static int64_t drain(const struct peer *peer)
{
	int fd = connect_to(peer, SOCK_STREAM, 'd');

	return fd < 0 ? -1 : receive_stream(fd);
}

static int64_t pour(const struct peer *peer)
{
	int fd = connect_to(peer, SOCK_STREAM, 'p');
	int64_t sent = fd < 0 ? -1 : send_stream(fd, peer->ms), heard;

	if (sent < 0 || recv(fd, &heard, sizeof(heard), MSG_WAITALL) != sizeof(heard))
		return -1;
	return heard == sent ? sent : -1;
}

static int64_t ask(const struct peer *peer)
{
	int fd = connect_to(peer, SOCK_STREAM, 'r');
	double end = now() + peer->ms / 1e3;
	int64_t answers = 0;

	if (fd < 0)
		return -1;
	for (; now() < end; answers++) {
		uint8_t said = answers, heard;

		if (send(fd, &said, 1, MSG_NOSIGNAL) != 1 || recv(fd, &heard, 1, 0) != 1 ||
		    heard != said)
			return -1;
	}
	return answers;
}

/* A second without an answer: that one is lost. */
static int64_t send_datagrams(const struct peer *peer)
{
	int fd = connect_to(peer, SOCK_DGRAM, 'u');
	double end = now() + peer->ms / 1e3;
	struct timeval patience = { .tv_sec = 1 };
	int64_t echoes = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (unsigned n = 0; now() < end; n++) {
		size_t len = 1 + n * 97 % DATAGRAM;
		const uint8_t *data = pattern + n % PERIOD;

		if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
			return -1;
		/* One that is late is of another length. */
		if (recv(fd, buffer, BUFFER, 0) == (ssize_t)len) {
			if (memcmp(buffer, data, len))
				return -1;
			echoes++;
		}
	}
	return echoes;
}

static const struct {
	const char *name;
	int64_t (*run)(const struct peer *peer);
} kinds[] = {
	{ "drain", drain },
	{ "pour", pour },
	{ "rr", ask },
	{ "udp", send_datagrams },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int run_one(unsigned kind, const struct peer *peer)
{
	double begin = now();
	int64_t count = kinds[kind].run(peer);

	if (count <= 0) {
		printf("%s failed: %s\n", kinds[kind].name, errno ? strerror(errno) : "wrong");
		return 1;
	}
	printf("%s %lld %.3f\n", kinds[kind].name, (long long)count, now() - begin);
	return 0;
}

static int run_all(const struct peer *peer)
{
	int bad = 0, status;

	fflush(stdout);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (!fork())
			exit(run_one(kind, peer));
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}

int main(int argc, char **argv)
{
	struct peer peer = { .address.sin_family = AF_INET };

	make_pattern();
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "take"))
		return take(atoi(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "give") &&
	    inet_pton(AF_INET, argv[2], &peer.address.sin_addr) == 1) {
		peer.address.sin_port = htons(atoi(argv[3]));
		return give(&peer.address);
	}
	if (argc == 5 && inet_pton(AF_INET, argv[2], &peer.address.sin_addr) == 1) {
		peer.address.sin_port = htons(atoi(argv[3]));
		peer.ms = atoi(argv[4]);
		if (!strcmp(argv[1], "mix"))
			return run_all(&peer);
		for (unsigned kind = 0; kind < KINDS; kind++) {
			if (!strcmp(argv[1], kinds[kind].name))
				return run_one(kind, &peer);
		}
	}
	fprintf(stderr, "usage: net-flow serve PORT | drain|pour|rr|udp|mix ADDRESS PORT MS | "
			"give ADDRESS PORT | take PORT\n");
	return 2;
}
