/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOMMU's request queue while a thread polls it, with a driver beside that one. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_mmio.h>

#include "test.h"
#include "polled.h"
#include "util/relax.h"

#define PACKED	 (1ull << VIRTIO_F_RING_PACKED)
#define IN_ORDER (1ull << VIRTIO_F_IN_ORDER)

/* How long the device waits for the next request before it wants kicks, and at most we, in us. */
#define WAIT 20

/* Pairs of MAP and UNMAP with random pauses. LKVM_POLL_PAIRS=5000000 is 10^7 requests. */
#define PAIRS 20000

static bool has_one_processor(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) < 2;
}

static void need_processors(void)
{
	if (!has_one_processor())
		return;
	print_message("one processor: nothing is ever polled\n");
	skip();
}

static void sleep_us(unsigned us)
{
	const struct timespec time = { .tv_nsec = us * 1000L };

	nanosleep(&time, NULL);
}

/* @count pairs of MAP and UNMAP at once, with one kick at most. */
static void send_pairs(struct polled *p, u16 count)
{
	for (u16 n = 0; n < count; n++) {
		polled_lay_out_map(p, 2 * n, n);
		polled_lay_out_unmap(p, 2 * n + 1, n);
	}
	polled_offer(p, 2 * count);
	assert_true(polled_answered_within(p, NO_END * 1000));
	for (u16 n = 0; n < 2 * count; n++)
		assert_int_equal(polled_status(p, n), VIRTIO_IOMMU_S_OK);
}

/* One MAP and UNMAP, one after the other. */
static void send_pair(struct polled *p)
{
	polled_lay_out_map(p, 0, p->idx);
	polled_offer(p, 1);
	assert_true(polled_answered_within(p, NO_END * 1000));
	assert_int_equal(polled_status(p, 0), VIRTIO_IOMMU_S_OK);
	polled_lay_out_unmap(p, 0, (u16)(p->idx - 1));
	polled_offer(p, 1);
	assert_true(polled_answered_within(p, NO_END * 1000));
	assert_int_equal(polled_status(p, 0), VIRTIO_IOMMU_S_OK);
}

/* Until polling has begun: the thread has to wake first, and may have to wait for a processor. */
static void begin_polling(struct polled *p)
{
	u64 found = polled_counters(p).found;

	for (unsigned i = 0; i < NO_END * 1000 && polled_counters(p).found == found; i++) {
		for (unsigned n = 0; n < 20 && polled_counters(p).found == found; n++)
			send_pair(p);
		sched_yield();
	}
	assert_true(polled_counters(p).found > found);
}

/* ---- the races ---- */

static u32 next_random(struct polled *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 17;
	p->random ^= p->random << 5;
	return p->random;
}

static u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void spin_ns(u64 ns)
{
	const u64 begin = now_ns(CLOCK_MONOTONIC);

	while (now_ns(CLOCK_MONOTONIC) - begin < ns)
		cpu_relax();
}

/* About as long as the device waits, so that it gives up just as the next request comes. */
static void pause_at_random(struct polled *p)
{
	u32 random = next_random(p);

	switch (random % 16) {
	case 6 ... 11:
		sched_yield();
		break;
	case 1:
		sleep_us(random / 16 % (2 * WAIT));
		break;
	case 2 ... 5:
		spin_ns(random / 16 % (2 * WAIT * 1000));
		break;
	}
}

static void race(struct polled *p)
{
	const char *wanted = getenv("LKVM_POLL_PAIRS");
	u64 pairs = wanted ? strtoull(wanted, NULL, 0) : PAIRS;

	while (pairs) {
		u16 count = MIN(1 + next_random(p) % 4, pairs);

		pairs -= count;
		send_pairs(p, count);
		pause_at_random(p);
	}
}

static void no_request_is_lost_between_polling_and_kicks(u64 features)
{
	struct polled p;
	struct virtio_poll poll = { 0 };

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, WAIT, features);
	/* Both ways, changing often: again where the thread that polls was hardly ever run. */
	for (unsigned i = 0; i < 20 && (p.kicks <= 10 || poll.sessions <= 10); i++) {
		race(&p);
		poll = polled_counters(&p);
	}
	print_message("%llu kicks, polling began %llu times and found %llu\n",
		      (unsigned long long)p.kicks, (unsigned long long)poll.sessions,
		      (unsigned long long)poll.found);
	assert_true(p.kicks > 10 && poll.sessions > 10);
	polled_destroy(&p);
}

