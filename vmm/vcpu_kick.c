/* SPDX-License-Identifier: BSD-2-Clause */
/* How a vCPU is made to look up: apart from what runs it, which needs an architecture. */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>

#include "vmm/vcpu.h"

/* It need do nothing: that it came ends KVM_RUN. */
static void kick_handler(int signal)
{
}

int vcpu_init_signal(void)
{
	struct sigaction action = { .sa_handler = kick_handler };

	return sigaction(SIGRTMIN, &action, NULL) ? -errno : 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	/* For a signal that comes before KVM_RUN; the signal, for one that is in it. */
	if (vcpu->run)
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->started)
		pthread_kill(vcpu->thread, SIGRTMIN);
}
