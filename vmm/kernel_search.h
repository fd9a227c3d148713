/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VMM_KERNEL_SEARCH_H
#define VMM_KERNEL_SEARCH_H

/*
 * The configuration inside the kernel @fd, terminated text that the caller frees. NULL: there is
 * none, or it is not to be found.
 */
char *kernel_search(int fd);

#endif
