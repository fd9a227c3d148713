/* SPDX-License-Identifier: BSD-2-Clause */
/* A host in a temporary folder: sys, dev, run and proc, as far as vfio/host.h looks at them. */
#ifndef TESTS_VFIO_TREE_H
#define TESTS_VFIO_TREE_H

#include "vfio/host.h"

struct vfio_tree {
	char top[32];
	char sys[40], dev[40], state[40], proc[40];
	struct vfio_paths paths;
};

void vfio_tree_create(struct vfio_tree *tree);
void vfio_tree_destroy(struct vfio_tree *tree);

/* A file with @text, a symbolic link to @target, a folder; what is above them is made. */
void vfio_tree_file(struct vfio_tree *tree, const char *text, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
void vfio_tree_link(struct vfio_tree *tree, const char *target, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
void vfio_tree_folder(struct vfio_tree *tree, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
void vfio_tree_remove(struct vfio_tree *tree, const char *path, ...)
	__attribute__((format(printf, 2, 3)));

/* A device of @class with @driver ("": none) in @group (-1: none). */
void vfio_tree_device(struct vfio_tree *tree, const char *name, const char *class,
		      const char *driver, int group);
/* An IOMMU, vfio's modules, and /dev/vfio: a host that passes devices. */
void vfio_tree_vfio(struct vfio_tree *tree);

struct vfio_address vfio_tree_address(const char *name);

#endif