TEST(no_request_is_lost_between_polling_and_kicks_with_flags)
{
	no_request_is_lost_between_polling_and_kicks(0);
}

TEST(no_request_is_lost_between_polling_and_kicks_with_event_indices)
{
	no_request_is_lost_between_polling_and_kicks(EVENT_IDX);
}

TEST(no_request_is_lost_between_polling_and_kicks_in_packed_rings_with_flags)
{
	no_request_is_lost_between_polling_and_kicks(PACKED);
}

TEST(no_request_is_lost_between_polling_and_kicks_in_packed_rings_with_positions)
{
	no_request_is_lost_between_polling_and_kicks(PACKED | EVENT_IDX);
}

TEST(no_request_is_lost_between_polling_and_kicks_in_packed_rings_in_order)
{
	no_request_is_lost_between_polling_and_kicks(PACKED | EVENT_IDX | IN_ORDER);
}

/* ---- when it polls ---- */

static void a_driver_that_is_polled_need_not_kick(u64 features)
{
	struct polled p;
	u64 kicks = 0, sessions;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, features);
	begin_polling(&p);
	sessions = polled_counters(&p).sessions;
	/* The 16-bit index goes round, with an event index that must be kept behind it. */
	for (unsigned i = 0; i < 600; i++) {
		u64 before = p.kicks;

		send_pairs(&p, PLACES / 2);
		if (p.kicks == before)
			continue;
		kicks += p.kicks - before;
		begin_polling(&p);
	}
	/* One each time that polling had ended, as we were not run for 10 ms; and for the round. */
	assert_true(kicks <= 2 * (polled_counters(&p).sessions - sessions) + 2);
	polled_destroy(&p);
}

TEST(a_driver_that_is_polled_need_not_kick_with_flags)
{
	a_driver_that_is_polled_need_not_kick(0);
}

TEST(a_driver_that_is_polled_need_not_kick_with_event_indices)
{
	a_driver_that_is_polled_need_not_kick(EVENT_IDX);
}

static bool is_waiting(struct polled *p)
{
	struct list_node *node;
	bool waits = false;

	vm_lock(p->rig.vm);
	list_for_each(node, &p->rig.vm->devices) {
		const struct device *device = list_entry(node, struct device, node);

		waits |= device->ops->settled && !device->ops->settled(device);
	}
	vm_unlock(p->rig.vm);
	return waits;
}

/* An UNMAP waits for a device's I/O, and a MAP comes behind it; then both are served. */
static void let_one_wait(struct polled *p)
{
	static const struct dma_segment held = { 7 * PAGE, 8 };
	struct dma_hold hold = { .segments = &held, .count = 1 };

	polled_lay_out_map(p, 0, 7);
	polled_offer(p, 1);
	assert_true(polled_answered_within(p, NO_END * 1000));
	vm_lock(p->rig.vm);
	dma_hold(p->rig.a, &hold);
	vm_unlock(p->rig.vm);
	polled_lay_out_unmap(p, 0, 7);
	polled_lay_out_map(p, 1, 8);
	polled_offer(p, 2);
	for (unsigned i = 0; i < NO_END * 1000 && !is_waiting(p); i++)
		sleep_us(100);
	sleep_us(200);
	vm_lock(p->rig.vm);
	dma_drop(p->rig.a, &hold);
	vm_unlock(p->rig.vm);
	for (unsigned i = 0; i < 4; i++)
		loop_poll(p->rig.vm->loop, 0);
	assert_true(polled_answered_within(p, NO_END * 1000));
}

/* The next one, without a kick. False: it was not found before polling ended. */
static bool next_is_found(struct polled *p)
{
	bool found = false;

	polled_lay_out_unmap(p, 0, 8);
	polled_show(p, 1);
	if (polled_kick_is_wanted(p, 1))
		polled_kick(p);
	else
		found = true;
	assert_true(polled_answered_within(p, NO_END * 1000));
	return found && *p->device_event >> 16 == VRING_PACKED_EVENT_FLAG_DISABLE;
}

