/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/virtio_ring.h>

#include "play.h"
#include "shim.h"

/* ---- values ---- */

iova_t take_iova(struct input *in)
{
	u64 page = input_u8(in) % 32 * 4096ull;

	switch (input_below(in, 16)) {
	case 0:
		return -4096ull - page;
	case 1:
		return DOORBELL - 0x10000 + page;
	case 2:
		return DOORBELL_LAST - 0xffff + page;
	case 3:
		return page + input_u16(in);
	case 4:
		return input_u64(in);
	case 5:
		return (1ull << 40) - 0x10000 + page;
	default:
		return page;
	}
}

static iova_t take_last(struct input *in, iova_t start)
{
	u8 how = input_u8(in);

	switch (how % 8) {
	case 0:
		return input_u64(in);
	case 1:
		return UINT64_MAX;
	case 2:
		return start + input_u16(in);
	default:
		return start + (1 + how / 8) * 4096ull - 1;
	}
}

gpa_t take_gpa(struct input *in)
{
	u64 page = input_u8(in) * 4096ull;

	switch (input_below(in, 8)) {
	case 0:
		return input_u64(in);
	case 1:
		return WIRE_HIGH + page;
	case 2:
		return WIRE_RAM - 0x10000 + page;
	case 3:
		return DOORBELL;
	default:
		return page;
	}
}

static u32 take_domain(struct input *in)
{
	static const u32 odd[] = { 0, 0x7fffffff, 0x80000000, UINT32_MAX };
	u8 how = input_u8(in);

	return how < 240 ? 1 + how % 3 : odd[how % 4];
}

static u32 take_endpoint(struct play *play, struct input *in)
{
	u8 how = input_u8(in);

	if (how < 240)
		return play->model.endpoints[how % MODEL_ENDPOINTS].id;
	return how < 250 ? NO_ENDPOINT : input_u32(in);
}

/* ---- requests ---- */

/* @bytes at @address in pieces of @piece bytes. */
static unsigned cut(struct wire_segment *segments, gpa_t address, u32 bytes, u32 piece,
		    bool writable)
{
	unsigned count = 0;

	while (bytes) {
		u32 len = MIN(bytes, piece);

		segments[count++] = (struct wire_segment){ address, len, writable };
		address += len;
		bytes -= len;
	}
	return count;
}

/* In one piece, in bytes through an indirect table, or something between. */
static u16 add_request(struct play *play, struct input *in, const struct model_request *request)
{
	struct wire_segment segments[128];
	u8 how = input_u8(in);
	bool indirect = how & 1 && play->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	u32 piece = indirect ? 1 + how / 8 : MODEL_REQUEST;
	unsigned count;

	if (!indirect && how & 2)
		piece = 24 + how / 8;
	count = cut(segments, REQUESTS + play->slot * 0x100, request->size, piece, false);
	count += cut(segments + count, REPLIES + play->slot * 0x1000, request->room,
		     request->room <= 16 && indirect ? piece : request->room / 4 + 1, true);
	if (!count)
		segments[count++] = (struct wire_segment){ REQUESTS, 0, false };
	if (!indirect)
		return wire_add(&play->rig.requests, segments, count);
	fuzz_check(count <= 128);
	return wire_add_indirect(&play->rig.requests, segments, count, TABLES + play->slot * 0x800);
}

static void send(struct play *play, struct input *in, const struct model_request *request)
{
	struct pending *pending = &play->pending[play->pending_count];
	struct vm *vm = play->rig.vm;

	if (play->pending_count == PENDING) {
		if (!play->lost)
			return;
		play->pending_count = 0;
		pending = play->pending;
	}
	wire_write(vm, REQUESTS + play->slot * 0x100, request->bytes, sizeof(request->bytes));
	wire_fill(vm, REPLIES + play->slot * 0x1000, 0xee, 0x1000);
	*pending = (struct pending){ *request, play->slot, add_request(play, in, request) };
	play->pending_count++;
	play->slot = (play->slot + 1) % PENDING;
	if (input_u8(in) % 8)
		wire_kick(&play->rig.requests);
}

/* Of @size bytes as the type has it, or nearly. */
static void send_typed(struct play *play, struct input *in, const void *bytes, u32 size, u32 room)
{
	struct model_request request = { .size = size, .room = room };
	u8 spoil = input_u8(in);

	memcpy(request.bytes, bytes, size);
	if (spoil >= 0xf0)
		request.bytes[input_below(in, size)] ^= input_u8(in);
	if (spoil == 0xe0)
		request.size = input_below(in, sizeof(request.bytes) + 1);
	if (spoil == 0xe1)
		request.room = input_below(in, 16);
	send(play, in, &request);
}

