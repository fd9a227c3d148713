/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "vmm/events.h"
#include "vmm/vm.h"

#define SECOND 1000000000ULL

/* What a guest can bring about as often as it likes. */
static const char *const repeated[] = { "fault", "panic", "watchdog" };

struct repetition {
	u64 window;	/* when the second began in which they are counted */
	unsigned count; /* in it */
};

/* One ring for all followers; each has its place in it. */
struct vm_events {
	struct vm_event ring[VM_EVENTS_KEPT];
	u64 count; /* of all that there were: the last is ring[(count - 1) % VM_EVENTS_KEPT] */
	struct list_node watches;
	bool booted;
	struct repetition repetitions[ARRAY_SIZE(repeated)];
};

static bool is_too_often(struct repetition *repetition)
{
	u64 time = clock_ns(CLOCK_MONOTONIC);

	if (time - repetition->window >= SECOND)
		*repetition = (struct repetition){ .window = time };
	return ++repetition->count > VM_EVENTS_A_SECOND;
}

/* Whether this one is too many: it would push what others have to tell out of the ring. */
static bool is_flood(struct vm_events *events, const char *what)
{
	for (unsigned i = 0; i < ARRAY_SIZE(repeated); i++) {
		if (!strcmp(what, repeated[i]))
			return is_too_often(&events->repetitions[i]);
	}
	return false;
}

static void tell_watches(const struct vm_events *events)
{
	struct list_node *node;

	list_for_each(node, &events->watches) {
		struct vm_event_watch *watch = list_entry(node, struct vm_event_watch, node);

		watch->told(watch);
	}
}

void vm_event(struct vm *vm, const char *what, const char *who, const char *format, ...)
{
	struct vm_events *events = vm->events;
	struct vm_event *event;
	va_list args;

	if (!events || is_flood(events, what))
		return;
	event = &events->ring[events->count++ % VM_EVENTS_KEPT];
	event->time = clock_ns(CLOCK_REALTIME);
	event->what = what;
	snprintf(event->who, sizeof(event->who), "%s", who ? who : "");
	va_start(args, format);
	vsnprintf(event->why, sizeof(event->why), format, args);
	va_end(args);
	tell_watches(events);
}

void vm_driver_ok(struct vm *vm, const char *who)
{
	if (!vm->events || vm->events->booted)
		return;
	vm->events->booted = true;
	vm_event(vm, "booted", who, "the guest's kernel has taken its first device");
}

/* ---- who follows them ---- */

void vm_events_watch(struct vm *vm, struct vm_event_watch *watch)
{
	list_add_tail(&vm->events->watches, &watch->node);
}

void vm_events_unwatch(struct vm_event_watch *watch)
{
	list_del(&watch->node);
}

u64 vm_events_count(const struct vm *vm)
{
	return vm->events->count;
}

const struct vm_event *vm_events_get(const struct vm *vm, u64 n)
{
	const struct vm_events *events = vm->events;

	return n < events->count && events->count - n <= VM_EVENTS_KEPT
		       ? &events->ring[n % VM_EVENTS_KEPT]
		       : NULL;
}

/* ---- life ---- */

int vm_events_create(struct vm *vm)
{
	vm->events = calloc(1, sizeof(*vm->events));
	if (!vm->events)
		return -ENOMEM;
	list_init(&vm->events->watches);
	return 0;
}

void vm_events_destroy(struct vm *vm)
{
	free(vm->events);
	vm->events = NULL;
}