/* Those that are skipped in order leave no trace in the ring where they were. */
TEST(requests_behind_one_that_waited_are_found)
{
	struct polled p;
	bool found = false;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, PACKED | EVENT_IDX | IN_ORDER);
	/* Again where polling ended because the thread was not run for 10 ms. */
	for (unsigned i = 0; i < 100 && !found; i++) {
		begin_polling(&p);
		let_one_wait(&p);
		found = next_is_found(&p);
	}
	assert_true(found);
	polled_destroy(&p);
}

/* LKVM_POLL_QUIET=600: tenths of a second to look. */
TEST(a_quiet_queue_burns_no_processor_time)
{
	const char *wanted = getenv("LKVM_POLL_QUIET");
	const unsigned tenths = wanted ? strtoul(wanted, NULL, 0) : 3;
	struct polled p;
	u64 before;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	/* It asks for kicks when it gives up. */
	for (unsigned i = 0; i < 10000 && !polled_kick_is_wanted(&p, 1); i++)
		sleep_us(1000);
	assert_true(polled_kick_is_wanted(&p, 1));
	before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < tenths; i++)
		sleep_us(100000);
	assert_true(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000);
	send_pair(&p);
	polled_destroy(&p);
}

TEST(rare_requests_are_not_polled_for)
{
	struct polled p;

	polled_create(&p, VIRTIO_POLL_AUTO, 1, 0);
	for (unsigned i = 0; i < 100; i++) {
		sleep_us(20);
		send_pair(&p);
		sleep_us(20);
	}
	/* MAP and UNMAP themselves may be near each other, but no more than these two. */
	assert_int_equal(polled_counters(&p).sessions, 0);
	polled_destroy(&p);
}

TEST(dense_requests_are_polled_for_if_processors_are_to_spare)
{
	struct polled p;
	struct virtio_poll poll = { 0 };

	need_processors();
	polled_create(&p, VIRTIO_POLL_AUTO, 10000, 0);
	for (unsigned i = 0; i < NO_END * 1000 && !poll.found && !poll.crowded; i++) {
		for (unsigned n = 0; n < 20; n++)
			send_pair(&p);
		poll = polled_counters(&p);
		sched_yield();
	}
	assert_true(poll.found || poll.crowded);
	polled_destroy(&p);
}

TEST(with_one_processor_nothing_is_polled)
{
	struct polled p;
	cpu_set_t old;

	assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
	polled_stay_on_one_processor();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned i = 0; i < 200; i++)
		send_pair(&p);
	for (unsigned i = 0; i < NO_END * 1000 && !polled_counters(&p).crowded; i++)
		sleep_us(1000);
	assert_int_equal(polled_counters(&p).sessions, 0);
	assert_int_equal(polled_counters(&p).found, 0);
	/* It was asked, and not at each kick. */
	assert_in_range(polled_counters(&p).crowded, 1, 10);
	polled_destroy(&p);
	assert_int_equal(sched_setaffinity(0, sizeof(old), &old), 0);
}

/* ---- what ends it ---- */

TEST(a_paused_machine_is_not_polled)
{
	struct polled p;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned round = 0; round < 20; round++) {
		begin_polling(&p);
		vm_lock(p.rig.vm);
		vm_pause(p.rig.vm, VM_PAUSE_USER, NULL);
		assert_true(vm_is_paused(p.rig.vm));
		vm_unlock(p.rig.vm);
		polled_lay_out_map(&p, 0, p.idx);
		polled_show(&p, 1);
		assert_false(polled_answered_within(&p, 5));
		vm_lock(p.rig.vm);
		vm_resume(p.rig.vm, VM_PAUSE_USER);
		vm_unlock(p.rig.vm);
		/* Nobody kicks: the loop looks at all queues. */
		for (unsigned i = 0; i < 5000 && !polled_is_answered(&p); i++)
			loop_poll(p.rig.vm->loop, 1);
		assert_true(polled_is_answered(&p));
		assert_int_equal(polled_status(&p, 0), VIRTIO_IOMMU_S_OK);
		polled_lay_out_unmap(&p, 0, (u16)(p.idx - 1));
		polled_offer(&p, 1);
		assert_true(polled_answered_within(&p, NO_END * 1000));
	}
	polled_destroy(&p);
}

TEST(nobody_looks_at_the_rings_when_a_reset_is_over)
{
	struct polled p;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned round = 0; round < 20; round++) {
		begin_polling(&p);
		wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_STATUS, 0);
		/* Ours again, with no care for others: ThreadSanitizer sees who looks. */
		memset(p.avail, round, 6 + 2 * SIZE);
		memset(p.used, round, 6 + 8 * SIZE);
		sleep_us(1000);
		assert_int_equal(p.used[1], round * 0x101);
		rig_restart(&p.rig, FEATURE(MAP_UNMAP));
		polled_meet_device(&p);
	}
	polled_destroy(&p);
}

