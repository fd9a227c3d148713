/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays the init of a one-shot run and its command (oneshot/protocol.h) without Linux. What it does
 * is in the command line, behind "do=", a letter for each step:
 *
 *   o e   a line to standard output, to standard error
 *   c     all of standard input to standard output
 *   f     LINES lines of PIECE bytes to standard output, each with its number
 *   y     lines to standard output until nobody wants more
 *   s     wait for a signal, and end with its number as the status; d: and take no notice of it
 *   i     what is typed to standard output, until it is a 'q'
 *   z     wait for the terminal's size, and say it: 80x25, and a line feed
 *   0-9   the command ends with this status; k: signal 9 killed it
 *   N F   it cannot be run; init cannot go on
 *   C     say that the command ended with status 0, and switch off without the end of its output
 *   x     a message that means nothing
 *   w     go on for ever; q: switch off without a word more
 *   p t   say that the kernel panicked, and wait; a triple fault
 *   O K M the same words as p, of an oops, of an init that died, of no memory, and a reset
 *   r     a reset; j: run on where no memory is; h: spin with interrupts off, for ever
 *   L     first of all: when the command has ended, do not switch off
 *   B     the same as w, before anything is said to the host; R: a reset there
 *   D     have the watchdog of the PCI bus bite, without a word
 *   W     the words of a warning and an oops on the console
 *   G     words on the console that mean something to terminals, to GitHub, to JSON and to XML
 */
#include <linux/virtio_vsock.h>

#include "../../include/oneshot/protocol.h"
#include "memory.h"
#include "virtio.h"

#define VIRTIO_VSOCK	19
#define RX		0
#define TX		1
#define RINGS(n)	(0x800000UL + (n)*0x10000)
#define BUFFERS		0x900000UL /* VIRTIO_SIZE of a page */
#define PACKETS		0x980000UL
#define INPUT		0xa00000UL /* what of standard input waits, a ring */
#define ROOM		0x10000u   /* of it, and of each of our buffers */
#define PIECE		4000
#define LINES		500
#define WATCHDOG_ID	0x25ab8086
#define WATCHDOG_RELOAD 0xc
#define NO_MEMORY	0xfe800000UL
#define PORT_OF(n)	(1000 + (n))

struct stream {
	u32 sent, peer_room, peer_took; /* to the host */
	u32 received, took;		/* from it */
	u8 is_open, is_over, is_reset;
};

static struct stream streams[ONESHOT_CHANNELS];
static struct oneshot_message heard;
static u32 heard_len;
static u32 heard_signal, heard_window; /* values; 0: none */
static u8 heard_bye, lingers;
static u64 slot;
static u16 sent, seen;

/* ---- the device ---- */

static volatile u16 *used(u32 queue)
{
	return (volatile u16 *)(RINGS(queue) + 0x2000);
}

static void offer(u32 queue, u16 n, u64 address, u32 len, u16 flags)
{
	volatile u64 *descriptor = (volatile u64 *)RINGS(queue);
	volatile u16 *avail = (volatile u16 *)(RINGS(queue) + 0x1000);
	u16 at = n % VIRTIO_SIZE;

	descriptor[2 * at] = address;
	descriptor[2 * at + 1] = len | (u64)flags << 32;
	avail[2 + at] = at;
	avail[1] = n + 1;
	write32(slot + 0x50, queue);
}

static void start(void)
{
	virtio_negotiate(slot, 0);
	for (u32 queue = 0; queue < 3; queue++)
		virtio_set_queue(slot, queue, VIRTIO_SIZE, RINGS(queue));
	virtio_go(slot);
	for (u16 i = 0; i < VIRTIO_SIZE; i++)
		offer(RX, i, BUFFERS + i * 0x1000, 0x1000, VIRTIO_WRITABLE);
}

