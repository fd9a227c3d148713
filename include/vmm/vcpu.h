/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtual processor, its thread and its loop around KVM_RUN. The
 * architecture handles the exits that are its own (vmm/arch.h).
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/log.h"
#include "util/types.h"

struct vm;
struct kvm_run;

/* Why a vCPU came out of the guest, as far as it is counted. */
enum vcpu_exit {
	VCPU_EXIT_MMIO,
	VCPU_EXIT_PORT,
	VCPU_EXIT_SIGNAL, /* kicked: for a pause, the end */
	VCPU_EXIT_SYSTEM,
	VCPU_EXIT_OTHER,
	VCPU_EXITS,
};

/* What a vCPU came out of the guest for, of those that are its guest's doing. */
#define VCPU_LAST_EXITS 16
struct vcpu_last_exit {
	u64 address; /* a guest-physical one, or a port */
	u32 reason;  /* KVM_EXIT_* */
	u8 len;	     /* of an access; 0: it is none */
	bool is_write;
};

struct vcpu {
	struct vm *vm;
	unsigned index;	     /* 0 boots */
	int fd;		     /* owned; -1 before vcpu_create() */
	struct kvm_run *run; /* shared with the kernel; owned */
	size_t run_size;
	pthread_t thread;
	bool started;	       /* thread is to be joined */
	_Atomic bool visited;  /* somebody wants to visit it: vmm/visit.h */
	u64 exits[VCPU_EXITS]; /* by kind; written by its own thread alone, atomically */
	/* A ring; on its own thread, or when that has ended. */
	struct vcpu_last_exit last_exits[VCPU_LAST_EXITS];
	u64 last_count;
	struct log_limit aborts; /* its own thread's: accesses that the architecture aborted */
};

/* KVM_CREATE_VCPU and arch_vcpu_create(). -errno; the caller says what. */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned index);
/* The thread has ended. */
void vcpu_destroy(struct vcpu *vcpu);

/* The body of the vCPU's thread: run until the VM stops. Calls vm_stop() for what ends it. */
void vcpu_run(struct vcpu *vcpu);

/* Make vcpu_run() look at vm->stop. Any thread. */
void vcpu_kick(struct vcpu *vcpu);

/* Once per process, before the first vCPU: the signal that vcpu_kick() sends. */
int vcpu_init_signal(void);

#endif
