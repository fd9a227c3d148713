/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened to a VM, for those who follow it ("lkvm events"): the last of it is remembered, so
 * that a follower who comes later learns of the start, too.
 */
#ifndef VMM_EVENTS_H
#define VMM_EVENTS_H

#include "util/list.h"
#include "util/types.h"

struct vm;
struct vm_events;

#define VM_EVENTS_KEPT 256

struct vm_event {
	u64 time;	  /* ns of CLOCK_REALTIME */
	const char *what; /* a constant: docs/control.md lists them */
	char who[32];	  /* the device, or "" */
	char why[96];	  /* for people, or "" */
};

/*
 * @what has happened, to @who if that is not NULL; @format says more. A guest that brings about
 * faults, panics or its watchdog's bites without end is told about VM_EVENTS_A_SECOND times a
 * second for each of these. VM lock held.
 */
#define VM_EVENTS_A_SECOND 20
void vm_event(struct vm *vm, const char *what, const char *who, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The guest's kernel has taken a device: it has booted, if that is the first. VM lock held. */
void vm_driver_ok(struct vm *vm, const char *who);

/* -ENOMEM. Without it nothing is remembered. */
int vm_events_create(struct vm *vm);
void vm_events_destroy(struct vm *vm);

/* Somebody who follows. Lives inside its owner. */
struct vm_event_watch {
	struct list_node node;
	/* There is one more. VM lock held, any thread; nobody may come or go here. */
	void (*told)(struct vm_event_watch *watch);
};

/* VM lock held for all of these; vm->events is there. */
void vm_events_watch(struct vm *vm, struct vm_event_watch *watch);
void vm_events_unwatch(struct vm_event_watch *watch);
/* How many there were. The @n-th of them, from 0; NULL: it is forgotten, or still to come. */
u64 vm_events_count(const struct vm *vm);
const struct vm_event *vm_events_get(const struct vm *vm, u64 n);

#endif