void send_attach(struct play *play, struct input *in)
{
	struct virtio_iommu_req_attach attach = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = cpu_to_le32(take_domain(in)),
		.endpoint = cpu_to_le32(take_endpoint(play, in)),
	};
	u8 flags = input_u8(in);

	attach.flags = cpu_to_le32(flags >= 0xe0 ? flags & 3 : 0);
	send_typed(play, in, &attach, offsetof(struct virtio_iommu_req_attach, tail), 4);
}

void send_detach(struct play *play, struct input *in)
{
	struct virtio_iommu_req_detach detach = {
		.head.type = VIRTIO_IOMMU_T_DETACH,
		.domain = cpu_to_le32(take_domain(in)),
		.endpoint = cpu_to_le32(take_endpoint(play, in)),
	};

	send_typed(play, in, &detach, offsetof(struct virtio_iommu_req_detach, tail), 4);
}

void send_map(struct play *play, struct input *in)
{
	iova_t start = take_iova(in);
	u8 flags = input_u8(in);
	struct virtio_iommu_req_map map = {
		.head.type = VIRTIO_IOMMU_T_MAP,
		.domain = cpu_to_le32(take_domain(in)),
		.virt_start = cpu_to_le64(start),
		.virt_end = cpu_to_le64(take_last(in, start)),
		.phys_start = cpu_to_le64(take_gpa(in)),
		.flags = cpu_to_le32(flags >= 0xf0 ? flags : flags & 7),
	};

	play->last_iova = start;
	send_typed(play, in, &map, offsetof(struct virtio_iommu_req_map, tail), 4);
}

void send_unmap(struct play *play, struct input *in)
{
	iova_t start = take_iova(in);
	struct virtio_iommu_req_unmap unmap = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = cpu_to_le32(take_domain(in)),
		.virt_start = cpu_to_le64(start),
		.virt_end = cpu_to_le64(take_last(in, start)),
	};

	play->last_iova = start;
	send_typed(play, in, &unmap, offsetof(struct virtio_iommu_req_unmap, tail), 4);
}

void send_probe(struct play *play, struct input *in)
{
	struct virtio_iommu_req_probe probe = {
		.head.type = VIRTIO_IOMMU_T_PROBE,
		.endpoint = cpu_to_le32(take_endpoint(play, in)),
	};
	u8 more = input_u8(in);
	u32 room = play->model.probe_size + 4;

	room = more & 1 ? room + more / 2 : more & 2 ? more / 4 : room;
	send_typed(play, in, &probe, offsetof(struct virtio_iommu_req_probe, properties),
		   MIN(room, 4096));
}

void send_bytes(struct play *play, struct input *in)
{
	struct model_request request = {
		.size = input_below(in, sizeof(request.bytes) + 1),
		.room = input_u8(in),
	};

	input_bytes(in, request.bytes, request.size);
	request.bytes[0] &= 7;
	send(play, in, &request);
}

void settle(struct play *play, struct input *in)
{
	u8 members = input_u8(in), pages = input_u8(in) % 8;
	le32 domain = cpu_to_le32(1 + members / 16 % 3);
	u64 first = input_below(in, 32);
	struct input plain = { 0 };

	for (unsigned i = 0; i < MODEL_ENDPOINTS; i++) {
		struct virtio_iommu_req_attach attach = {
			.head.type = VIRTIO_IOMMU_T_ATTACH,
			.domain = domain,
			.endpoint = cpu_to_le32(play->model.endpoints[i].id),
		};

		if (members >> i & 1)
			send_typed(play, &plain, &attach,
				   offsetof(struct virtio_iommu_req_attach, tail), 4);
	}
	for (u64 page = first; page < first + pages; page++) {
		struct virtio_iommu_req_map map = {
			.head.type = VIRTIO_IOMMU_T_MAP,
			.domain = domain,
			.virt_start = cpu_to_le64(page * 4096),
			.virt_end = cpu_to_le64(page * 4096 + 4095),
			.phys_start = cpu_to_le64((page ^ first) * 4096),
			.flags = cpu_to_le32(READ_WRITE),
		};

		send_typed(play, &plain, &map, offsetof(struct virtio_iommu_req_map, tail), 4);
	}
	wire_kick(&play->rig.requests);
}
