/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that polls, while its clock is ours: time stands still for it, so that it never gives
 * up, and it is held where it reads the time and has no lock. What others do meanwhile is then
 * certain to come between two of its looks.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <linux/virtio_config.h>

#include "test.h"
#include "host_clock.h"
#include "iommu_driver.h"

#define SIZE  8
#define RINGS 0x60000
/* That it has looked so often without finding anything shows that it never will. */
#define LOOKS 1000

static struct {
	struct rig rig;
	struct wire_queue queue;
	atomic_bool hold, held;
	atomic_uint looks; /* at the clock */
} bench;

static bool is_poller(void)
{
	char name[16] = "";

	return !prctl(PR_GET_NAME, name) && !strcmp(name, "poller");
}

static bool has_no_lock(void)
{
	if (pthread_mutex_trylock(&bench.rig.vm->lock))
		return false;
	pthread_mutex_unlock(&bench.rig.vm->lock);
	return true;
}

static bool tell_time(struct timespec *now)
{
	if (!is_poller())
		return false;
	*now = (struct timespec){ .tv_sec = 1 };
	atomic_fetch_add(&bench.looks, 1);
	if (!atomic_load(&bench.hold) || !has_no_lock())
		return true;
	atomic_store(&bench.held, true);
	while (atomic_load(&bench.hold))
		sched_yield();
	atomic_store(&bench.held, false);
	return true;
}

static int setup(void **state)
{
	const struct viommu_config config = {
		.address_bits = 40,
		.poll = VIRTIO_POLL_ON,
		.poll_us = 10000,
	};

	memset(&bench, 0, sizeof(bench));
	rig_create(&bench.rig, &config);
	rig_start(&bench.rig, FEATURE(MAP_UNMAP));
	host_clock_ask(tell_time);
	return 0;
}

static int teardown(void **state)
{
	atomic_store(&bench.hold, false);
	rig_destroy(&bench.rig);
	host_clock_ask(NULL);
	return 0;
}

/* An UNMAP of no domain, which is answered as every request is, in @count descriptors. */
static void offer(unsigned count)
{
	const struct virtio_iommu_req_unmap request = { .head.type = VIRTIO_IOMMU_T_UNMAP };
	const u32 size = offsetof(struct virtio_iommu_req_unmap, tail);
	struct wire_segment segments[SIZE];

	wire_write(bench.rig.vm, RIG_REQUEST, &request, sizeof(request));
	for (unsigned i = 0; i < count - 1; i++)
		segments[i] = (struct wire_segment){ RIG_REQUEST + i, 1, false };
	segments[count - 2].len = size - (count - 2);
	segments[count - 1] = (struct wire_segment){ RIG_REPLY, 4, true };
	wire_add(&bench.queue, segments, count);
}

static void kick_and_take(unsigned count)
{
	offer(count);
	wire_kick(&bench.queue);
	assert_true(wire_used(&bench.queue, NULL, NULL));
}

static bool has_begun(void)
{
	bool begun;

	vm_lock(bench.rig.vm);
	begun = rig_counters(&bench.rig).poll.sessions;
	vm_unlock(bench.rig.vm);
	return begun;
}

/* False: nobody polls on one processor. */
static bool hold_poller(void)
{
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) < 2)
		return false;
	kick_and_take(4);
	while (!has_begun())
		sched_yield();
	atomic_store(&bench.hold, true);
	while (!atomic_load(&bench.held))
		sched_yield();
	return true;
}

/* Nobody kicks. */
static bool is_found(void)
{
	atomic_store(&bench.looks, 0);
	atomic_store(&bench.hold, false);
	while (!wire_has_used(&bench.queue) && atomic_load(&bench.looks) < LOOKS)
		sched_yield();
	return wire_has_used(&bench.queue);
}

/*
 * The poller waits at descriptor 2, which was in the middle of a chain when the ring's first round
 * used it. It waits there again after one serve of as many descriptors as the ring has, and the
 * next request then writes the flags that the first round left.
 */
TEST_WITH(a_request_is_found_after_others_served_a_whole_packed_ring, setup, teardown)
{
	assert_true(
		wire_negotiate(bench.rig.vm, 0, FEATURE(MAP_UNMAP) | 1ull << VIRTIO_F_RING_PACKED));
	wire_queue_init(&bench.queue, bench.rig.vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(bench.rig.vm, 0);
	if (!hold_poller())
		skip();
	kick_and_take(2);
	kick_and_take(2);
	kick_and_take(2);
	for (unsigned i = 0; i < SIZE / 2; i++)
		offer(2);
	wire_kick(&bench.queue);
	for (unsigned i = 0; i < SIZE / 2; i++)
		assert_true(wire_used(&bench.queue, NULL, NULL));
	offer(3);
	assert_true(is_found());
}
