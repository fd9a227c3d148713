/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOMMU's request queue while a thread polls it. The driver here is a thread beside that one:
 * all that both of them touch is read and written atomically, and kicks are left out where the
 * device does not want them, as a driver on another processor would.
 */
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "iommu_driver.h"
#include "util/relax.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define PACKED	  (1ull << VIRTIO_F_RING_PACKED)
#define IN_ORDER  (1ull << VIRTIO_F_IN_ORDER)
#define SIZE	  256
#define PLACES	  128 /* requests in flight at most; 128 bytes for each */
#define REQUESTS  0x100000
#define REPLIES	  0x110000
#define DOMAIN	  1
#define PAGE	  0x1000ull
#define NO_END	  20 /* seconds: nobody has seen the request */

/* How long the device waits for the next request before it wants kicks, and at most we, in us. */
#define WAIT 20

/* Pairs of MAP and UNMAP with random pauses. LKVM_POLL_PAIRS=5000000 is 10^7 requests. */
#define PAIRS 20000

struct polled {
	struct rig rig;
	cpu_set_t processors; /* as they were when we came */
	bool event_idx;
	struct vring_desc *desc;
	u16 *avail, *used; /* flags, idx, ring */
	u16 idx;
	/* The same of a packed ring, with the driver's and the device's events. */
	bool packed;
	struct vring_packed_desc *packed_desc;
	u32 *driver_event, *device_event;
	u16 used_idx; /* requests that came back */
	atomic_bool enough;
	u64 kicks;
	u32 random;
};

/* ---- a driver that obeys ---- */

static void *at(struct polled *p, gpa_t gpa, u64 len)
{
	void *host = memory_host(p->rig.vm->memory, gpa, len);

	assert_non_null(host);
	return host;
}

/* Of a packed ring: two descriptors for each request, and a round is PLACES requests. */
static bool wrap_of(u16 idx)
{
	return !(idx / PLACES & 1);
}

static u16 packed_flags(u16 idx, bool available)
{
	return wrap_of(idx) == available ? 1 << VRING_PACKED_DESC_F_AVAIL
					 : 1 << VRING_PACKED_DESC_F_USED;
}

static bool packed_kick_is_wanted(const struct polled *p, u16 added)
{
	const u32 event = __atomic_load_n(p->device_event, __ATOMIC_RELAXED);
	const u16 next = 2 * (p->idx % PLACES);
	u16 at = event & 0x7fff;

	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (wrap_of(p->idx) != (event >> VRING_PACKED_EVENT_F_WRAP_CTR & 1))
		at -= SIZE;
	return (u16)(next - at - 1) < (u16)(2 * added);
}

