/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that sends any request in any shape, devices that hold memory for as long as
 * they like, and hosts that fail: against the model. While the driver only asks (whatever
 * it asks), every answer, every translation and every host's table must be the model's.
 * Once it has broken the ring's rules, or a host has refused to undo a change, the model no
 * longer follows, until the next reset: then only what is always true is looked at.
 */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guard.h"
#include "play.h"
#include "shim.h"

/* ---- everything else that a driver, a device, or a host can do ---- */

static void send_chain(struct play *play, struct input *in)
{
	unsigned count = 1 + input_below(in, 4);

	play->lost = true;
	for (unsigned i = 0; i < count; i++)
		wire_set_desc(&play->rig.requests, i, input_u8(in) & 1 ? take_gpa(in) : REQUESTS,
			      input_u8(in) & 7 ? input_u8(in) : input_u32(in), input_u8(in) & 7,
			      input_below(in, 5));
	wire_publish(&play->rig.requests, input_below(in, 4));
	wire_kick(&play->rig.requests);
}

static void write_register(struct play *play, struct input *in)
{
	u32 offset = input_below(in, 0x40) * 4;

	play->lost = true;
	wire_reg_write(play->rig.vm, 0, offset, input_u32(in));
}

static void drain_events(struct play *play)
{
	const u32 known = VIRTIO_IOMMU_FAULT_F_READ | VIRTIO_IOMMU_FAULT_F_WRITE |
			  VIRTIO_IOMMU_FAULT_F_ADDRESS;
	static const u8 zeros[8];
	struct virtio_iommu_fault event;
	u16 head;
	u32 len;

	while (wire_has_used(&play->rig.events) && wire_used(&play->rig.events, &head, &len)) {
		fuzz_check(play->events--);
		fuzz_check(!len || len == sizeof(event));
		wire_read(play->rig.vm, RIG_EVENTS + play->event_at[head % EVENTS] * 64, &event,
			  sizeof(event));
		if (!len)
			continue;
		fuzz_check(model_endpoint(&play->model, le32_to_cpu(event.endpoint)));
		fuzz_check(event.reason == VIRTIO_IOMMU_FAULT_R_DOMAIN ||
			   event.reason == VIRTIO_IOMMU_FAULT_R_MAPPING);
		fuzz_check(!(le32_to_cpu(event.flags) & ~known));
		fuzz_check(!memcmp(&event.reserved, zeros, sizeof(event.reserved)));
		fuzz_check(!memcmp(&event.reserved2, zeros, sizeof(event.reserved2)));
	}
}

static void offer_event(struct play *play, struct input *in)
{
	struct wire_queue *events = &play->rig.events;
	struct wire_segment segment = {
		RIG_EVENTS + play->next_event * 64,
		input_u8(in) % 65,
		true,
	};

	if (play->lost)
		return;
	drain_events(play);
	if (play->events == EVENTS)
		return;
	play->events++;
	play->event_at[wire_add(events, &segment, 1) % EVENTS] = play->next_event;
	play->next_event = (play->next_event + 1) % EVENTS;
	wire_kick(events);
}

static void offer_bad_event(struct play *play, struct input *in)
{
	struct wire_segment segment = { take_gpa(in), input_u32(in), input_u8(in) & 1 };

	play->lost = true;
	wire_add(&play->rig.events, &segment, 1);
	wire_kick(&play->rig.events);
}

static void take_hold(struct play *play, struct input *in)
{
	struct held *held = &play->holds[input_below(in, HOLDS)];

	held->segment.iova = held->live ? held->segment.iova : take_iova(in);
	if (held->live)
		return;
	held->segment.len = input_u8(in) & 3 ? input_u16(in) : input_u32(in);
	held->endpoint = input_below(in, MODEL_ENDPOINTS);
	/* Nobody holds what it was not given just before. */
	if (!reach(play, held->endpoint, held->segment.iova, DMA_READ) &&
	    !reach(play, held->endpoint, held->segment.iova, DMA_WRITE))
		return;
	held->hold = (struct dma_hold){ .segments = &held->segment, .count = 1 };
	held->live = true;
	dma_hold(play->spaces[held->endpoint], &held->hold);
}

static void drop_hold(struct play *play, struct held *held)
{
	if (!held->live)
		return;
	held->live = false;
	dma_drop(play->spaces[held->endpoint], &held->hold);
}

/* A reset serves the loop until nobody holds what is lost. */
static void drop_next(struct loop_source *source, u32 events)
{
	struct play *play = container_of(source, struct play, let_go);
	unsigned i = 0;

	while (i < HOLDS - 1 && !play->holds[i].live)
		i++;
	drop_hold(play, &play->holds[i]);
}

static void drop_some(struct play *play, struct input *in)
{
	drop_hold(play, &play->holds[input_below(in, HOLDS)]);
}

