/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-vsock between a driver that lies and programs of the host's. A model follows each
 * connection: what comes out at one end is what went in at the other, in order and nothing else,
 * and neither side is sent more than it has room for. Nothing may crash, hang, leak or touch a byte
 * that is not RAM.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "guard.h"
#include "input.h"
#include "shim.h"
#include "virtio/mmio.h"
#include "wire.h"
#include "../../virtio/vsock_private.h"

#define CID	    9
#define QUEUES	    3
#define RINGS	    0x10000
#define BUFFERS	    0x80000 /* of the guest's, for packets */
#define BUFFER	    0x2000
#define COUNT	    16
#define DATA	    0x180000
#define CONNECTIONS 8  /* that the device has */
#define MODELS	    16 /* that are followed; guest's ports are their numbers */
#define HOST_PORT   52
#define CREDIT	    0x10000u

/* One connection, by the guest's port. */
struct model {
	bool alive;
	bool open;	  /* both sides know it */
	bool dead_host;	  /* the host's end is closed */
	bool guest_quiet; /* the guest has said that it sends no more */
	u16 type;
	u32 host_port;
	int fd;		      /* the host's end; -1: none */
	u32 given, read;      /* bytes of the guest's: accepted, and read by the host */
	u32 written, got;     /* bytes of the host's: written, and received by the guest */
	u32 alloc, forwarded; /* as the device was told */
	u32 told;	      /* forwarded, as the guest was told */
};

static struct stage {
	struct vm *vm;
	struct wire_queue queues[QUEUES];
	struct model models[MODELS];
	struct sockaddr_un addresses[2];
	socklen_t address_len[2];
	bool up, seqpacket;
	bool tampered; /* rings were written to: what comes by them means nothing */
	u32 offered;
	bool refuse_dials;
} stage;

static u8 byte_at(u32 position, bool from_guest)
{
	return position * 13 + (position >> 8) + from_guest;
}

static void end_model(struct model *model)
{
	if (model->fd >= 0)
		close(model->fd);
	*model = (struct model){ .fd = -1 };
}

static void end_models(void)
{
	for (unsigned i = 0; i < MODELS; i++)
		end_model(&stage.models[i]);
}

/* ---- in the place of vsock_dial.c: the host answers at once, or refuses ---- */

int vsock_dial_create(struct vsock *vsock)
{
	return 0;
}

bool vsock_dial_destroy(struct vsock *vsock)
{
	fuzz_check(!vsock->count);
	return true;
}

