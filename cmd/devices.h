/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a run: the instances of the classes in cmd/device_list.h. */
#ifndef CMD_DEVICES_H
#define CMD_DEVICES_H

#include "options.h"
#include "vmm/device_class.h"

struct control;
struct firmware;

/* Ended by NULL. */
extern const struct device_class *const device_classes[];

#define DEVICE_CLASSES_MAX 64

/* One device that was asked for. */
struct device_instance {
	const struct device_class *class;
	void *state; /* owned */
	bool asked;  /* by its class's first option */
};

struct devices {
	struct device_instance *list; /* owned; in the order of the rows */
	unsigned count;
};

/* Those that every machine has. -ENOMEM with a line. */
int devices_init(struct devices *devices, struct error *err);
/* For the groups of options_parse(): one for each class with options. Returns how many. */
unsigned devices_option_groups(struct devices *devices, struct option_group *groups);
/* The command line is read: those that nobody asked for, and that are there all the same. -ENOMEM.
 */
int devices_complete(struct devices *devices, struct error *err);
void devices_free(struct devices *devices);
/* Whether the user gave @option, the first one of its class. */
bool devices_asked_for(const struct devices *devices, const char *option);

/* Whether the user gave @option, and a guest without that device's driver has none of the others.
 */
bool devices_need_driver(const struct devices *devices, const char *option);

/* ---- the steps of vmm/device_class.h, for all of them. -errno with a line ---- */

/*
 * Whether the machine has as many places as they want; before anything is opened. What nobody asked
 * for gives way.
 */
int devices_check_places(const struct devices *devices, const struct device_host *host,
			 struct error *err);
/* Whether it has so many; nothing gives way. */
bool devices_fit(const struct devices *devices, const struct device_host *host);
bool devices_want_pci(const struct devices *devices, const struct device_host *host);
/* Whether one of them will take from the host what must be given back. */
bool devices_give_back(const struct devices *devices);
/* File descriptors that they may come to need. */
unsigned devices_count_fds(const struct devices *devices);
/* Their words for the kernel's command line, a space in front of each but the first. */
void devices_kernel_words(const struct devices *devices, char *text, size_t size);
int devices_prepare(const struct devices *devices, struct device_plan *plan, struct error *err);
int devices_claim(const struct devices *devices, struct device_plan *plan, struct error *err);
int devices_connect(const struct devices *devices, struct vm *vm, struct error *err);
int devices_create(const struct devices *devices, struct device_host *host, struct error *err);
int devices_firmware(const struct devices *devices, struct vm *vm, struct firmware *firmware,
		     struct error *err);
void devices_add_commands(const struct devices *devices, struct control *control);
/* In the log. */
void devices_advise(const struct devices *devices);
void devices_count(const struct devices *devices, struct counters *counters);
void devices_release(const struct devices *devices);

#endif
