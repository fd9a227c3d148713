/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake host whose devices can be bound: what lkvm writes into sysfs goes to a small kernel here,
 * which can refuse, and can kill the writer at any write. It is tests/fake/vfio_kernel.c, which
 * stands for vfio/host_touch.c in the programs that are linked with it.
 */
#ifndef TESTS_VFIO_KERNEL_H
#define TESTS_VFIO_KERNEL_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../vfio/host_sysfs.h"
#include "cmocka_all.h"
#include "vfio/bind.h"
#include "vfio_tree.h"

/* ---- the kernel ---- */

struct kernel {
	struct vfio_tree tree;
	unsigned writes;
	unsigned kill_at;      /* the n-th write kills the process before it is done; 0: never */
	unsigned fail_at;      /* the n-th write fails with EIO; 0: never */
	const char *reluctant; /* this driver takes no device */
	const char *stubborn;  /* this one lets none go */
	const char *late;      /* this device joins group 8 only when it is bound */
	int group_error;       /* what opening a group gives; 0: a descriptor */
	int (*open_group)(int group); /* instead; NULL: nobody has it open */
};

extern struct kernel kernel;

/* What stands in a file of a device's folder; the driver that has it, empty if none. */
void read_at(char *text, size_t size, const char *device, const char *file);
void driver_of(const char *device, char driver[64]);

/* As the bus does: an override excludes all other drivers; a driver has its own devices. */
int kernel_bind(const char *device, const char *driver);

int kernel_unbind(const char *device);

/* ---- the host ---- */

void add_device(const char *name, const char *class, const char *driver, const char *own,
		int group);

#define DISK  "0000:00:04.0"
#define SOUND "0000:00:08.0"
#define MODEM "0000:00:08.1"
#define SPARE "0000:00:08.2"
#define PORT  "0000:00:01.0"

/* A disk of its own; a group with two drivers, one device without, and the bridge above. */
int kernel_setup(void **state);
int kernel_teardown(void **state);
int bind_device(const char *name, struct error *err);
int release(const char *name, struct error *err);
void assert_driver(const char *name, const char *driver);
bool is_remembered(const char *name);
void assert_as_before(const char *name, const char *driver);
void assert_all_as_before(void);

#endif
