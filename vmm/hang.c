/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "hang.h"
#include "hang_judge.h"
#include "util/log.h"
#include "vmm/vcpu.h"
#include "vmm/visit.h"
#include "vmm/vm.h"

/* A thread that had this part of the time between two looks did run its guest. */
#define RAN_PART 16

struct hang {
	struct vm *vm;
	struct loop_timer timer;
	struct vm_visit visit;
	bool visiting;
	u64 progress; /* what vm->progress was when the looks began */
	struct {
		struct hang_vcpu looks;
		u64 ran_ns; /* of its thread, at the last look that counted */
	} vcpus[];
};

static u64 between_looks(const struct vm *vm)
{
	return vm->config->hang_timeout * 1000000000ull / HANG_LOOKS;
}

static u64 thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void look_at(struct vm_visit *visit, struct vcpu *vcpu)
{
	struct hang *hang = container_of(visit, struct hang, visit);
	u64 now = thread_ns(), *then = &hang->vcpus[vcpu->index].ran_ns;
	struct hang_vcpu *looks = &hang->vcpus[vcpu->index].looks;
	struct vcpu_state state;

	/* What cannot be read is no evidence. */
	if (arch_vcpu_state(vcpu, &state))
		hang_vcpu_forget(looks);
	else if (hang_vcpu_look(looks, &state, now - *then >= between_looks(vcpu->vm) / RAN_PART))
		*then = now;
}

static void begin_anew(struct hang *hang)
{
	hang->progress = hang->vm->progress;
	for (unsigned i = 0; i < hang->vm->config->cpus; i++)
		hang_vcpu_forget(&hang->vcpus[i].looks);
}

static void judge(struct vm_visit *visit)
{
	struct hang *hang = container_of(visit, struct hang, visit);
	enum hang_standing standings[ARCH_MAX_CPUS];
	const struct vm_config *config = hang->vm->config;

	hang->visiting = false;
	if (hang->progress != hang->vm->progress) {
		begin_anew(hang);
		return;
	}
	for (unsigned i = 0; i < config->cpus; i++)
		standings[i] = hang_vcpu_standing(&hang->vcpus[i].looks);
	/* One that panicked has a time of its own. */
	if (!hang_judge(standings, config->cpus, config->hang_idle) ||
	    atomic_load(&hang->vm->panicked))
		return;
	log_warning("the guest hangs: for %u s it had no output and no requests, and its "
		    "processors do not get on",
		    config->hang_timeout);
	vm_stop(hang->vm, VM_HANG);
}

static void on_timer(struct loop_timer *timer)
{
	struct hang *hang = container_of(timer, struct hang, timer);
	struct vm *vm = hang->vm;

	loop_timer_arm(timer, between_looks(vm));
	if (vm_is_paused(vm) || hang->progress != vm->progress)
		begin_anew(hang);
	/* A vCPU that KVM does not give back is the host's affair. */
	if (hang->visiting || vm_is_paused(vm))
		return;
	hang->visiting = true;
	vm_visit_begin(vm, &hang->visit, -1);
}

int hang_create(struct vm *vm)
{
	struct hang *hang;

	if (!vm->config->hang_timeout)
		return 0;
	hang = calloc(1, sizeof(*hang) + vm->config->cpus * sizeof(hang->vcpus[0]));
	if (!hang)
		return -ENOMEM;
	hang->vm = vm;
	hang->visit.visit = look_at;
	hang->visit.done = judge;
	list_init(&hang->visit.node);
	vm->hang = hang;
	return loop_timer_create(&hang->timer, vm->loop, on_timer);
}

void hang_begin(struct vm *vm)
{
	if (vm->hang)
		loop_timer_arm(&vm->hang->timer, between_looks(vm));
}

void hang_destroy(struct vm *vm)
{
	if (!vm->hang)
		return;
	vm_visit_end(&vm->hang->visit);
	loop_timer_destroy(&vm->hang->timer);
	free(vm->hang);
	vm->hang = NULL;
}