static void send(u32 channel, u16 op, u32 flags, const void *data, u32 len)
{
	struct virtio_vsock_hdr *header = (struct virtio_vsock_hdr *)(PACKETS +
								      sent % VIRTIO_SIZE * 0x2000);
	struct stream *stream = &streams[channel];

	while ((u16)(sent - used(TX)[1]) == VIRTIO_SIZE)
		asm volatile("pause" : : : "memory");
	*header = (struct virtio_vsock_hdr){
		.src_cid = read32(slot + 0x100),
		.dst_cid = 2,
		.src_port = PORT_OF(channel),
		.dst_port = ONESHOT_PORT + channel,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = ROOM,
		.fwd_cnt = stream->took,
	};
	memcpy(header + 1, data, len);
	stream->sent += len;
	offer(TX, sent++, (u64)header, sizeof(*header) + len, 0);
}

/* ---- what comes ---- */

static void take_message(const u8 *data, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		((u8 *)&heard)[heard_len++] = data[i];
		if (heard_len < sizeof(heard))
			continue;
		heard_len = 0;
		if (heard.type == ONESHOT_SIGNAL)
			heard_signal = heard.value;
		else if (heard.type == ONESHOT_WINDOW)
			heard_window = heard.value;
		else if (heard.type == ONESHOT_BYE)
			heard_bye = 1;
	}
}

static void take_data(u32 channel, const u8 *data, u32 len)
{
	struct stream *stream = &streams[channel];
	u32 at = stream->received % ROOM, first = at + len > ROOM ? ROOM - at : len;

	if (channel == ONESHOT_STDIN) {
		memcpy((u8 *)INPUT + at, data, first);
		memcpy((u8 *)INPUT, data + first, len - first);
		stream->received += len;
		return;
	}
	if (channel == ONESHOT_CONTROL)
		take_message(data, len);
	stream->took += len;
	send(channel, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, "", 0);
}