int vsock_dial(struct vsock_connection *connection)
{
	int type = connection->type == VIRTIO_VSOCK_TYPE_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
	struct model *model;
	int fds[2];

	if (stage.refuse_dials || connection->guest_port >= MODELS)
		return -ECONNREFUSED;
	model = &stage.models[connection->guest_port];
	if (model->alive)
		return -ECONNREFUSED;
	fuzz_check(!socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	*model = (struct model){ .alive = true,
				 .fd = fds[0],
				 .type = connection->type,
				 .host_port = connection->host_port,
				 .alloc = connection->guest_alloc,
				 .forwarded = connection->guest_forwarded };
	vsock_host_dialed(connection, fds[1]);
	return 0;
}

/* ---- the guest ---- */

static void offer(unsigned count)
{
	while (count--) {
		struct wire_segment segment = { BUFFERS + stage.offered++ % COUNT * BUFFER, BUFFER,
						true };

		wire_add(&stage.queues[VSOCK_RX], &segment, 1);
	}
	wire_kick(&stage.queues[VSOCK_RX]);
}

static void bring_up(struct input *in)
{
	u64 features = input_u8(in) & 7;

	wire_reg_write(stage.vm, 0, VIRTIO_MMIO_STATUS, 0);
	end_models();
	stage.up = stage.tampered = false;
	if (!wire_negotiate(stage.vm, 0, features))
		return;
	stage.seqpacket = features & 2;
	for (unsigned i = 0; i < QUEUES; i++)
		wire_queue_init(&stage.queues[i], stage.vm, 0, i, 16, RINGS + i * 0x10000);
	wire_driver_ok(stage.vm, 0);
	stage.up = true;
	stage.offered = 0;
	offer(COUNT);
}

static struct model *model_of(const struct virtio_vsock_hdr *header)
{
	u32 port = le32_to_cpu(header->dst_port);
	struct model *model = port < MODELS ? &stage.models[port] : NULL;

	return model && model->alive && model->host_port == le32_to_cpu(header->src_port) &&
			       model->type == le16_to_cpu(header->type)
		       ? model
		       : NULL;
}

static void judge_data(struct model *model, gpa_t at, u32 len)
{
	u8 data[BUFFER];

	/* Of one that is not followed any more, as there was nonsense about it. */
	if (!model)
		return;
	fuzz_check(model->open && len && len <= model->written - model->got);
	wire_read(stage.vm, at, data, len);
	for (u32 i = 0; i < len; i++)
		fuzz_check(data[i] == byte_at(model->got + i, false));
	model->got += len;
	fuzz_check(model->got - model->forwarded <= model->alloc);
}

static void judge_packet(gpa_t at, u32 used)
{
	struct virtio_vsock_hdr header;
	struct model *model;
	u32 len, port;

	/* Without a packet. */
	if (!used)
		return;
	fuzz_check(used >= sizeof(header) && used <= BUFFER);
	wire_read(stage.vm, at, &header, sizeof(header));
	len = le32_to_cpu(header.len);
	fuzz_check(used == sizeof(header) + len && le64_to_cpu(header.dst_cid) == CID);
	port = le32_to_cpu(header.dst_port);
	model = model_of(&header);
	if (model && le16_to_cpu(header.op) != VIRTIO_VSOCK_OP_RST) {
		u32 forwarded = le32_to_cpu(header.fwd_cnt);

		fuzz_check(le64_to_cpu(header.src_cid) == VSOCK_HOST_CID);
		fuzz_check(le32_to_cpu(header.buf_alloc) == CREDIT);
		fuzz_check(forwarded >= model->told && forwarded <= model->given);
		model->told = forwarded;
	}
	switch (le16_to_cpu(header.op)) {
	case VIRTIO_VSOCK_OP_RST:
		/* One of a connection's, or an answer to nonsense about it. */
		fuzz_check(!len);
		break;
	case VIRTIO_VSOCK_OP_REQUEST:
		/* A program may have said another port than its own, or has gone again. */
		fuzz_check(!len);
		if (port < MODELS && stage.models[port].alive && !stage.models[port].host_port)
			stage.models[port].host_port = le32_to_cpu(header.src_port);
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		fuzz_check(!len && model);
		model->open = true;
		break;
	case VIRTIO_VSOCK_OP_RW:
		judge_data(model, at + sizeof(header), len);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		fuzz_check(!len && le32_to_cpu(header.flags) && le32_to_cpu(header.flags) <= 3);
		break;
	default:
		fuzz_check(!len && (le16_to_cpu(header.op) == VIRTIO_VSOCK_OP_CREDIT_UPDATE ||
				    le16_to_cpu(header.op) == VIRTIO_VSOCK_OP_CREDIT_REQUEST));
	}
}

static void settle(void)
{
	while (loop_poll(stage.vm->loop, 0) > 0)
		;
	while (stage.up && !stage.tampered && wire_has_used(&stage.queues[VSOCK_RX])) {
		gpa_t at = BUFFERS + stage.queues[VSOCK_RX].last_used % COUNT * BUFFER;
		u32 used;

		if (!wire_used(&stage.queues[VSOCK_RX], NULL, &used))
			return;
		judge_packet(at, used);
		offer(1);
		while (loop_poll(stage.vm->loop, 0) > 0)
			;
	}
	while (stage.up && !stage.tampered && wire_has_used(&stage.queues[VSOCK_TX]))
		wire_used(&stage.queues[VSOCK_TX], NULL, NULL);
}

static void send_header(const struct virtio_vsock_hdr *header, u32 payload)
{
	struct wire_segment segments[] = { { DATA, sizeof(*header), false },
					   { DATA + sizeof(*header), payload, false } };

	if (!stage.up)
		return;
	wire_write(stage.vm, DATA, header, sizeof(*header));
	wire_add(&stage.queues[VSOCK_TX], segments, payload ? 2 : 1);
	wire_kick(&stage.queues[VSOCK_TX]);
	settle();
}

static struct virtio_vsock_hdr header_of(const struct model *model, u16 op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = cpu_to_le64(CID),
		.dst_cid = cpu_to_le64(VSOCK_HOST_CID),
		.src_port = cpu_to_le32(model - stage.models),
		.dst_port = cpu_to_le32(model->host_port),
		.type = cpu_to_le16(model->type),
		.op = cpu_to_le16(op),
		.buf_alloc = cpu_to_le32(model->alloc),
		.fwd_cnt = cpu_to_le32(model->forwarded),
	};
}

static struct model *take_model(struct input *in)
{
	return &stage.models[input_below(in, MODELS)];
}