static bool kick_is_wanted(const struct polled *p, u16 added)
{
	u16 event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (p->packed)
		return packed_kick_is_wanted(p, added);
	if (!p->event_idx)
		return !(__atomic_load_n(&p->used[0], __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
	event = __atomic_load_n(&p->used[2 + 4 * SIZE], __ATOMIC_RELAXED);
	return (u16)(p->idx - event - 1) < added;
}

static void kick(struct polled *p)
{
	wire_reg_write(p->rig.vm, 0, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

/* Its flags may be looked at: it is not available before it is shown. */
static void lay_out_packed(struct polled *p, u16 idx, gpa_t where, u32 size, gpa_t reply)
{
	struct vring_packed_desc *desc = &p->packed_desc[2 * (idx % PLACES)];

	desc[1] = (struct vring_packed_desc){ reply, 4, idx % PLACES,
					      VRING_DESC_F_WRITE | packed_flags(idx, true) };
	desc[0].addr = where;
	desc[0].len = size;
	desc[0].id = idx % PLACES;
}

/* Lay the request out in the next place, without showing it. */
static void lay_out(struct polled *p, unsigned n, const void *request, u32 size)
{
	const u16 place = (p->idx + n) % PLACES;
	const gpa_t where = REQUESTS + 128 * place, reply = REPLIES + 128 * place;

	memcpy(at(p, where, size), request, size);
	memset(at(p, reply, 4), 0xee, 4);
	if (p->packed) {
		lay_out_packed(p, p->idx + n, where, size, reply);
		return;
	}
	p->desc[2 * place] = (struct vring_desc){ where, size, VRING_DESC_F_NEXT, 2 * place + 1 };
	p->desc[2 * place + 1] = (struct vring_desc){ reply, 4, VRING_DESC_F_WRITE, 0 };
	p->avail[2 + (u16)(p->idx + n) % SIZE] = 2 * place;
}

static void show(struct polled *p, u16 count)
{
	for (u16 i = 0; p->packed && i < count; i++, p->idx++)
		__atomic_store_n(&p->packed_desc[2 * (p->idx % PLACES)].flags,
				 VRING_DESC_F_NEXT | packed_flags(p->idx, true), __ATOMIC_RELEASE);
	if (p->packed)
		return;
	p->idx += count;
	__atomic_store_n(&p->avail[1], p->idx, __ATOMIC_RELEASE);
}

static void offer(struct polled *p, u16 count)
{
	show(p, count);
	if (!kick_is_wanted(p, count))
		return;
	p->kicks++;
	kick(p);
}

/* One used descriptor may give back more than one: those before the one that it names. */
static bool packed_is_answered(struct polled *p)
{
	const u16 both = 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;

	while (p->used_idx != p->idx) {
		const struct vring_packed_desc *desc = &p->packed_desc[2 * (p->used_idx % PLACES)];
		const u16 flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);

		if ((flags & both) != (wrap_of(p->used_idx) ? both : 0))
			return false;
		p->used_idx += (u16)(desc->id - p->used_idx) % PLACES + 1;
	}
	return true;
}

static bool is_answered(struct polled *p)
{
	if (p->packed)
		return packed_is_answered(p);
	return __atomic_load_n(&p->used[1], __ATOMIC_ACQUIRE) == p->idx;
}

static bool answered_within(struct polled *p, unsigned ms)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (unsigned i = 0; i < 100; i++) {
			if (is_answered(p))
				return true;
			cpu_relax();
		}
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
		 (s64)ms);
	return false;
}

/* The status of the request that was the @nth before the last. */
static u8 status(struct polled *p, unsigned nth)
{
	return *(u8 *)at(p, REPLIES + 128 * ((u16)(p->idx - 1 - nth) % PLACES), 1);
}

static void lay_out_map(struct polled *p, unsigned n, u64 page)
{
	const struct virtio_iommu_req_map request = {
		.head.type = VIRTIO_IOMMU_T_MAP,
		.domain = htole32(DOMAIN),
		.virt_start = htole64(page * PAGE),
		.virt_end = htole64(page * PAGE + PAGE - 1),
		.phys_start = htole64(PAGE),
		.flags = htole32(READ_WRITE),
	};

	lay_out(p, n, &request, offsetof(struct virtio_iommu_req_map, tail));
}

static void lay_out_unmap(struct polled *p, unsigned n, u64 page)
{
	const struct virtio_iommu_req_unmap request = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = htole32(DOMAIN),
		.virt_start = htole64(page * PAGE),
		.virt_end = htole64(page * PAGE + PAGE - 1),
	};

	lay_out(p, n, &request, offsetof(struct virtio_iommu_req_unmap, tail));
}

static void attach(struct polled *p)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = htole32(DOMAIN),
		.endpoint = htole32(ENDPOINT_A),
	};

	lay_out(p, 0, &request, offsetof(struct virtio_iommu_req_attach, tail));
	offer(p, 1);
	assert_true(answered_within(p, NO_END * 1000));
	assert_int_equal(status(p, 0), VIRTIO_IOMMU_S_OK);
}

static void meet_device(struct polled *p)
{
	p->desc = at(p, p->rig.requests.desc, SIZE * sizeof(p->desc[0]));
	p->avail = at(p, p->rig.requests.avail, 6 + 2 * SIZE);
	p->used = at(p, p->rig.requests.used, 6 + 8 * SIZE);
	p->idx = p->used_idx = 0;
	p->packed = wire_is_packed(&p->rig.requests);
	p->packed_desc = (struct vring_packed_desc *)p->desc;
	p->driver_event = (u32 *)p->avail;
	p->device_event = (u32 *)p->used;
	if (p->packed)
		*p->driver_event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;
	else
		p->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	attach(p);
}

/* Returns its number. */
static int stay_on_one_processor(void)
{
	const int cpu = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return cpu;
}