TEST(a_queue_that_is_stopped_is_not_polled)
{
	struct polled p;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	memset(p.avail, 0, 6 + 2 * SIZE);
	memset(p.used, 0, 6 + 8 * SIZE);
	memset(p.desc, 0, SIZE * sizeof(p.desc[0]));
	p.avail[1] = 1;
	p.packed_desc[0].flags = p.packed ? polled_packed_flags(0, true) : 0;
	sleep_us(1000);
	assert_int_equal(p.used[1], 0);
	assert_int_equal(p.packed_desc[0].flags, p.packed ? polled_packed_flags(0, true) : 0);
	/* It begins at the start of its rings, and with kicks. */
	p.packed_desc[0].flags = 0;
	p.avail[1] = 0;
	p.idx = p.used_idx = 0;
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_true(polled_kick_is_wanted(&p, 1));
	for (unsigned i = 0; i < 100; i++)
		send_pair(&p);
	polled_destroy(&p);
}

TEST(a_machine_may_end_while_it_polls)
{
	need_processors();
	for (unsigned round = 0; round < 20; round++) {
		struct polled p;

		polled_create(&p, VIRTIO_POLL_ON, 10000, round % 2 ? EVENT_IDX : 0);
		begin_polling(&p);
		polled_destroy(&p);
	}
}

/* The index jumps further than the queue is long, or an indirect table is in a list. */
static void break_ring(struct polled *p)
{
	if (p->packed)
		__atomic_store_n(&p->packed_desc[2 * (p->idx % PLACES)].flags,
				 VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT |
					 polled_packed_flags(p->idx, true),
				 __ATOMIC_RELEASE);
	else
		__atomic_store_n(&p->avail[1], p->idx + 2 * SIZE, __ATOMIC_RELEASE);
}

/* It is found without a kick, and fatal to the device. */
TEST(a_ring_that_breaks_the_rules_ends_polling)
{
	struct polled p;
	u64 before;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	break_ring(&p);
	for (unsigned i = 0; i < 1000 && !wire_needs_reset(p.rig.vm, 0); i++) {
		polled_kick(&p);
		sleep_us(1000);
	}
	assert_true(wire_needs_reset(p.rig.vm, 0));
	sleep_us(50000);
	before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_us(200000);
	assert_true(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000);
	rig_restart(&p.rig, FEATURE(MAP_UNMAP));
	polled_meet_device(&p);
	begin_polling(&p);
	polled_destroy(&p);
}

struct turns {
	struct loop_source source;
	unsigned count;
};

static void take_turn(struct loop_source *source, u32 events)
{
	eventfd_t count;

	assert_int_equal(eventfd_read(source->fd, &count), 0);
	container_of(source, struct turns, source)->count++;
}

/* As fast as it can, until the main thread has seen enough. */
static void *flood(void *arg)
{
	struct polled *p = arg;

	while (!atomic_load(&p->enough)) {
		polled_lay_out_map(p, 0, 0);
		polled_lay_out_unmap(p, 1, 0);
		polled_offer(p, 2);
		if (!polled_answered_within(p, NO_END * 1000))
			return NULL;
	}
	return p;
}

TEST(a_flood_of_requests_leaves_the_loop_its_turns)
{
	struct polled p;
	struct turns turns = { .source = { .events = EPOLLIN, .handle = take_turn } };
	pthread_t thread;
	void *ended;

	need_processors();
	polled_create(&p, VIRTIO_POLL_ON, 10000, 0);
	turns.source.fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(loop_add(p.rig.vm->loop, &turns.source), 0);
	assert_int_equal(pthread_create(&thread, NULL, flood, &p), 0);
	for (unsigned i = 0; i < 100; i++) {
		eventfd_write(turns.source.fd, 1);
		while (turns.count <= i)
			loop_poll(p.rig.vm->loop, 1000);
	}
	atomic_store(&p.enough, true);
	pthread_join(thread, &ended);
	assert_non_null(ended);
	loop_remove(p.rig.vm->loop, &turns.source);
	close(turns.source.fd);
	polled_destroy(&p);
}