static void request(struct input *in)
{
	struct model *model = take_model(in);
	struct model asked = { .type = input_u8(in) & 1 ? 1 : 2,
			       .host_port = HOST_PORT,
			       .alloc = input_u16(in) };
	struct virtio_vsock_hdr header = header_of(&asked, VIRTIO_VSOCK_OP_REQUEST);

	header.src_port = cpu_to_le32(model - stage.models);
	stage.refuse_dials = input_u8(in) == 0xff;
	send_header(&header, 0);
}

static void answer(struct input *in)
{
	struct model *model = take_model(in);
	struct virtio_vsock_hdr header;

	if (!model->alive || model->open || model->host_port == HOST_PORT || !model->host_port)
		return;
	model->alloc = input_u16(in);
	model->open = true;
	header = header_of(model, VIRTIO_VSOCK_OP_RESPONSE);
	send_header(&header, 0);
}

/* Data that is right: within credit, as the guest knows it. */
static void give_data(struct input *in)
{
	struct model *model = take_model(in);
	u32 len = input_u16(in) % 9000;
	struct virtio_vsock_hdr header;
	static u8 data[9000];

	if (!model->open || model->guest_quiet || model->given - model->told + len > CREDIT)
		return;
	for (u32 i = 0; i < len; i++)
		data[i] = byte_at(model->given + i, true);
	header = header_of(model, VIRTIO_VSOCK_OP_RW);
	header.len = cpu_to_le32(len);
	header.flags = cpu_to_le32(input_u8(in) & 3);
	if (len)
		wire_write(stage.vm, DATA + sizeof(header), data, len);
	model->given += len;
	send_header(&header, len);
}

