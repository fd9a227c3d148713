/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages for the user, on stderr, one write each, so that lines of several
 * threads never mix. What a guest can provoke goes through log_limited():
 * a guest must not be able to fill the user's disk with our log.
 *
 * Nothing here blocks. What stderr does not take at once waits in a pipe; when that is full
 * lines are left out, and counted in a line of their own. A line of a process aside (util/aside.h)
 * waits for this process's next line, or log_flush(): its descriptors are not ours.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Before any thread starts. The default is LOG_WARNING. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/*
 * Whether lines end in a carriage return, too: standard error is a terminal that is raw in its
 * output as well. Any thread, and a signal handler.
 */
void log_set_raw(bool raw);

/* By level, ended by NULL: for the choices of an option. */
extern const char *const log_level_names[];

/*
 * "lkvm: <level>: <line>\n"; any thread; keeps errno. A control character becomes '?', whoever
 * named the file that the line is about.
 */
void log_print(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whole lines as they are, together: what is lost of them is the rest. Any thread. */
void log_block(const char *text, size_t len);

/*
 * Before any thread starts: GitHub's runner reads our lines, and takes "##[" anywhere in one for a
 * command: it becomes "##(".
 */
void log_break_commands(void);

/*
 * Open now what later lines need, where that is more than standard error itself. Any thread.
 * Without it the first line does.
 */
void log_seal(void);

/*
 * Before the process ends: give the lines that wait @timeout_ms to go out. What has not gone
 * then goes when somebody reads it. Lines that come later are left out, after log_seal().
 */
void log_flush(int timeout_ms);
/*
 * The process ends, whatever its other threads are at: from now on a line, and log_flush(), wait
 * for one of them for about so long, and do without then.
 */
void log_hurry(int ms);
#define LOG_FLUSH_MS 300

#define log_error(...)	 log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_print(LOG_DEBUG, __VA_ARGS__)

/*
 * One budget of lines: LOG_LIMIT_BURST lines in LOG_LIMIT_SECONDS, then
 * silence, then one line that counts what was left out. Zero-initialised;
 * belongs to one device; used under that device's lock.
 */
#define LOG_LIMIT_BURST	  10
#define LOG_LIMIT_SECONDS 5

struct log_limit {
	u64 window; /* start of the current window, seconds of CLOCK_MONOTONIC */
	u32 printed;
	u32 dropped;
	u64 total; /* every call, printed or not */
};

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
