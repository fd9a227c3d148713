/* SPDX-License-Identifier: BSD-2-Clause */
/* "events": what happens to the VM, as it happens. */
#include <errno.h>
#include <stdlib.h>

#include "control_private.h"
#include "vmm/events.h"
#include "vmm/vm.h"

struct follower {
	struct vm_event_watch watch;
	struct control_client *client;
	struct vm *vm;
	u64 next; /* the one that is told next */
	bool greeted;
};

static void on_event(struct vm_event_watch *watch)
{
	control_wake(container_of(watch, struct follower, watch)->client);
}

static json_t *event_json(const struct vm_event *event)
{
	json_t *json = json_pack("{ss,sI}", "event", event->what, "time", (json_int_t)event->time);

	if (event->who[0])
		json_object_set_new(json, "device", json_string(event->who));
	if (event->why[0])
		json_object_set_new(json, "why", json_string(event->why));
	return json;
}

/* One line. */
static void say_next(struct follower *follower)
{
	u64 oldest = vm_events_count(follower->vm);
	const struct vm_event *event = vm_events_get(follower->vm, follower->next);

	if (event) {
		follower->next++;
		control_send(follower->client, event_json(event));
		return;
	}
	/* It was forgotten before it could be told. */
	oldest -= MIN(oldest, (u64)VM_EVENTS_KEPT);
	control_send(follower->client,
		     json_pack("{sI}", "lost", (json_int_t)(oldest - follower->next)));
	follower->next = oldest;
}

static enum control_more follower_more(void *state, struct control_client *client)
{
	struct follower *follower = state;

	if (!follower->greeted)
		control_send(client, json_pack("{sb}", "events", 1));
	follower->greeted = true;
	while (follower->next < vm_events_count(follower->vm)) {
		if (!control_has_room(client))
			return CONTROL_AGAIN;
		say_next(follower);
	}
	return CONTROL_PAUSE;
}

static void follower_end(void *state)
{
	struct follower *follower = state;

	vm_events_unwatch(&follower->watch);
	free(follower);
}

static const struct control_stream follower_stream = {
	.more = follower_more,
	.end = follower_end,
	.follows = true,
};

int control_events(void *vm, struct control_client *client, json_t *request, struct error *err)
{
	struct follower *follower = calloc(1, sizeof(*follower));
	int ret = follower && ((struct vm *)vm)->events ? 0 : -ENOMEM;

	if (!ret)
		ret = control_stream(client, &follower_stream, follower, err);
	if (ret) {
		free(follower);
		return ret;
	}
	follower->client = client;
	follower->vm = vm;
	follower->watch.told = on_event;
	vm_events_watch(vm, &follower->watch);
	return 0;
}