static void drop_all(struct play *play, struct input *in)
{
	for (unsigned i = 0; i < HOLDS; i++) {
		drop_hold(play, &play->holds[i]);
		harvest(play);
	}
}

static void upset_host(struct play *play, struct input *in)
{
	static const int errors[] = { -ENOSPC, -ENOMEM, -EIO, -EINVAL };
	struct mirror *mirror = &play->mirrors[input_below(in, MIRRORS)];
	unsigned nth = 1 + input_below(in, 8);

	if (play->pending_count)
		return;
	mirror_fail(mirror, nth, errors[input_below(in, ARRAY_SIZE(errors))]);
	mirror->fail_on = input_u8(in) >= 0xc0;
}

static void fill_host(struct play *play, struct input *in)
{
	unsigned n = input_below(in, MIRRORS);
	u64 room = input_below(in, MODEL_MAPPINGS);

	if (play->pending_count)
		return;
	play->mirrors[n].room = room;
	play->model.endpoints[2 + n].room = room ? room : MIRROR_MAX;
}

static void fail_allocation(struct play *play, struct input *in)
{
	play->fail_in = 1 + input_below(in, 4);
}

static void write_config(struct play *play, struct input *in)
{
	u32 offset = input_u8(in) & 3 ? 36 : input_below(in, 64);
	unsigned len = input_u8(in) & 3 ? 1 : 1 + input_below(in, 4);
	u32 value = input_u8(in) & 3;
	bool has = play->features >> VIRTIO_IOMMU_F_BYPASS_CONFIG & 1;

	if (play->pending_count)
		return;
	wire_config_write(play->rig.vm, 0, offset, value, len);
	count_failures(play);
	/* No request caused it: the device needs a reset. */
	play->lost |= play->failures > 0;
	if (has && offset == 36 && len == 1 && value <= 1)
		play->model.bypass = value;
	fuzz_check(play->lost || wire_config_read(play->rig.vm, 0, 36, 1) == play->model.bypass);
}

static void send_msi(struct play *play, struct input *in)
{
	unsigned n = input_below(in, MODEL_ENDPOINTS);
	iova_t address = take_iova(in);
	unsigned before = wire_msis(NULL);
	int ret = rig_signal_msi(play->spaces[n], address, 1, 2);
	struct msi_message msi;
	gpa_t gpa;

	fuzz_check(wire_msis(&msi) == before + !ret);
	if (play->lost || play->pending_count)
		return;
	fuzz_check(!ret == model_doorbell(&play->model, &play->model.endpoints[n], address, &gpa));
	fuzz_check(ret || msi.address == gpa);
}

/* Buffers over several mappings: as many bytes as asked for, each where the model has it. */
static void map_iov(struct play *play, struct input *in)
{
	enum dma_access access = input_u8(in) & 1 ? DMA_READ : DMA_WRITE;
	unsigned n = input_below(in, MODEL_ENDPOINTS);
	iova_t iova = take_iova(in);
	u64 len = input_u16(in);
	struct iovec iov[32];
	int count = dma_map_iov(play->spaces[n], iova, len, access, iov, ARRAY_SIZE(iov));

	for (int i = 0; i < count; i++) {
		if (!play->lost && !play->pending_count) {
			check_reach(play, n, iova, access);
			fuzz_check(reach(play, n, iova, access) == iov[i].iov_base);
		}
		fuzz_check(iov[i].iov_len && iov[i].iov_len <= len);
		len -= iov[i].iov_len;
		iova += iov[i].iov_len;
	}
	fuzz_check(count < 0 || !len);
}

static void check_all(struct play *play, struct input *in)
{
	if (!play->lost && !play->pending_count)
		check_whole(play);
}

/* ---- coming up ---- */

static u64 take_features(struct play *play, struct input *in)
{
	u64 without = input_u8(in) < 0xc0 ? 0 : input_u8(in);

	/* Of the device's own and of the transport's some are left out. */
	without |= (u64)(input_u8(in) & 3) << VIRTIO_RING_F_INDIRECT_DESC;
	return play->offered & ~without;
}

/* What the driver reads, it believes. */
static void learn(struct play *play)
{
	struct vm *vm = play->rig.vm;
	u64 mask = wire_config_read(vm, 0, 0, 4) | (u64)wire_config_read(vm, 0, 4, 4) << 32;
	struct model *model = &play->model;

	model->features = play->features;
	model->granule = mask & -mask;
	model->aperture.start = wire_config_read(vm, 0, 8, 4) | (u64)wire_config_read(vm, 0, 12, 4)
									<< 32;
	model->aperture.last = wire_config_read(vm, 0, 16, 4) | (u64)wire_config_read(vm, 0, 20, 4)
									<< 32;
	model->probe_size = wire_config_read(vm, 0, 32, 4);
	model->bypass = wire_config_read(vm, 0, 36, 1);
	model_reset(model);
	play->lost = false;
	play->pending_count = play->failures = play->excused = play->events = 0;
}