/* 0: there is none. */
static pid_t find_poller(void)
{
	glob_t tasks;
	pid_t found = 0;

	assert_int_equal(glob("/proc/self/task/[0-9]*", 0, NULL, &tasks), 0);
	for (size_t i = 0; i < tasks.gl_pathc; i++) {
		char path[64], name[16] = "";
		FILE *file;

		snprintf(path, sizeof(path), "%s/comm", tasks.gl_pathv[i]);
		file = fopen(path, "r");
		if (file && fgets(name, sizeof(name), file) && !strcmp(name, "poller\n"))
			found = strtol(strrchr(tasks.gl_pathv[i], '/') + 1, NULL, 10);
		if (file)
			fclose(file);
	}
	globfree(&tasks);
	return found;
}

/*
 * The driver on one processor and the thread that polls on the others, where they run at once: a
 * busy host would have them on the same one in turns for most of the time.
 */
static void part_from_poller(const cpu_set_t *all)
{
	const pid_t poller = find_poller();
	cpu_set_t others = *all;

	if (!poller || CPU_COUNT(all) < 2)
		return;
	CPU_CLR(stay_on_one_processor(), &others);
	assert_int_equal(sched_setaffinity(poller, sizeof(others), &others), 0);
}

static void create(struct polled *p, enum virtio_poll_mode mode, u64 poll_us, u64 features)
{
	const struct viommu_config config = {
		.address_bits = 40,
		.poll = mode,
		.poll_us = poll_us,
	};

	memset(p, 0, sizeof(*p));
	p->random = 1;
	assert_int_equal(sched_getaffinity(0, sizeof(p->processors), &p->processors), 0);
	p->event_idx = features & EVENT_IDX;
	rig_create(&p->rig, &config);
	rig_start(&p->rig, FEATURE(MAP_UNMAP) | features);
	meet_device(p);
	part_from_poller(&p->processors);
}

static void destroy(struct polled *p)
{
	rig_destroy(&p->rig);
	assert_int_equal(sched_setaffinity(0, sizeof(p->processors), &p->processors), 0);
}

static struct virtio_poll counters(const struct polled *p)
{
	struct virtio_poll poll;

	vm_lock(p->rig.vm);
	poll = rig_counters(&p->rig).poll;
	vm_unlock(p->rig.vm);
	return poll;
}

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
		lay_out_map(p, 2 * n, n);
		lay_out_unmap(p, 2 * n + 1, n);
	}
	offer(p, 2 * count);
	assert_true(answered_within(p, NO_END * 1000));
	for (u16 n = 0; n < 2 * count; n++)
		assert_int_equal(status(p, n), VIRTIO_IOMMU_S_OK);
}

/* One MAP and UNMAP, one after the other. */
static void send_pair(struct polled *p)
{
	lay_out_map(p, 0, p->idx);
	offer(p, 1);
	assert_true(answered_within(p, NO_END * 1000));
	assert_int_equal(status(p, 0), VIRTIO_IOMMU_S_OK);
	lay_out_unmap(p, 0, (u16)(p->idx - 1));
	offer(p, 1);
	assert_true(answered_within(p, NO_END * 1000));
	assert_int_equal(status(p, 0), VIRTIO_IOMMU_S_OK);
}

/* Until polling has begun: the thread has to wake first, and may have to wait for a processor. */
static void begin_polling(struct polled *p)
{
	u64 found = counters(p).found;

	for (unsigned i = 0; i < NO_END * 1000 && counters(p).found == found; i++) {
		for (unsigned n = 0; n < 20 && counters(p).found == found; n++)
			send_pair(p);
		sched_yield();
	}
	assert_true(counters(p).found > found);
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
	create(&p, VIRTIO_POLL_ON, WAIT, features);
	/* Both ways, changing often: again where the thread that polls was hardly ever run. */
	for (unsigned i = 0; i < 20 && (p.kicks <= 10 || poll.sessions <= 10); i++) {
		race(&p);
		poll = counters(&p);
	}
	print_message("%llu kicks, polling began %llu times and found %llu\n",
		      (unsigned long long)p.kicks, (unsigned long long)poll.sessions,
		      (unsigned long long)poll.found);
	assert_true(p.kicks > 10 && poll.sessions > 10);
	destroy(&p);
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
	create(&p, VIRTIO_POLL_ON, 10000, features);
	begin_polling(&p);
	sessions = counters(&p).sessions;
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
	assert_true(kicks <= 2 * (counters(&p).sessions - sessions) + 2);
	destroy(&p);
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

	lay_out_map(p, 0, 7);
	offer(p, 1);
	assert_true(answered_within(p, NO_END * 1000));
	vm_lock(p->rig.vm);
	dma_hold(p->rig.a, &hold);
	vm_unlock(p->rig.vm);
	lay_out_unmap(p, 0, 7);
	lay_out_map(p, 1, 8);
	offer(p, 2);
	for (unsigned i = 0; i < NO_END * 1000 && !is_waiting(p); i++)
		sleep_us(100);
	sleep_us(200);
	vm_lock(p->rig.vm);
	dma_drop(p->rig.a, &hold);
	vm_unlock(p->rig.vm);
	for (unsigned i = 0; i < 4; i++)
		loop_poll(p->rig.vm->loop, 0);
	assert_true(answered_within(p, NO_END * 1000));
}

