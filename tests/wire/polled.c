/* SPDX-License-Identifier: BSD-2-Clause */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_mmio.h>

#include "cmocka_all.h"
#include "polled.h"
#include "util/relax.h"

#define REQUESTS 0x100000 /* 128 bytes for each */
#define REPLIES	 0x110000
#define DOMAIN	 1

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

u16 polled_packed_flags(u16 idx, bool available)
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

bool polled_kick_is_wanted(const struct polled *p, u16 added)
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

void polled_kick(struct polled *p)
{
	wire_reg_write(p->rig.vm, 0, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

/* Its flags may be looked at: it is not available before it is shown. */
static void lay_out_packed(struct polled *p, u16 idx, gpa_t where, u32 size, gpa_t reply)
{
	struct vring_packed_desc *desc = &p->packed_desc[2 * (idx % PLACES)];

	desc[1] = (struct vring_packed_desc){ reply, 4, idx % PLACES,
					      VRING_DESC_F_WRITE | polled_packed_flags(idx, true) };
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

void polled_show(struct polled *p, u16 count)
{
	for (u16 i = 0; p->packed && i < count; i++, p->idx++)
		__atomic_store_n(&p->packed_desc[2 * (p->idx % PLACES)].flags,
				 VRING_DESC_F_NEXT | polled_packed_flags(p->idx, true),
				 __ATOMIC_RELEASE);
	if (p->packed)
		return;
	p->idx += count;
	__atomic_store_n(&p->avail[1], p->idx, __ATOMIC_RELEASE);
}

void polled_offer(struct polled *p, u16 count)
{
	polled_show(p, count);
	if (!polled_kick_is_wanted(p, count))
		return;
	p->kicks++;
	polled_kick(p);
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

bool polled_is_answered(struct polled *p)
{
	if (p->packed)
		return packed_is_answered(p);
	return __atomic_load_n(&p->used[1], __ATOMIC_ACQUIRE) == p->idx;
}

bool polled_answered_within(struct polled *p, unsigned ms)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (unsigned i = 0; i < 100; i++) {
			if (polled_is_answered(p))
				return true;
			cpu_relax();
		}
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
		 (s64)ms);
	return false;
}

u8 polled_status(struct polled *p, unsigned nth)
{
	return *(u8 *)at(p, REPLIES + 128 * ((u16)(p->idx - 1 - nth) % PLACES), 1);
}

void polled_lay_out_map(struct polled *p, unsigned n, u64 page)
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

void polled_lay_out_unmap(struct polled *p, unsigned n, u64 page)
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
	polled_offer(p, 1);
	assert_true(polled_answered_within(p, NO_END * 1000));
	assert_int_equal(polled_status(p, 0), VIRTIO_IOMMU_S_OK);
}

void polled_meet_device(struct polled *p)
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

int polled_stay_on_one_processor(void)
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
	CPU_CLR(polled_stay_on_one_processor(), &others);
	assert_int_equal(sched_setaffinity(poller, sizeof(others), &others), 0);
}

void polled_create(struct polled *p, enum virtio_poll_mode mode, u64 poll_us, u64 features)
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
	polled_meet_device(p);
	part_from_poller(&p->processors);
}

void polled_destroy(struct polled *p)
{
	rig_destroy(&p->rig);
	assert_int_equal(sched_setaffinity(0, sizeof(p->processors), &p->processors), 0);
}

struct virtio_poll polled_counters(const struct polled *p)
{
	struct virtio_poll poll;

	vm_lock(p->rig.vm);
	poll = rig_counters(&p->rig).poll;
	vm_unlock(p->rig.vm);
	return poll;
}
