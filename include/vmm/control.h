/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: where other processes ask a running VM something. A Unix
 * socket NAME.sock, which only its user and root may use; one request per
 * connection, a JSON object on a line; the answer is JSON, an object on each line,
 * of which the last one is {"ok":true} or has an "error". docs/control.md has the protocol.
 *
 * A command is a function and, where the answer is long or follows events, a
 * stream: it is asked for more whenever the client has taken what was said, so that
 * a client costs CONTROL_BUFFER bytes, whatever the answer's length, and nobody
 * waits for it. A client that does not read is dropped as soon as another one wants
 * its place. Clients that follow events have places of their own, so that they never
 * keep a question from being answered.
 *
 * VM lock held for all calls that are made while the VM runs.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <jansson.h>
#include <limits.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/types.h"
#include "vmm/loop.h"

struct control;
struct control_client;
struct keeper;

#define CONTROL_VERSION 1	/* of the protocol: docs/control.md */
#define CONTROL_REQUEST 4096	/* the longest request, with its newline */
#define CONTROL_LINE	4096	/* the longest line of an answer */
#define CONTROL_BUFFER	0x10000 /* what was said and not taken yet */
#define CONTROL_CLIENTS 8	/* that ask, or are being answered */
/* Connections that wait for a VM that stands still: whoever gives up leaves its own behind. */
#define CONTROL_BACKLOG	  4096
#define CONTROL_FOLLOWERS 16 /* beside them */
#define CONTROL_SETS	  16
#define CONTROL_NAME	  64 /* the longest name of a VM */

/* ---- commands ---- */

struct control_command {
	const char *name; /* "command" in the request */
	/*
	 * Say something with control_send(), or begin a stream with control_stream(). When it has
	 * returned, or the stream has ended, {"ok":true} is said.
	 * -errno with a line in @err: the client is told that instead.
	 */
	int (*run)(void *arg, struct control_client *client, json_t *request, struct error *err);
};

enum control_more {
	CONTROL_AGAIN, /* there is more to say */
	CONTROL_PAUSE, /* not before control_wake() */
	CONTROL_END,   /* that was all */
};

struct control_stream {
	/*
	 * All that was said has been taken: say more. It works under the VM lock, so
	 * not for long: CONTROL_AGAIN is always right, even with nothing said.
	 */
	enum control_more (*more)(void *state, struct control_client *client);
	/* The client is gone, or has everything: free @state. */
	void (*end)(void *state);
	/*
	 * The client has said one more object. -errno drops it. NULL: it must not say anything
	 * after its request.
	 */
	int (*input)(void *state, const json_t *input);
	bool waits;   /* for one event: it is not asked for anything before control_wake() */
	bool follows; /* events, without an end: the client is a follower */
};

/*
 * Say one line, and put the reference to @json down. NULL, what has no room, or no memory,
 * drops the client once its command or stream returns: nothing of a line gets lost silently.
 */
void control_send(struct control_client *client, json_t *json);
/* The last line of an answer that is none: for a stream, which then returns CONTROL_END. */
void control_refuse(struct control_client *client, const char *why);
/* Whether a line of any length has room. */
bool control_has_room(const struct control_client *client);
/*
 * Once, from within a command. -EBUSY with a line: there are as many followers as there can be,
 * and all of them read; @state is still the caller's.
 */
int control_stream(struct control_client *client, const struct control_stream *stream, void *state,
		   struct error *err);
/* From any thread that has the VM lock: a stream that waits, or is paused, has more to say. */
void control_wake(struct control_client *client);

/* ---- the VM's side ---- */

/*
 * @loop is borrowed. A VM whose socket cannot be made runs without one, and says so in the log: as
 * a warning if the user chose the name (@wanted). @keeper: notes the file; it outlives *@control.
 */
int control_create(struct control **control, struct loop *loop, struct keeper *keeper,
		   const char *name, bool wanted);
/*
 * Wait until the socket is there, or will not be: once the process is sealed nobody makes one.
 * -ETIMEDOUT: its file system does not answer; what was begun goes on.
 */
int control_settle(struct control *control);
/* Commands, ended by an entry without a name, and what they are called with. Both borrowed. */
void control_add(struct control *control, const struct control_command *commands, void *arg);
/* What every VM is asked, or told; called with the struct vm *. docs/control.md has them. */
extern const struct control_command vm_commands[];
/* "console" and "sysrq"; called with the struct terminal *. */
extern const struct control_command terminal_commands[];
/*
 * The VM has ended: tell clients what there still is to tell, as far as they take it at once, and
 * drop them. Others find nobody from now on. Without the lock, NULL is fine.
 */
void control_finish(struct control *control);
/* Drops all clients, removes the socket. The loop is still there. NULL is fine. */
void control_destroy(struct control *control);

/* ---- names, and the other side ---- */

/*
 * A name is a file's, a word of a command line and a column of a table: -EINVAL with a line if
 * @name is not 1 to CONTROL_NAME printable ASCII characters without spaces and '/', or begins
 * with '.' or '-'. @err may be NULL.
 */
int control_check_name(const char *name, struct error *err);
/*
 * Whether control_listen(@name) can make a socket, as far as can be seen without making anything:
 * -errno with its line.
 */
int control_check_place(const char *name, struct error *err);
/*
 * Where sockets are: a run makes its own in folder 0, and running VMs are looked for in all of
 * them. Folder 0 is $HOME/.lkvm, as kvmtool has it, if that is there and its user's alone to
 * write to, or if there is nothing else; otherwise
 * $XDG_RUNTIME_DIR/lkvm, or for root /run/lkvm. A variable that leads into another user's folder
 * is not followed by root, as its owner could not use what root makes there. -ENOENT: no folder has
 * this number.
 */
int control_folder(unsigned n, char path[PATH_MAX]);
/*
 * Make folder 0 if it is not there, and see that nobody else may enter it: -errno with a line.
 * Never returns while its file system is frozen, but the process can end.
 */
int control_make_folder(char path[PATH_MAX], struct error *err);
/* Whether making and removing files there may wait: on any file system but one in memory. */
bool control_may_freeze(void);
/*
 * Connect to the VM @name: a blocking fd that becomes the caller's. -ENOENT, -ECONNREFUSED:
 * there is no such VM; -EAGAIN: it is there, and does not answer; -EPERM: who listens is another
 * user, and not root. *pid may be NULL.
 */
int control_connect(const char *name, pid_t *pid);
/* The one in folder @folder alone. */
int control_connect_at(unsigned folder, const char *name, pid_t *pid);
/* Remove the socket of a VM that was killed; one that lives keeps its own. */
void control_forget(unsigned folder, const char *name);

/* A socket that listens, once control_listen() has given it a name. */
struct control_socket {
	int fd;		     /* owned */
	char path[PATH_MAX]; /* and which file there is ours */
	dev_t dev;
	ino_t ino;
};

/* A socket without a name, not blocking. -errno: @socket->fd is -1. */
int control_open(struct control_socket *socket);
/*
 * Have it listen as @name, in place of an lkvm that died. -EADDRINUSE: one lives; -EAGAIN:
 * somebody is doing just that, if @yields; -errno: impossible, as @err says. Any thread; waits
 * while the file system is frozen. Of the caller's files it uses @socket->fd alone.
 */
int control_listen(struct control_socket *socket, const char *name, bool yields, struct error *err);
/*
 * Have the file of @name removed at the end, if nobody listens there any more: a note of @keeper.
 * -errno: no name leads there.
 */
int control_note(struct keeper *keeper, const char *name);

#endif