static void restart(struct play *play, struct input *in)
{
	disarm(play);
	alloc_failed();
	play->features = take_features(play, in);
	rig_restart(&play->rig, play->features);
	learn(play);
	check_whole(play);
}

/* One queue alone; what it had under way is forgotten, whatever became of it. */
static void reset_queue(struct play *play, struct input *in)
{
	bool by_ready = input_u8(in) & 1;

	if (wire_needs_reset(play->rig.vm, 0) || play->lost)
		return;
	play->lost |= play->pending_count > 0;
	wire_reg_write(play->rig.vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(play->rig.vm, 0, by_ready ? VIRTIO_MMIO_QUEUE_READY : 0x0c0, !by_ready);
	if (wire_reg_read(play->rig.vm, 0, VIRTIO_MMIO_QUEUE_READY))
		return;
	wire_queue_init(&play->rig.requests, play->rig.vm, 0, 0, 256, 0x10000);
	play->pending_count = 0;
}

static void create(struct play *play, struct input *in)
{
	u8 how = input_u8(in);
	struct viommu_config config = {
		.bypass = how & 1,
		.msi_map = how & 2,
		.max_mappings = 1 + input_below(in, MODEL_MAPPINGS),
		.address_bits = how & 4	  ? 40
				: how & 8 ? 33
					  : 0,
	};
	struct model *model = &play->model;

	memset(play, 0, sizeof(*play));
	rig_create(&play->rig, &config);
	guard_raise(play->rig.vm->memory);
	play->let_go = (struct loop_source){ eventfd(1, EFD_NONBLOCK), 0, drop_next };
	fuzz_check(!loop_add(play->rig.vm->loop, &play->let_go));
	play->spaces[0] = play->rig.a;
	play->spaces[1] = play->rig.b;
	model->endpoints[0] = (struct model_endpoint){ .id = ENDPOINT_A, .room = UINT64_MAX };
	model->endpoints[1] = (struct model_endpoint){ .id = ENDPOINT_B, .room = UINT64_MAX };
	model->endpoints[0].has_window = !config.msi_map;
	for (unsigned i = 0; i < MIRRORS; i++) {
		mirror_init(&play->mirrors[i]);
		play->spaces[2 + i] = rig_add_mirror(&play->rig, MIRROR_ID(i), &play->mirrors[i]);
		model->endpoints[2 + i] = (struct model_endpoint){ .id = MIRROR_ID(i),
								   .room = MIRROR_MAX };
	}
	model->window = (struct range){ DOORBELL, DOORBELL_LAST };
	model->max_mappings = config.max_mappings;
	model->last_gpa = config.address_bits ? (1ull << config.address_bits) - 1 : UINT64_MAX;
	/* All that is offered, at first; what a restart leaves out, the input says. */
	rig_start(&play->rig, ALL_FEATURES);
	play->offered = wire_features(play->rig.vm, 0);
	restart(play, in);
}

static void step(struct play *play, struct input *in)
{
	static void (*const steps[])(struct play *, struct input *) = {
		send_attach,	send_attach, send_attach,     send_detach,  send_map,
		send_map,	send_map,    send_map,	      send_map,	    send_unmap,
		send_unmap,	send_unmap,  send_probe,      send_bytes,   send_chain,
		write_register, offer_event, offer_bad_event, take_hold,    take_hold,
		drop_some,	drop_some,   drop_all,	      upset_host,   upset_host,
		fill_host,	restart,     fail_allocation, write_config, send_msi,
		map_iov,	reset_queue, check_all,	      settle,	    settle,
		settle,
	};

	alloc_fail(play->fail_in);
	play->fail_in = 0;
	fuzz_check(!loop_modify(play->rig.vm->loop, &play->let_go, EPOLLIN));
	steps[input_below(in, ARRAY_SIZE(steps))](play, in);
	fuzz_check(!loop_modify(play->rig.vm->loop, &play->let_go, 0));
	loop_poll(play->rig.vm->loop, 0);
	harvest(play);
	check_step(play);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	static struct play play;

	create(&play, &in);
	while (in.left)
		step(&play, &in);
	drop_all(&play, &in);
	wire_kick(&play.rig.requests);
	harvest(&play);
	/* All that was asked is answered, once nobody holds anything. */
	fuzz_check(play.lost || !play.pending_count);
	check_all(&play, &in);
	loop_remove(play.rig.vm->loop, &play.let_go);
	close(play.let_go.fd);
	rig_destroy(&play.rig);
	return 0;
}