static void take_packet(const struct virtio_vsock_hdr *header)
{
	u32 channel = header->src_port - ONESHOT_PORT;
	struct stream *stream = &streams[channel];

	if (channel >= ONESHOT_CHANNELS)
		return;
	stream->peer_room = header->buf_alloc;
	stream->peer_took = header->fwd_cnt;
	if (header->op == VIRTIO_VSOCK_OP_RESPONSE)
		stream->is_open = 1;
	else if (header->op == VIRTIO_VSOCK_OP_RW)
		take_data(channel, (const u8 *)(header + 1), header->len);
	else if (header->op == VIRTIO_VSOCK_OP_SHUTDOWN)
		stream->is_over = 1, stream->is_reset |= header->flags == 3;
	else if (header->op == VIRTIO_VSOCK_OP_RST)
		stream->is_over = stream->is_reset = 1;
	else if (header->op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
		send(channel, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, "", 0);
}

static void poll(void)
{
	if (used(RX)[1] == seen) {
		asm volatile("pause" : : : "memory");
		return;
	}
	take_packet((const void *)(BUFFERS + seen % VIRTIO_SIZE * 0x1000));
	offer(RX, VIRTIO_SIZE + seen, BUFFERS + seen % VIRTIO_SIZE * 0x1000, 0x1000,
	      VIRTIO_WRITABLE);
	seen++;
}

/* ---- what init does ---- */

static void connect(u32 channel)
{
	send(channel, VIRTIO_VSOCK_OP_REQUEST, 0, "", 0);
	while (!streams[channel].is_open && !streams[channel].is_reset)
		poll();
}

/* Whether the host takes it. */
static int write(u32 channel, const char *data, u32 len)
{
	struct stream *stream = &streams[channel];

	while (!stream->is_reset && stream->peer_room - (stream->sent - stream->peer_took) < len)
		poll();
	if (!stream->is_reset)
		send(channel, VIRTIO_VSOCK_OP_RW, 0, data, len);
	return !stream->is_reset;
}

static void tell(u32 type, u32 value, const char *text)
{
	struct oneshot_message message = { .type = type, .value = value };

	for (u32 i = 0; text[i]; i++)
		message.text[i] = text[i];
	write(ONESHOT_CONTROL, (const char *)&message, sizeof(message));
}

/* The output ends, and the command has: wait for the host's last word. */
static void end(u32 type, u32 value, const char *text)
{
	send(ONESHOT_STDOUT, VIRTIO_VSOCK_OP_SHUTDOWN, 3, "", 0);
	send(ONESHOT_STDERR, VIRTIO_VSOCK_OP_SHUTDOWN, 3, "", 0);
	tell(type, value, text);
	while (!heard_bye || lingers)
		poll();
}

static void copy_input(void)
{
	struct stream *stream = &streams[ONESHOT_STDIN];

	while (!stream->is_over || stream->took != stream->received) {
		u32 at = stream->took % ROOM, len = stream->received - stream->took;

		len = len < PIECE ? len : PIECE;
		len = at + len > ROOM ? ROOM - at : len;
		if (len) {
			write(ONESHOT_STDOUT, (const char *)INPUT + at, len);
			stream->took += len;
			send(ONESHOT_STDIN, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, "", 0);
		}
		poll();
	}
}

static void echo_input(void)
{
	struct stream *stream = &streams[ONESHOT_STDIN];
	char key = 0;

	while (key != 'q') {
		while (stream->took == stream->received)
			poll();
		key = ((const char *)INPUT)[stream->took++ % ROOM];
		write(ONESHOT_STDOUT, &key, 1);
		send(ONESHOT_STDIN, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, "", 0);
	}
}

static u32 put_number(char *to, u32 value)
{
	u32 len = value >= 10 ? put_number(to, value / 10) : 0;

	to[len] = '0' + value % 10;
	return len + 1;
}

static void say_window(void)
{
	char text[16];
	u32 len;

	while (!heard_window)
		poll();
	len = put_number(text, ONESHOT_WINDOW_COLUMNS(heard_window));
	text[len++] = 'x';
	len += put_number(text + len, ONESHOT_WINDOW_ROWS(heard_window));
	text[len++] = '\n';
	heard_window = 0;
	write(ONESHOT_STDOUT, text, len);
}

/* One line, of which the first eight characters are the number @n. */
static int write_line(u32 n)
{
	static char line[PIECE];

	for (u32 i = 0; !line[PIECE - 1] && i < PIECE - 1; i++)
		line[i] = '.';
	line[PIECE - 1] = '\n';
	for (u32 i = 0; i < 8; i++)
		line[i] = "0123456789abcdef"[n >> 4 * (7 - i) & 15];
	return write(ONESHOT_STDOUT, line, PIECE);
}

static void say_panic(const char *words)
{
	put("Kernel panic - not syncing: ");
	put(words);
	put("\n");
	outb(PORT_PVPANIC, 1);
}

static void panic(void)
{
	say_panic("a test");
	halt();
}

static void reset(void)
{
	outb(PORT_RESET, 6);
	halt();
}

static void run_nowhere(void)
{
	asm volatile("jmp *%0" : : "r"(NO_MEMORY));
}

static u32 config_register(u32 function, u32 offset)
{
	outl(PORT_CONFIG_ADDRESS, 0x80000000u | function << 11 | offset);
	return inl(PORT_CONFIG_DATA);
}

static void set_config(u32 function, u32 offset, u32 value)
{
	outl(PORT_CONFIG_ADDRESS, 0x80000000u | function << 11 | offset);
	outl(PORT_CONFIG_DATA, value);
}

/* Intel 6300ESB: each of its registers is opened by two writes. */
static void set_watchdog(u64 registers, u32 at, u32 value)
{
	write32(registers + WATCHDOG_RELOAD, 0x80);
	write32(registers + WATCHDOG_RELOAD, 0x86);
	write32(registers + at, value);
}

static void start_watchdog(void)
{
	u32 function = 0;

	while (function < 31 && config_register(function, 0) != WATCHDOG_ID)
		function++;
	set_config(function, 4, 2); /* its memory is decoded */
	set_watchdog(config_register(function, 0x10), 0, 100);
	set_watchdog(config_register(function, 0x10), 4, 100);
	set_config(function, 0x60, 3); /* the first count ends without an interrupt */
	set_config(function, 0x68, 2); /* it runs */
	for (;;)
		asm volatile("pause");
}

static void say_hostile_words(void)
{
	put("::error::mine\n  ::set-env name=A::b\n##[add-mask]c\n::endgroup::\n");
	put("\x1b]0;title\a\xff\xfe\"quoted\\\" %0A <b>&amp;]]>\n");
	put("Kernel panic - not syncing: ::error::<x>&\"\x01%\n");
}

static void triple_fault(void)
{
	static const struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) none;

	asm volatile("lidt %0; ud2" : : "m"(none));
}