static void give_credit(struct input *in)
{
	struct model *model = take_model(in);
	struct virtio_vsock_hdr header;
	u32 more = 64 * input_u8(in);

	if (!model->open)
		return;
	model->alloc = input_u16(in);
	model->forwarded += MIN(model->got - model->forwarded, more);
	header = header_of(model, input_u8(in) & 1 ? VIRTIO_VSOCK_OP_CREDIT_UPDATE
						   : VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	send_header(&header, 0);
}

static void shut(struct input *in)
{
	struct model *model = take_model(in);
	struct virtio_vsock_hdr header;

	if (!model->open)
		return;
	header = header_of(model, VIRTIO_VSOCK_OP_SHUTDOWN);
	header.flags = cpu_to_le32(input_u8(in) & 3);
	model->guest_quiet |= le32_to_cpu(header.flags) & 2;
	send_header(&header, 0);
}

static void forget_model(struct input *in)
{
	struct model *model = take_model(in);
	struct virtio_vsock_hdr header = header_of(model, VIRTIO_VSOCK_OP_RST);

	if (!model->alive)
		return;
	send_header(&header, 0);
	end_model(model);
}

/* Anything: the models that it may be about are followed no more. */
static void nonsense(struct input *in)
{
	struct virtio_vsock_hdr header;
	struct model *model = take_model(in);
	u8 what = input_u8(in);
	u32 payload = input_u16(in) % 0x4000;

	input_bytes(in, &header, sizeof(header));
	if (what & 1)
		header.src_cid = cpu_to_le64(CID);
	if (what & 2)
		header.dst_cid = cpu_to_le64(VSOCK_HOST_CID);
	if (what & 4)
		header.op = cpu_to_le16(le16_to_cpu(header.op) % 10);
	if (what & 8)
		header.type = cpu_to_le16(le16_to_cpu(header.type) % 4);
	if (what & 16) {
		header.src_port = cpu_to_le32(model - stage.models);
		header.dst_port = cpu_to_le32(model->host_port);
	}
	if (what & 32)
		header.len = cpu_to_le32(payload);
	if (le32_to_cpu(header.src_port) < MODELS)
		end_model(&stage.models[le32_to_cpu(header.src_port)]);
	send_header(&header, payload);
}

static void tamper(struct input *in)
{
	struct wire_queue *queue = &stage.queues[input_below(in, QUEUES)];
	struct wire_segment segments[2] = { { input_u32(in), input_u16(in), input_u8(in) & 1 },
					    { WIRE_HIGH + WIRE_RAM - 20, input_u8(in), true } };

	if (!stage.up)
		return;
	stage.tampered = true;
	end_models();
	if (input_u8(in) & 1)
		wire_add(queue, segments, 2);
	else
		wire_publish(queue, input_u8(in));
	wire_kick(queue);
}

static void write_register(struct input *in)
{
	stage.tampered = true;
	end_models();
	wire_reg_write(stage.vm, 0, input_below(in, 0x40) * 4, input_u32(in));
}

static void pause_a_while(struct input *in)
{
	u8 turns = input_u8(in) & 3;

	vm_lock(stage.vm);
	vm_pause(stage.vm, VM_PAUSE_USER, NULL);
	vm_unlock(stage.vm);
	while (turns--)
		loop_poll(stage.vm->loop, 0);
	vm_lock(stage.vm);
	vm_resume(stage.vm, VM_PAUSE_USER);
	vm_unlock(stage.vm);
}

/* ---- the host ---- */

static void host_writes(struct input *in)
{
	struct model *model = take_model(in);
	u32 len = input_u16(in) % 9000;
	static u8 data[9000];
	ssize_t wrote;

	if (!model->open || model->fd < 0)
		return;
	for (u32 i = 0; i < len; i++)
		data[i] = byte_at(model->written + i, false);
	/* The device drops a connection whose message the guest can never hold. */
	wrote = send(model->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	model->written += MAX(wrote, 0);
}

static void host_reads(struct input *in)
{
	struct model *model = take_model(in);
	size_t most = 1 + input_u16(in);
	static u8 data[0x10001];
	ssize_t got;

	if (!model->alive || model->fd < 0 || !model->open || model->host_port != HOST_PORT)
		return;
	if (model->type == VIRTIO_VSOCK_TYPE_SEQPACKET)
		most = sizeof(data);
	got = recv(model->fd, data, most, MSG_DONTWAIT);
	for (ssize_t i = 0; i < got; i++)
		fuzz_check(data[i] == byte_at(model->read + i, true));
	model->read += MAX(got, 0);
	fuzz_check(model->read <= model->given);
}

static void host_ends(struct input *in)
{
	struct model *model = take_model(in);
	u8 how = input_u8(in) & 3;

	if (!model->alive || model->fd < 0)
		return;
	if (how < 3) {
		shutdown(model->fd, how);
		return;
	}
	close(model->fd);
	model->fd = -1;
}

static void host_connects(struct input *in)
{
	unsigned which = input_u8(in) & 1;
	u8 port = input_below(in, MODELS), how = input_u8(in);
	struct model *model = &stage.models[port];
	char line[40];
	int fd, len;

	if (model->alive)
		return;
	fd = socket(AF_UNIX, (which ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	fuzz_check(fd >= 0);
	if (connect(fd, (struct sockaddr *)&stage.addresses[which], stage.address_len[which])) {
		close(fd);
		return;
	}
	len = snprintf(line, sizeof(line), "CONNECT %u\n", port);
	if (how == 0xff)
		input_bytes(in, line, len);
	*model = (struct model){ .alive = true, .fd = fd, .type = which ? 2 : 1 };
	if (send(fd, line, (size_t)MIN(len, how >> 2), MSG_NOSIGNAL) < 0)
		return;
}

/* ---- the stage ---- */

static void step(struct input *in)
{
	static void (*const steps[])(struct input *) = {
		request,   answer,	  give_data,	give_data,   give_credit,
		shut,	   nonsense,	  forget_model, host_writes, host_reads,
		host_ends, host_connects, give_credit,	host_writes, host_reads,
		request,   pause_a_while, tamper,	bring_up,    write_register,
	};

	steps[input_below(in, ARRAY_SIZE(steps))](in);
	settle();
}

static int listener(unsigned which)
{
	int fd = socket(AF_UNIX,
			(which ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	fuzz_check(fd >= 0);
	/* A name that the kernel chooses, in no file system. */
	fuzz_check(!bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path)));
	fuzz_check(!listen(fd, 64));
	stage.address_len[which] = sizeof(stage.addresses[which]);
	fuzz_check(!getsockname(fd, (struct sockaddr *)&stage.addresses[which],
				&stage.address_len[which]));
	return fd;
}

static void stage_create(struct input *in)
{
	struct virtio_vsock_options options = { .cid = CID,
						.connections = CONNECTIONS,
						.path = "unused" };
	struct virtio_device *device;
	struct device_resource slot;

	stage = (struct stage){ .vm = wire_create() };
	guard_raise(stage.vm->memory);
	for (unsigned i = 0; i < MODELS; i++)
		stage.models[i].fd = -1;
	options.stream_fd = listener(0);
	options.seqpacket_fd = listener(1);
	fuzz_check(
		!virtio_vsock_create(&device, &options, stage.vm->loop, &stage.vm->identity.space));
	wire_slot(0, &slot);
	fuzz_check(!virtio_mmio_create(stage.vm, device, &slot, DEVICE_NO_ENDPOINT, false));
	for (unsigned i = 0; i < QUEUES; i++) {
		stage.queues[i].vm = stage.vm;
		stage.queues[i].index = i;
	}
	bring_up(in);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };

	stage_create(&in);
	while (in.left)
		step(&in);
	wire_destroy(stage.vm);
	end_models();
	return 0;
}
