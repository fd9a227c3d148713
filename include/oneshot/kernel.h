/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels and their modules where people have them: a file, a tree that was built, /boot. */
#ifndef ONESHOT_KERNEL_H
#define ONESHOT_KERNEL_H

#include "util/error.h"
#include "util/types.h"

/*
 * The kernel that is meant by @word: a file; the folder of a kernel's build, or of installed
 * modules, with a kernel in it; or what follows "vmlinuz-" in /boot. NULL: the kernel that this
 * host runs, in /boot. @arch: of the guest, as arch_name is. @path of PATH_MAX. -ENOENT with a
 * line; -EISDIR: a folder without a kernel for @arch.
 */
int kernel_find(const char *word, const char *arch, char *path, struct error *err);

/*
 * The folder of the modules of the kernel at @path: beside it; the tree in which it was built, if
 * modules were built there; or in /lib/modules by its version. "" if there is none that
 * modules_open() can read. @folder of PATH_MAX.
 */
void kernel_find_modules(const char *path, char *folder);

/* As "uname -r" would say, in @version of KERNEL_VERSION_SIZE; "" if it does not say. */
#define KERNEL_VERSION_SIZE 128
void kernel_version(const char *path, char *version);

#endif
