/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "util/log.h"
#include "util/relay.h"

#define LOG_KEPT 4096

/* The one setting of the process: written before threads start. */
static enum log_level log_level = LOG_WARNING;
static bool breaks_commands;

/* Standard error is a terminal whose lines must begin with a carriage return. A signal handler ends
 * it. */
static volatile sig_atomic_t is_raw;

/* The way out is the process's, too: its standard error. */
static struct {
	pthread_mutex_t lock; /* held for calls that do not block */
	enum { UNKNOWN, OWN_FILE, SOCKET, MAY_BLOCK, NOWHERE } kind;
	int fd;		     /* OWN_FILE: stderr opened once more, non-blocking; owned */
	struct relay *relay; /* owned; once there is one, all lines go there and stay in order */
	unsigned dropped;    /* lines, since the last one that went out */
	pid_t owner;	     /* the process whose descriptors these are */
	char kept[LOG_KEPT]; /* lines of others, until the owner writes them */
	size_t kept_len;
	bool sealed; /* nothing is opened any more */
} out = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static atomic_int hurry_ms = -1; /* how long out.lock is waited for; -1: for ever */

const char *const log_level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
	NULL,
};

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

void log_set_raw(bool raw)
{
	is_raw = raw;
}

/* ---- the way out ---- */

/*
 * Whoever has it waits for nothing, but that a file may block where there is no thread for a relay,
 * and that the thread that makes threads may be the one that ends the process now.
 */
static bool lock_out(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	int left = atomic_load(&hurry_ms);

	if (left < 0)
		return !pthread_mutex_lock(&out.lock);
	while (pthread_mutex_trylock(&out.lock)) {
		if (!left--)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

void log_hurry(int ms)
{
	atomic_store(&hurry_ms, ms);
}

/*
 * O_NONBLOCK belongs to the open file, which other programs share: a terminal and a pipe are
 * opened once more for ourselves. What can block all the same, a file, has a relay.
 */
static void find_way(void)
{
	struct stat st;

	if (out.kind != UNKNOWN)
		return;
	out.kind = MAY_BLOCK;
	if (fstat(STDERR_FILENO, &st))
		out.kind = NOWHERE;
	else if (S_ISSOCK(st.st_mode))
		out.kind = SOCKET;
	if (out.kind != MAY_BLOCK || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		return;
	out.fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (out.fd >= 0)
		out.kind = OWN_FILE;
	else if (errno == ENXIO)
		out.kind = NOWHERE; /* a pipe that nobody reads any more */
}

void log_seal(void)
{
	pthread_mutex_lock(&out.lock);
	find_way();
	out.sealed = true;
	pthread_mutex_unlock(&out.lock);
}

/* How much went out without waiting. An error cannot be reported anywhere. */
static size_t write_directly(const char *line, size_t len)
{
	ssize_t done = 0;

	switch (out.kind) {
	case OWN_FILE:
		done = write(out.fd, line, len);
		break;
	case SOCKET:
		done = send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case MAY_BLOCK:
		return 0;
	default:
		return len;
	}
	if (done < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : len;
	return done;
}

/* A pipe takes as much as this whole, or not at all. */
static bool hand_over(const char *line, size_t len)
{
	return write(relay_fd(out.relay), line, len) == (ssize_t)len;
}

static bool say_dropped(void)
{
	char line[128];
	int len = snprintf(line, sizeof(line),
			   "lkvm: warning: (%u lines were left out: nobody read them in time)\n",
			   out.dropped);

	if (!hand_over(line, len))
		return false;
	out.dropped = 0;
	return true;
}

/* Where the host gives us no thread, a file is worth the risk; one that is full is not. */
static void write_without_relay(const char *line, size_t len)
{
	if (out.kind != MAY_BLOCK || write(STDERR_FILENO, line, len) < 0)
		out.dropped++;
}

static void put_lines(const char *line, size_t len)
{
	size_t done = 0;

	find_way();
	if (!out.relay)
		done = write_directly(line, len);
	if (done < len && !out.relay && relay_to(&out.relay, STDERR_FILENO))
		write_without_relay(line + done, len - done);
	else if (done < len &&
		 ((out.dropped && !say_dropped()) || !hand_over(line + done, len - done)))
		out.dropped++;
}

/*
 * A process aside has this memory and other descriptors: what is standard error here may be closed
 * there, or a file of a guest's. (It may be one that shares ours, which cannot be told.)
 */
static bool is_owner(void)
{
	return getpid() == out.owner;
}

static void keep_line(const char *line, size_t len)
{
	if (len > sizeof(out.kept) - out.kept_len) {
		out.dropped++;
		return;
	}
	memcpy(out.kept + out.kept_len, line, len);
	out.kept_len += len;
}

static void put_kept(void)
{
	if (out.kept_len)
		put_lines(out.kept, out.kept_len);
	out.kept_len = 0;
}

static void write_line(const char *line, size_t len)
{
	if (!lock_out())
		return;
	if (is_owner()) {
		put_kept();
		put_lines(line, len);
	} else {
		keep_line(line, len);
	}
	pthread_mutex_unlock(&out.lock);
}

/* Of this process, and of one that is forked from it: that has descriptors and memory of its own.
 */
static void __attribute__((constructor)) own_descriptors(void)
{
	if (!out.owner)
		pthread_atfork(NULL, NULL, own_descriptors);
	out.owner = getpid();
}

void log_flush(int timeout_ms)
{
	struct pollfd done = { .events = POLLIN };

	if (!lock_out())
		return;
	put_kept();
	if (out.relay) {
		if (out.dropped)
			say_dropped();
		relay_end(out.relay);
		done.fd = relay_done_fd(out.relay);
		poll(&done, 1, timeout_ms);
		relay_destroy(out.relay);
		out.relay = NULL;
	}
	/* Should there be more lines, standard error may be another file by then. */
	if (out.fd >= 0)
		close(out.fd);
	out.fd = -1;
	out.kind = out.sealed ? NOWHERE : UNKNOWN;
	pthread_mutex_unlock(&out.lock);
}

static bool is_control(u8 byte)
{
	return byte < ' ' || byte == 0x7f;
}

/* In UTF-8 U+0080 to U+009F are controls, too: 0x9b begins an escape sequence as ESC [ does. */
static bool is_wide_control(const char *text)
{
	return (u8)text[0] == 0xc2 && (u8)text[1] >= 0x80 && (u8)text[1] < 0xa0;
}

/* Names of files and programs are others' choice: no line feed or escape sequence of theirs. */
static void hide_controls(char *text)
{
	for (; *text; text++) {
		if (is_wide_control(text))
			*text++ = '?';
		else if (!is_control(*text))
			continue;
		*text = '?';
	}
}

static void break_commands(char *text)
{
	while ((text = strstr(text, "##[")))
		text[2] = '(';
}

static void log_vprint(enum log_level level, const char *format, va_list args)
{
	char line[1024];
	int saved = errno;
	int len = snprintf(line, sizeof(line), "lkvm: %s: ", log_level_names[level]);

	len += vsnprintf(line + len, sizeof(line) - len, format, args);
	len = MIN(len, (int)sizeof(line) - 3);
	line[len] = '\0';
	hide_controls(line);
	if (breaks_commands)
		break_commands(line);
	if (is_raw)
		line[len++] = '\r';
	line[len++] = '\n';
	write_line(line, len);
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

void log_block(const char *text, size_t len)
{
	write_line(text, len);
}

void log_break_commands(void)
{
	breaks_commands = true;
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
