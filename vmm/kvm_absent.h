/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_KVM_ABSENT_H
#define VMM_KVM_ABSENT_H

/*
 * Why there is no /dev/kvm, as far as the host's files say, and what to do: a phrase. @root: in
 * front of their paths, "" but for tests.
 */
const char *kvm_absent_remedy(const char *root);

#endif
