/* SPDX-License-Identifier: BSD-2-Clause */
/* Pausing and resuming a VM by its control socket. */
#include <errno.h>
#include <stdlib.h>

#include "control_private.h"
#include "vmm/vm.h"

/* Somebody who waits for the VM to have paused. */
struct waiter {
	struct vm_pause_watch watch;
	struct control_client *client;
	bool paused;
};

static void on_told(struct vm_pause_watch *watch, bool paused)
{
	struct waiter *waiter = container_of(watch, struct waiter, watch);

	waiter->paused = paused;
	control_wake(waiter->client);
}

static enum control_more waiter_more(void *state, struct control_client *client)
{
	const struct waiter *waiter = state;

	if (waiter->paused)
		control_send(client, json_pack("{sb}", "paused", 1));
	else
		control_refuse(client, "it was resumed meanwhile");
	return CONTROL_END;
}

/* The pause stays when the one that asked for it has gone. */
static void waiter_end(void *state)
{
	struct waiter *waiter = state;

	vm_pause_forget(&waiter->watch);
	free(waiter);
}

static const struct control_stream waiter_stream = {
	.more = waiter_more,
	.end = waiter_end,
	.waits = true,
};

int control_pause(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int ret;

	if (!waiter)
		return -ENOMEM;
	list_init(&waiter->watch.node);
	waiter->watch.told = on_told;
	waiter->client = client;
	ret = control_stream(client, &waiter_stream, waiter, err);
	if (ret) {
		free(waiter);
		return ret;
	}
	vm_pause(arg, VM_PAUSE_USER, &waiter->watch);
	return 0;
}
