/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's control socket in a folder of its own, with a loop that the test turns; and clients. */
#ifndef TESTS_CONTROL_RIG_H
#define TESTS_CONTROL_RIG_H

#include <pthread.h>

#include "vmm/control.h"
#include "vmm/loop.h"

#define CONTROL_RIG_NAME "vm"
#define CONTROL_OK	 "{\"ok\":true}\n" /* the last line of an answer */

struct control_rig {
	char dir[32]; /* $XDG_RUNTIME_DIR; $HOME is not set */
	char socket[64];
	struct loop *loop;
	struct control *control;
	struct keeper *keeper; /* it outlives that */
	/* Its own, if the test has no loop. */
	struct loop *own;
	pthread_mutex_t lock;
};

/* The folder. @loop is the test's, or NULL. */
void control_rig_create(struct control_rig *rig, struct loop *loop);
/* Make the socket, with @commands. Nothing serves it before the loop is turned. */
void control_rig_listen(struct control_rig *rig, const struct control_command *commands, void *arg);
/* Turn the loop until the socket answers: its file is there a moment before. */
void control_rig_wait(struct control_rig *rig);
/* End the VM's side, and assert that it leaves nothing in the folder. The loop is still there. */
void control_rig_destroy(struct control_rig *rig);
/* Turn the loop until it has nothing to do. */
void control_rig_run(struct control_rig *rig);

/* Connect a client that does not block; the caller's. */
int control_rig_client(struct control_rig *rig);
void control_rig_say(struct control_rig *rig, int fd, const char *text);
/* Read into @text all that the client is told until the VM closes the connection; close @fd. */
void control_rig_hear(struct control_rig *rig, int fd, char *text, size_t size);
/* Have a new client say @request, and assert that what it is told is @answer. */
void control_rig_expect(struct control_rig *rig, const char *request, const char *answer);

#endif