/* The next one, without a kick. False: it was not found before polling ended. */
static bool next_is_found(struct polled *p)
{
	bool found = false;

	lay_out_unmap(p, 0, 8);
	show(p, 1);
	if (kick_is_wanted(p, 1))
		kick(p);
	else
		found = true;
	assert_true(answered_within(p, NO_END * 1000));
	return found && *p->device_event >> 16 == VRING_PACKED_EVENT_FLAG_DISABLE;
}

/* Those that are skipped in order leave no trace in the ring where they were. */
TEST(requests_behind_one_that_waited_are_found)
{
	struct polled p;
	bool found = false;

	need_processors();
	create(&p, VIRTIO_POLL_ON, 10000, PACKED | EVENT_IDX | IN_ORDER);
	/* Again where polling ended because the thread was not run for 10 ms. */
	for (unsigned i = 0; i < 100 && !found; i++) {
		begin_polling(&p);
		let_one_wait(&p);
		found = next_is_found(&p);
	}
	assert_true(found);
	destroy(&p);
}

/* LKVM_POLL_QUIET=600: tenths of a second to look. */
TEST(a_quiet_queue_burns_no_processor_time)
{
	const char *wanted = getenv("LKVM_POLL_QUIET");
	const unsigned tenths = wanted ? strtoul(wanted, NULL, 0) : 3;
	struct polled p;
	u64 before;

	need_processors();
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	/* It asks for kicks when it gives up. */
	for (unsigned i = 0; i < 10000 && !kick_is_wanted(&p, 1); i++)
		sleep_us(1000);
	assert_true(kick_is_wanted(&p, 1));
	before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < tenths; i++)
		sleep_us(100000);
	assert_true(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000);
	send_pair(&p);
	destroy(&p);
}

TEST(rare_requests_are_not_polled_for)
{
	struct polled p;

	create(&p, VIRTIO_POLL_AUTO, 1, 0);
	for (unsigned i = 0; i < 100; i++) {
		sleep_us(20);
		send_pair(&p);
		sleep_us(20);
	}
	/* MAP and UNMAP themselves may be near each other, but no more than these two. */
	assert_int_equal(counters(&p).sessions, 0);
	destroy(&p);
}

TEST(dense_requests_are_polled_for_if_processors_are_to_spare)
{
	struct polled p;
	struct virtio_poll poll = { 0 };

	need_processors();
	create(&p, VIRTIO_POLL_AUTO, 10000, 0);
	for (unsigned i = 0; i < NO_END * 1000 && !poll.found && !poll.crowded; i++) {
		for (unsigned n = 0; n < 20; n++)
			send_pair(&p);
		poll = counters(&p);
		sched_yield();
	}
	assert_true(poll.found || poll.crowded);
	destroy(&p);
}

TEST(with_one_processor_nothing_is_polled)
{
	struct polled p;
	cpu_set_t old;

	assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
	stay_on_one_processor();
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned i = 0; i < 200; i++)
		send_pair(&p);
	for (unsigned i = 0; i < NO_END * 1000 && !counters(&p).crowded; i++)
		sleep_us(1000);
	assert_int_equal(counters(&p).sessions, 0);
	assert_int_equal(counters(&p).found, 0);
	/* It was asked, and not at each kick. */
	assert_in_range(counters(&p).crowded, 1, 10);
	destroy(&p);
	assert_int_equal(sched_setaffinity(0, sizeof(old), &old), 0);
}

/* ---- what ends it ---- */

