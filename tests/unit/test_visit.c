/* SPDX-License-Identifier: BSD-2-Clause */
/* Visits to vCPUs, on threads of their own that play them. */
#include "../../vmm/pause.h"
#include "test.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "vmm/vcpu.h"
#include "vmm/visit.h"
#include "vmm/vm.h"

#define CPUS   3
#define ROUNDS 300

static struct {
	struct vm vm;
	struct vm_config config;
	struct vcpu vcpus[CPUS], *list[CPUS];
	struct kvm_run runs[CPUS];
	pthread_t threads[CPUS];
	/* VM lock. */
	unsigned visited[CPUS];
	bool done;
	bool wrong_thread;
} bench;

/* As run_guest(): KVM_RUN comes back when immediate_exit is set. */
static void *play_vcpu(void *arg)
{
	struct vcpu *vcpu = arg;

	pause_begin(vcpu);
	while (atomic_load(&bench.vm.stop) == VM_RUNNING) {
		if (__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_SEQ_CST)) {
			visit_serve(vcpu);
			pause_park(vcpu);
		}
		sched_yield();
	}
	pause_leave(vcpu);
	return NULL;
}

static int setup(void **state)
{
	memset(&bench, 0, sizeof(bench));
	bench.config.cpus = CPUS;
	bench.vm.config = &bench.config;
	bench.vm.vcpus = bench.list;
	pthread_mutex_init(&bench.vm.lock, NULL);
	list_init(&bench.vm.devices);
	assert_int_equal(loop_create(&bench.vm.loop, &bench.vm.lock), 0);
	assert_int_equal(pause_create(&bench.vm), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		bench.vcpus[i] =
			(struct vcpu){ .vm = &bench.vm, .index = i, .run = &bench.runs[i] };
		bench.list[i] = &bench.vcpus[i];
	}
	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&bench.threads[i], NULL, play_vcpu, &bench.vcpus[i]);
	return 0;
}

static int teardown(void **state)
{
	atomic_store(&bench.vm.stop, VM_USER);
	pause_end(&bench.vm);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(bench.threads[i], NULL);
	pause_destroy(&bench.vm);
	loop_destroy(bench.vm.loop);
	pthread_mutex_destroy(&bench.vm.lock);
	return 0;
}

static void note_visit(struct vm_visit *visit, struct vcpu *vcpu)
{
	bench.visited[vcpu->index]++;
	bench.wrong_thread |= !pthread_equal(pthread_self(), bench.threads[vcpu->index]);
}

static void note_done(struct vm_visit *visit)
{
	bench.done = true;
}

static bool is_done(void)
{
	bool done;

	vm_lock(&bench.vm);
	done = bench.done;
	vm_unlock(&bench.vm);
	return done;
}

/* To @cpu, or to all. */
static void go_round(int cpu)
{
	struct vm_visit visit = { .visit = note_visit, .done = note_done };

	vm_lock(&bench.vm);
	bench.done = false;
	vm_visit_begin(&bench.vm, &visit, cpu);
	vm_unlock(&bench.vm);
	while (!is_done())
		sched_yield();
}

TEST_WITH(each_vcpu_is_visited_once_on_its_own_thread, setup, teardown)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		go_round(-1);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(bench.visited[i], ROUNDS);
	assert_false(bench.wrong_thread);
}

TEST_WITH(one_is_visited_alone, setup, teardown)
{
	go_round(1);
	assert_int_equal(bench.visited[0], 0);
	assert_int_equal(bench.visited[1], 1);
	assert_int_equal(bench.visited[2], 0);
}

static void set_paused(bool paused)
{
	vm_lock(&bench.vm);
	if (paused)
		vm_pause(&bench.vm, VM_PAUSE_USER, NULL);
	else
		vm_resume(&bench.vm, VM_PAUSE_USER);
	vm_unlock(&bench.vm);
}

static bool is_paused(void)
{
	bool paused;

	vm_lock(&bench.vm);
	paused = vm_is_paused(&bench.vm);
	vm_unlock(&bench.vm);
	return paused;
}

TEST_WITH(vcpus_that_are_parked_are_visited_and_stay_parked, setup, teardown)
{
	set_paused(true);
	while (!is_paused())
		sched_yield();
	go_round(-1);
	assert_true(is_paused());
	set_paused(false);
	go_round(-1);
	assert_int_equal(bench.visited[0], 2);
}

TEST_WITH(visits_and_pauses_lose_nothing_of_each_other, setup, teardown)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		set_paused(true);
		go_round(-1);
		while (!is_paused())
			sched_yield();
		set_paused(false);
		go_round(i % CPUS);
	}
	assert_false(bench.wrong_thread);
}

TEST_WITH(a_visit_that_is_given_up_is_not_paid, setup, teardown)
{
	struct vm_visit visit = { .visit = note_visit, .done = note_done };

	vm_lock(&bench.vm);
	vm_visit_begin(&bench.vm, &visit, -1);
	vm_visit_end(&visit);
	vm_visit_end(&visit);
	vm_unlock(&bench.vm);
	go_round(-1);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(bench.visited[i], 1);
}
