/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop around KVM_RUN, against a KVM of our own: how each end of it is taken. */
#include "../../vmm/pause.h"
#include "test.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define KVM_FD 1000 /* nothing but our ioctl() sees it */

/* What KVM_RUN does, call by call; the last of it stays. */
struct answer {
	int error; /* 0: an exit */
	u32 exit_reason, suberror;
	u64 entry_failure;
};

static struct vm vm;
static struct vcpu vcpu;
static struct kvm_run run;
static const struct answer *answers;
static unsigned answer_count, calls, dumps;
static bool handed_over;

int ioctl(int fd, unsigned long request, ...)
{
	const struct answer *answer = &answers[MIN(calls, answer_count - 1)];

	assert_int_equal(fd, KVM_FD);
	assert_int_equal(request, KVM_RUN);
	calls++;
	run.exit_reason = answer->exit_reason;
	if (answer->exit_reason == KVM_EXIT_FAIL_ENTRY)
		run.fail_entry.hardware_entry_failure_reason = answer->entry_failure;
	else
		run.internal.suberror = answer->suberror;
	errno = answer->error;
	return answer->error ? -1 : 0;
}

/* ---- an architecture ---- */

int arch_vcpu_create(struct vcpu *v)
{
	return 0;
}

int arch_vcpu_exit(struct vcpu *v)
{
	return -ENOSYS;
}

bool arch_vcpu_handed_over(const struct vcpu *v)
{
	return handed_over;
}

bool arch_vcpu_blames_guest(const struct vcpu *v, int error)
{
	return error == ENOSYS || (!error && run.fail_entry.hardware_entry_failure_reason);
}

void arch_vcpu_describe(struct vcpu *v, char *line, size_t size)
{
	line[0] = '\0';
}

void arch_vcpu_resumed(struct vcpu *v)
{
}

void arch_vcpu_dump(const struct vcpu *v)
{
	dumps++;
}

/* ---- the tests ---- */

static const struct vm_config config = { .name = "test", .cpus = 1 };

static int setup(void **state)
{
	memset(&vm, 0, sizeof(vm));
	pthread_mutex_init(&vm.lock, NULL);
	vm.config = &config;
	vcpu = (struct vcpu){ .vm = &vm, .fd = KVM_FD, .run = &run };
	calls = dumps = 0;
	handed_over = false;
	log_set_level(LOG_WARNING);
	if (loop_create(&vm.loop, &vm.lock))
		return -1;
	return pause_create(&vm);
}

static int teardown(void **state)
{
	pause_destroy(&vm);
	loop_destroy(vm.loop);
	pthread_mutex_destroy(&vm.lock);
	return 0;
}

static int run_with(const struct answer *with, unsigned count)
{
	answers = with;
	answer_count = count;
	vcpu_run(&vcpu);
	return atomic_load(&vm.stop);
}

#define RUN(...)                                                                                   \
	run_with((const struct answer[]){ __VA_ARGS__ },                                           \
		 sizeof((const struct answer[]){ __VA_ARGS__ }) / sizeof(struct answer))

TEST_WITH(a_kernel_that_starts_no_thread_for_kvm_is_the_hosts_failure_at_once, setup, teardown)
{
	assert_int_equal(RUN({ .error = EAGAIN }), VM_HOST_ERROR);
	assert_in_range(calls, 2, 1000);
}

TEST_WITH(a_vcpu_that_waited_to_be_started_tries_again, setup, teardown)
{
	assert_int_equal(RUN({ .error = EAGAIN }, { .error = EAGAIN }, { .error = EINTR },
			     { .error = EAGAIN }, { .exit_reason = KVM_EXIT_SHUTDOWN }),
			 VM_PANIC);
	assert_int_equal(calls, 5);
}

TEST_WITH(a_signal_is_no_failure_however_many_there_are, setup, teardown)
{
	static struct answer many[2001];

	for (unsigned i = 0; i < 2000; i++)
		many[i] = (struct answer){ .error = EINTR };
	many[2000] = (struct answer){ .exit_reason = KVM_EXIT_SHUTDOWN };
	assert_int_equal(run_with(many, 2001), VM_PANIC);
}

TEST_WITH(failures_that_are_not_in_a_row_are_not_added_up, setup, teardown)
{
	static struct answer many[1001];

	for (unsigned i = 0; i < 1000; i += 2) {
		many[i] = (struct answer){ .error = EAGAIN };
		many[i + 1] = (struct answer){ .exit_reason = KVM_EXIT_INTR };
	}
	many[1000] = (struct answer){ .exit_reason = KVM_EXIT_SHUTDOWN };
	assert_int_equal(run_with(many, 1001), VM_PANIC);
}

TEST_WITH(another_error_of_kvm_is_the_hosts_failure, setup, teardown)
{
	assert_int_equal(RUN({ .error = EFAULT }), VM_HOST_ERROR);
	assert_int_equal(calls, 1);
}

TEST_WITH(an_access_that_kvm_cannot_decode_is_the_guests_crash, setup, teardown)
{
	assert_int_equal(RUN({ .error = ENOSYS }), VM_PANIC);
}

TEST_WITH(an_instruction_that_kvm_cannot_emulate_is_the_guests_crash, setup, teardown)
{
	assert_int_equal(RUN({ 0, KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_EMULATION }),
			 VM_PANIC);
}

TEST_WITH(an_exception_that_cannot_be_delivered_is_the_guests_crash, setup, teardown)
{
	assert_int_equal(RUN({ 0, KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_DELIVERY_EV }),
			 VM_PANIC);
}

TEST_WITH(exceptions_that_meet_are_the_guests_crash, setup, teardown)
{
	assert_int_equal(RUN({ 0, KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_SIMUL_EX }),
			 VM_PANIC);
}

TEST_WITH(an_exit_that_kvm_did_not_expect_is_the_hosts_failure, setup, teardown)
{
	assert_int_equal(
		RUN({ 0, KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON }),
		VM_HOST_ERROR);
}

TEST_WITH(a_guest_that_cannot_be_entered_has_crashed_if_its_state_is_why, setup, teardown)
{
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_FAIL_ENTRY, .entry_failure = 1 }), VM_PANIC);
}

TEST_WITH(else_the_host_failed, setup, teardown)
{
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_FAIL_ENTRY }), VM_HOST_ERROR);
}

TEST_WITH(a_triple_fault_is_a_crash, setup, teardown)
{
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_SHUTDOWN }), VM_PANIC);
}

TEST_WITH(a_triple_fault_after_the_machine_was_handed_over_is_a_reset, setup, teardown)
{
	handed_over = true;
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_SHUTDOWN }), VM_REBOOT);
}

TEST_WITH(so_is_one_after_the_guest_said_that_it_restarts, setup, teardown)
{
	vm_restarting(&vm);
	vm.activity += 1000;
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_SHUTDOWN }), VM_REBOOT);
}

TEST_WITH(but_not_when_it_did_other_things_since, setup, teardown)
{
	vm_restarting(&vm);
	vm.activity += 10000;
	assert_int_equal(RUN({ .exit_reason = KVM_EXIT_SHUTDOWN }), VM_PANIC);
}

TEST_WITH(registers_are_shown_under_debug_alone, setup, teardown)
{
	RUN({ .exit_reason = KVM_EXIT_SHUTDOWN });
	assert_int_equal(dumps, 0);
	atomic_store(&vm.stop, VM_RUNNING);
	log_set_level(LOG_DEBUG);
	RUN({ .exit_reason = KVM_EXIT_SHUTDOWN });
	assert_int_equal(dumps, 1);
}