TEST(a_paused_machine_is_not_polled)
{
	struct polled p;

	need_processors();
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned round = 0; round < 20; round++) {
		begin_polling(&p);
		vm_lock(p.rig.vm);
		vm_pause(p.rig.vm, VM_PAUSE_USER, NULL);
		assert_true(vm_is_paused(p.rig.vm));
		vm_unlock(p.rig.vm);
		lay_out_map(&p, 0, p.idx);
		show(&p, 1);
		assert_false(answered_within(&p, 5));
		vm_lock(p.rig.vm);
		vm_resume(p.rig.vm, VM_PAUSE_USER);
		vm_unlock(p.rig.vm);
		/* Nobody kicks: the loop looks at all queues. */
		for (unsigned i = 0; i < 5000 && !is_answered(&p); i++)
			loop_poll(p.rig.vm->loop, 1);
		assert_true(is_answered(&p));
		assert_int_equal(status(&p, 0), VIRTIO_IOMMU_S_OK);
		lay_out_unmap(&p, 0, (u16)(p.idx - 1));
		offer(&p, 1);
		assert_true(answered_within(&p, NO_END * 1000));
	}
	destroy(&p);
}

TEST(nobody_looks_at_the_rings_when_a_reset_is_over)
{
	struct polled p;

	need_processors();
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	for (unsigned round = 0; round < 20; round++) {
		begin_polling(&p);
		wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_STATUS, 0);
		/* Ours again, with no care for others: ThreadSanitizer sees who looks. */
		memset(p.avail, round, 6 + 2 * SIZE);
		memset(p.used, round, 6 + 8 * SIZE);
		sleep_us(1000);
		assert_int_equal(p.used[1], round * 0x101);
		rig_restart(&p.rig, FEATURE(MAP_UNMAP));
		meet_device(&p);
	}
	destroy(&p);
}

TEST(a_queue_that_is_stopped_is_not_polled)
{
	struct polled p;

	need_processors();
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	memset(p.avail, 0, 6 + 2 * SIZE);
	memset(p.used, 0, 6 + 8 * SIZE);
	memset(p.desc, 0, SIZE * sizeof(p.desc[0]));
	p.avail[1] = 1;
	p.packed_desc[0].flags = p.packed ? packed_flags(0, true) : 0;
	sleep_us(1000);
	assert_int_equal(p.used[1], 0);
	assert_int_equal(p.packed_desc[0].flags, p.packed ? packed_flags(0, true) : 0);
	/* It begins at the start of its rings, and with kicks. */
	p.packed_desc[0].flags = 0;
	p.avail[1] = 0;
	p.idx = p.used_idx = 0;
	wire_reg_write(p.rig.vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_true(kick_is_wanted(&p, 1));
	for (unsigned i = 0; i < 100; i++)
		send_pair(&p);
	destroy(&p);
}

TEST(a_machine_may_end_while_it_polls)
{
	need_processors();
	for (unsigned round = 0; round < 20; round++) {
		struct polled p;

		create(&p, VIRTIO_POLL_ON, 10000, round % 2 ? EVENT_IDX : 0);
		begin_polling(&p);
		destroy(&p);
	}
}

/* The index jumps further than the queue is long, or an indirect table is in a list. */
static void break_ring(struct polled *p)
{
	if (p->packed)
		__atomic_store_n(&p->packed_desc[2 * (p->idx % PLACES)].flags,
				 VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT |
					 packed_flags(p->idx, true),
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
	create(&p, VIRTIO_POLL_ON, 10000, 0);
	begin_polling(&p);
	break_ring(&p);
	for (unsigned i = 0; i < 1000 && !wire_needs_reset(p.rig.vm, 0); i++) {
		kick(&p);
		sleep_us(1000);
	}
	assert_true(wire_needs_reset(p.rig.vm, 0));
	sleep_us(50000);
	before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	sleep_us(200000);
	assert_true(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000);
	rig_restart(&p.rig, FEATURE(MAP_UNMAP));
	meet_device(&p);
	begin_polling(&p);
	destroy(&p);
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
		lay_out_map(p, 0, 0);
		lay_out_unmap(p, 1, 0);
		offer(p, 2);
		if (!answered_within(p, NO_END * 1000))
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
	create(&p, VIRTIO_POLL_ON, 10000, 0);
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
	destroy(&p);
}
