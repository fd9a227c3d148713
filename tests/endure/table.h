/* SPDX-License-Identifier: BSD-2-Clause */
/* What the interposer and tests/fault/run share: run has the same layout. */
#ifndef TESTS_FAULT_TABLE_H
#define TESTS_FAULT_TABLE_H

#include <stdatomic.h>
#include <stdint.h>

#define FAULT_SITES  8192
#define FAULT_FRAMES 4

struct fault_site {
	_Atomic uint64_t key;	       /* 0: free */
	uint64_t what;		       /* an ioctl's request, a system call's number */
	uint64_t frames[FAULT_FRAMES]; /* return addresses, the innermost first */
	uint32_t order;		       /* the how manieth to be reached, from 0 */
	uint32_t calls;		       /* about */
	uint32_t in_guest;	       /* first reached after the first KVM_RUN */
	char name[20];
};

struct fault_table {
	uint64_t wanted; /* key of the site that shall fail; 0: none */
	_Atomic uint32_t fired;
	_Atomic uint32_t count;
	uint32_t guest_ran; /* KVM_RUN was called */
	uint32_t fired_in_guest;
	uint64_t fired_first; /* the first argument of the call that failed */
	struct fault_site sites[FAULT_SITES];
};

#endif
