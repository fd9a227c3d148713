/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_KVM_ABSENT_H
#define VMM_KVM_ABSENT_H

#include "util/types.h"

/*
 * Why there is no /dev/kvm, as far as the host's files say, and what to do: a phrase. @root: in
 * front of their paths, "" but for tests.
 */
const char *kvm_absent_remedy(const char *root);

/*
 * Why @path, below @root, may not be opened, and what to do: a phrase in @why of @size. @error:
 * what open() said, EACCES or EPERM.
 */
void kvm_absent_permission(const char *root, const char *path, int error, char *why, size_t size);

#endif