static void do_step(char step)
{
	switch (step) {
	case 'o':
		write(ONESHOT_STDOUT, "o\n", 2);
		return;
	case 'e':
		write(ONESHOT_STDERR, "e\n", 2);
		return;
	case 'c':
		copy_input();
		return;
	case 'f':
		for (u32 i = 0; i < LINES; i++)
			write_line(i);
		return;
	case 'y':
		for (u32 i = 0; write_line(i); i++)
			;
		return;
	case 's':
		put("waits\n");
		while (!heard_signal)
			poll();
		end(ONESHOT_EXITED, heard_signal, "");
		return;
	case 'd':
		put("waits\n");
		for (;;)
			poll();
	case 'i':
		echo_input();
		return;
	case 'z':
		say_window();
		return;
	case 'k':
		end(ONESHOT_KILLED, 9, "");
		return;
	case 'C':
		tell(ONESHOT_EXITED, 0, "");
		return;
	case 'x':
		tell(77, 77, "");
		return;
	case 'w':
		for (;;)
			poll();
	case 'p':
		panic();
		return;
	case 'O':
		put("Oops: 0002 [#1] PREEMPT SMP NOPTI\n");
		say_panic("Fatal exception");
		reset();
		return;
	case 'K':
		say_panic("Attempted to kill init! exitcode=0x00000100");
		reset();
		return;
	case 'M':
		say_panic("Out of memory: system-wide panic_on_oom is enabled");
		reset();
		return;
	case 'D':
		start_watchdog();
		return;
	case 'W':
		put("WARNING: CPU: 0 PID: 1 at a/test.c:1\nBUG: of a test\n");
		return;
	case 'G':
		say_hostile_words();
		return;
	case 'r':
		reset();
		return;
	case 'j':
		run_nowhere();
		return;
	case 'h':
		for (;;)
			asm volatile("pause");
	case 't':
		triple_fault();
		return;
	}
	if (step >= '0' && step <= '9')
		end(ONESHOT_EXITED, step - '0', "");
}

static const char *find_steps(const char *text)
{
	for (; *text; text++) {
		if (text[0] == 'd' && text[1] == 'o' && text[2] == '=')
			return text + 3;
	}
	return text;
}

void guest_main(const u8 *boot_params)
{
	const char *steps = find_steps((const char *)(u64) * (const u32 *)(boot_params + 0x228));

	lingers = *steps == 'L';
	steps += lingers;
	while (*steps == 'B')
		asm volatile("pause");
	if (*steps == 'R')
		reset();
	slot = virtio_find(VIRTIO_VSOCK);
	if (!slot) {
		put("no vsock\n");
		return;
	}
	start();
	for (u32 i = 1; i <= ONESHOT_CHANNELS; i++)
		connect(i % ONESHOT_CHANNELS);
	tell(ONESHOT_READY, ONESHOT_VERSION, "");
	if (*steps == 'F') {
		end(ONESHOT_FAILED, 19, "no root");
		return;
	}
	if (*steps == 'N') {
		end(ONESHOT_NO_COMMAND, 2, "cannot run it");
		return;
	}
	tell(ONESHOT_STARTED, 0, "");
	for (; *steps && *steps != ' ' && *steps != 'q'; steps++)
		do_step(*steps);
}
