/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process in the guest of a one-shot run, in parts. Order and words of what it says to
 * the host: oneshot/protocol.h.
 *
 *   memory.c    what the compiler calls
 *   text.c      strings
 *   host.c      messages to and from the host, and the end of the machine
 *   config.c    what is to be done
 *   channels.c  modules are loaded, and the host is reached: by vsock,
 *   ports.c     or by ports of virtio-console
 *   root.c      the file systems
 *   terminal.c  the command's terminal
 *   command.c   the command's process
 *   stream.c    bytes between its pipes and the host
 *   run.c       one command from its start to its end
 *   server.c    more commands beside the first: processes of their own
 *   init.c      the order of all this
 *
 * Its memory is static and its errors end the run: there is nobody else to turn to in here. What is
 * static in a file, and the data below, is that of one process: a server's is its own copy.
 */
#ifndef INIT_INIT_H
#define INIT_INIT_H

#include "oneshot/protocol.h"
#include "sys.h"

#define STREAM_SIZE  65536
#define RETRIES	     1500 /* of what comes when a driver has found its device */
#define RETRY_MS     20
#define DRAIN_MS     5000 /* the longest that a stream stays open that nobody can write to */
#define NEW_ROOT     "/root"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- memory.c: gcc's documentation, "Standards": a freestanding program has these itself ---- */

void *memset(void *to, int value, size_t len);
void *memcpy(void *to, const void *from, size_t len);

/* ---- text.c ---- */

size_t text_length(const char *text);
/* NULL: there is none. */
const char *text_find(const char *text, char c);
bool text_begins(const char *text, const char *start);
/* Of its decimal digits; 0: none. */
unsigned text_number(const char *text);
/* Into @to of @size, with @more behind it; cut if it is too long. */
void text_join(char *to, size_t size, const char *text, const char *more);
/* The first @len characters of @text. */
void text_cut(char *to, size_t size, const char *text, size_t len);

/* ---- host.c ---- */

/* What leads to the host; -1: not yet, or not any more. */
extern int channels[ONESHOT_CHANNELS];

void host_tell(enum oneshot_type type, unsigned value, const char *text);
/* Wait for some more of a message. NULL: it is not whole yet, or nothing comes any more: *over. */
const struct oneshot_message *host_hear(bool *over);
/* Wait until the host has heard everything, and end the machine, or this process of it. */
void host_leave(void) __attribute__((noreturn));
/* @what failed with @error, a -errno. */
void host_fail(const char *what, long error) __attribute__((noreturn));
/* From here on this process is a server of one command, with @control, and not process 1. */
void host_serve(int control);
bool host_is_served(void);

/* ---- config.c ---- */

void config_read(void);
/* The next value of @key after @last (NULL: the first); NULL: none. */
const char *config_next(enum oneshot_config key, const char *last);
/* Another one in its place: strings, ended by an empty one; stays where it is. */
void config_use(const char *text);
/* All of it, as config_use() takes it. */
const char *config_text(void);

#define for_each_value(value, key)                                                                 \
	for (const char *value = config_next(key, NULL); value; value = config_next(key, value))

/* ---- channels.c ---- */

void modules_load(void);
/* All of channels[], or the end. */
void channels_connect(void);

/* ---- ports.c ---- */

/* The same. */
void ports_connect(void);

/* ---- root.c ---- */

/* The root with all that is mounted in it, and this process is there. */
void root_mount(void);

/* ---- terminal.c ---- */

/* Like one at which the command's user has logged in, of this ONESHOT_WINDOW_SIZE(). Its end. */
int terminal_make(unsigned size);
bool terminal_is_there(void);
/* Another one for our end of it. */
int terminal_copy(void);
void terminal_set_window(unsigned size);
/* The size that was set last. */
unsigned terminal_window(void);
void terminal_close(void);

/* ---- command.c ---- */

/* Of its streams: the command's ends, and ours; -1: there is none. */
struct ends {
	int theirs[ONESHOT_CHANNELS], ours[ONESHOT_CHANNELS];
};

struct failure {
	int error; /* a -errno */
	char text[ONESHOT_TEXT];
};

/* Its words and variables, of the configuration; the words alone. False: there is none. */
void command_collect_variables(void);
bool command_collect_words(void);
/* It is @word in the place of what was collected. */
void command_set_word(const char *word);
/* As the configuration has it: a terminal or pipes. */
void ends_make(struct ends *ends);
/* The command's PID, with its ends in its hands; what it says of a failure is in @report. */
int command_start(const struct ends *ends, int *report);

/* ---- stream.c ---- */

/* From @from to @to, by way of data[start..start + count). -1: there is none any more. */
struct stream {
	int from, to;
	size_t start, count;
	bool stays; /* @to, when @from has ended: stream_end() alone closes it */
	char data[STREAM_SIZE];
};

extern struct stream streams[ONESHOT_CHANNELS]; /* but of ONESHOT_CONTROL */

void close_fd(int *fd);
void stream_begin(unsigned n, const struct ends *ends);
/* Close both ends of a stream whose reader is gone: the writer hears of it by SIGPIPE. */
void stream_end(struct stream *stream);
/* Once more of what can be done at once. True: there is nothing left to come. */
bool stream_move(struct stream *stream);
/* Likewise, after poll() for what stream_watch() said. */
void stream_serve(struct stream *stream, const struct pollfd *poll);
/* What to wait for. */
void stream_watch(const struct stream *stream, struct pollfd *poll);

/* ---- run.c ---- */

/* Somebody else's file to wait for beside the command, and what to do when it is readable. */
struct visitors {
	int fd; /* -1: none */
	void (*come)(int children);
};

/* The command's PID. */
int run_begin(void);
/* Until @command has ended: its wait status. @children: of signalfd(), for SIGCHLD. */
int run_attend(int command, int children, const struct visitors *visitors);
/* The command is over, and whatever it left running goes with it: what is in the pipes is all. */
void run_drain(void);
void run_tell_end(int status);

/* ---- server.c ---- */

/* Who comes is served, if the configuration allows it. */
const struct visitors *server_listen(void);

void init_main(void);

#endif
