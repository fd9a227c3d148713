/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Programmer's Model", revision r1p4. Times and baud rates mean nothing here: a byte is sent when
 * the terminal takes it, and what was received has timed out at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "pl011.h"
#include "vmm/arch.h"
#include "vmm/bus.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

enum {
	UART_DR = 0x00,	  /* data, and what was wrong with it */
	UART_RSR = 0x04,  /* of the byte that was read last; a write clears it */
	UART_FR = 0x18,	  /* flags */
	UART_ILPR = 0x20, /* of infrared, which nobody uses */
	UART_IBRD = 0x24, /* the baud rate's divisor, and its fraction */
	UART_FBRD = 0x28,
	UART_LCR_H = 0x2c, /* bit 4: there are FIFOs */
	UART_CR = 0x30,
	UART_IFLS = 0x34, /* the levels at which FIFOs interrupt */
	UART_IMSC = 0x38,
	UART_RIS = 0x3c,
	UART_MIS = 0x40,
	UART_ICR = 0x44,
	UART_DMACR = 0x48,
	UART_ID = 0xfe0, /* eight bytes, one to a word */
};

#define DR_FE	 (1u << 8)
#define DR_BE	 (1u << 10)
#define DR_SHIFT 8 /* to UART_RSR's place */

#define FR_CTS	(1u << 0)
#define FR_DSR	(1u << 1)
#define FR_DCD	(1u << 2)
#define FR_BUSY (1u << 3)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)
#define FR_RXFF (1u << 6)
#define FR_TXFE (1u << 7)

#define LCR_FEN (1u << 4)

#define CR_UARTEN   (1u << 0)
#define CR_LOOPBACK (1u << 7)
#define CR_TXE	    (1u << 8)
#define CR_RXE	    (1u << 9)

#define INT_RX	    (1u << 4)
#define INT_TX	    (1u << 5)
#define INT_TIMEOUT (1u << 6)
#define INT_FRAMING (1u << 7)
#define INT_BREAK   (1u << 9)
#define INT_ALL	    0x7ff

#define FIFO_SIZE 16

struct pl011 {
	struct device device;
	struct bus_region region;
	struct terminal_client client;
	struct vm *vm;
	struct terminal *terminal; /* borrowed; NULL: nobody there */
	struct irq_line *line;

	u32 ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, dmacr;
	u32 events;	     /* of UART_RIS: those that stay until UART_ICR takes them */
	u8 errors;	     /* UART_RSR */
	u16 fifo[FIFO_SIZE]; /* received, as UART_DR shows it */
	unsigned fifo_count;
	bool holding_full; /* a byte waits in the transmitter: the terminal is full */
	u8 holding;
};

/* ---- interrupts ---- */

/* Without FIFOs there is one byte of each. */
static unsigned fifo_depth(const struct pl011 *uart)
{
	return uart->lcr & LCR_FEN ? FIFO_SIZE : 1;
}

/* "RXIFLSEL": 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO; the rest is reserved. */
static unsigned receive_level(const struct pl011 *uart)
{
	static const u8 levels[8] = { 2, 4, 8, 12, 14, 14, 14, 14 };

	return uart->lcr & LCR_FEN ? levels[uart->ifls >> 3 & 7] : 1;
}

static u32 raw_interrupts(const struct pl011 *uart)
{
	u32 raw = uart->events;

	if (uart->fifo_count >= receive_level(uart))
		raw |= INT_RX;
	if (uart->fifo_count)
		raw |= INT_TIMEOUT;
	return raw;
}

static void update_line(struct pl011 *uart)
{
	irq_line_set(uart->line, raw_interrupts(uart) & uart->imsc);
}

/* ---- the two directions ---- */

static bool loopback(const struct pl011 *uart)
{
	return uart->cr & CR_LOOPBACK;
}

/* Only a driver that has set the port up takes input: what is there before, it throws away. */
static bool listens(const struct pl011 *uart)
{
	return (uart->cr & CR_UARTEN) && (uart->cr & CR_RXE);
}

static void receive(struct pl011 *uart)
{
	u8 bytes[FIFO_SIZE];
	unsigned depth = fifo_depth(uart);
	size_t got;

	if (!uart->terminal || loopback(uart) || !listens(uart) || uart->fifo_count >= depth)
		return;
	got = terminal_read(uart->terminal, bytes, depth - uart->fifo_count);
	for (size_t i = 0; i < got; i++)
		uart->fifo[uart->fifo_count++] = bytes[i];
	update_line(uart);
}

static void transmit(struct pl011 *uart)
{
	if (!uart->terminal || terminal_write(uart->terminal, &uart->holding, 1)) {
		uart->holding_full = false;
		uart->events |= INT_TX;
	}
	update_line(uart);
}

static void on_readable(struct terminal_client *client)
{
	receive(container_of(client, struct pl011, client));
}

static void on_writable(struct terminal_client *client)
{
	struct pl011 *uart = container_of(client, struct pl011, client);

	if (uart->holding_full)
		transmit(uart);
}

/* A break, and the key behind it, as Linux takes them ("serial_core", sysrq). */
static int on_sysrq(struct terminal_client *client, u8 key)
{
	struct pl011 *uart = container_of(client, struct pl011, client);

	if (loopback(uart) || !listens(uart) || uart->fifo_count + 2 > fifo_depth(uart))
		return -EBUSY;
	uart->fifo[uart->fifo_count++] = DR_BE | DR_FE;
	uart->fifo[uart->fifo_count++] = key;
	uart->events |= INT_BREAK | INT_FRAMING;
	update_line(uart);
	return 0;
}

/* ---- registers ---- */

static u32 read_data(struct pl011 *uart)
{
	u16 data = uart->fifo[0];

	if (!uart->fifo_count)
		return 0;
	uart->fifo_count--;
	for (unsigned i = 0; i < uart->fifo_count; i++)
		uart->fifo[i] = uart->fifo[i + 1];
	uart->errors = data >> DR_SHIFT;
	receive(uart);
	update_line(uart);
	return data;
}

static u32 read_flags(struct pl011 *uart)
{
	/* A file on stdin is always ready, and no event says so: look when the guest does. */
	if (!uart->fifo_count)
		receive(uart);
	return FR_CTS | FR_DSR | FR_DCD | (uart->holding_full ? FR_TXFF | FR_BUSY : FR_TXFE) |
	       (uart->fifo_count ? 0 : FR_RXFE) |
	       (uart->fifo_count >= fifo_depth(uart) ? FR_RXFF : 0);
}

static u32 read_id(u64 offset)
{
	/* "Peripheral identification registers": part 0x011 of ARM's; and PrimeCell's. */
	static const u8 id[] = { 0x11, 0x10, 0x24, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	return id[(offset - UART_ID) / 4];
}

static u64 pl011_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct pl011 *uart = container_of(region, struct pl011, region);

	if (offset >= UART_ID)
		return read_id(offset);
	switch (offset) {
	case UART_DR:
		return read_data(uart);
	case UART_RSR:
		return uart->errors;
	case UART_FR:
		return read_flags(uart);
	case UART_ILPR:
		return uart->ilpr;
	case UART_IBRD:
		return uart->ibrd;
	case UART_FBRD:
		return uart->fbrd;
	case UART_LCR_H:
		return uart->lcr;
	case UART_CR:
		return uart->cr;
	case UART_IFLS:
		return uart->ifls;
	case UART_IMSC:
		return uart->imsc;
	case UART_RIS:
		return raw_interrupts(uart);
	case UART_MIS:
		return raw_interrupts(uart) & uart->imsc;
	case UART_DMACR:
		return uart->dmacr;
	default:
		return 0;
	}
}

/* A driver that did not wait for room loses its byte, as on the chip. */
static void write_data(struct pl011 *uart, u8 byte)
{
	if (loopback(uart)) {
		if (uart->fifo_count < fifo_depth(uart))
			uart->fifo[uart->fifo_count++] = byte;
		uart->events |= INT_TX;
		return;
	}
	uart->events &= ~INT_TX;
	uart->holding = byte;
	uart->holding_full = true;
	transmit(uart);
}

/* "The UARTLCR_H register": its FIFOs are emptied when they are switched off. */
static void write_line_control(struct pl011 *uart, u32 value)
{
	if (uart->lcr & ~value & LCR_FEN)
		uart->fifo_count = 0;
	uart->lcr = value & 0xff;
}

static void pl011_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pl011 *uart = container_of(region, struct pl011, region);

	switch (offset) {
	case UART_DR:
		write_data(uart, value);
		break;
	case UART_RSR:
		uart->errors = 0;
		break;
	case UART_ILPR:
		uart->ilpr = value & 0xff;
		break;
	case UART_IBRD:
		uart->ibrd = value & 0xffff;
		break;
	case UART_FBRD:
		uart->fbrd = value & 0x3f;
		break;
	case UART_LCR_H:
		write_line_control(uart, value);
		break;
	case UART_CR:
		uart->cr = value & 0xffff;
		break;
	case UART_IFLS:
		uart->ifls = value & 0x3f;
		break;
	case UART_IMSC:
		uart->imsc = value & INT_ALL;
		break;
	case UART_ICR:
		uart->events &= ~value;
		break;
	case UART_DMACR:
		uart->dmacr = value & 7;
		break;
	}
	receive(uart);
	update_line(uart);
}

static const struct bus_ops pl011_bus_ops = { .read = pl011_read, .write = pl011_write };

/* ---- its life ---- */

static void pl011_destroy(struct device *device)
{
	struct pl011 *uart = container_of(device, struct pl011, device);

	if (uart->terminal)
		terminal_set_client(uart->terminal, NULL);
	bus_remove(uart->vm->mmio, &uart->region);
	irq_line_destroy(uart->line);
	free(uart);
}

static const struct device_ops pl011_ops = { .destroy = pl011_destroy };

static void set_up(struct pl011 *uart, struct vm *vm, unsigned n,
		   const struct device_resource *resource)
{
	/* firmware.console is the first one's. */
	static const char *const names[ARCH_SERIAL_PORTS] = { "serial", "serial 1", "serial 2",
							      "serial 3" };

	uart->vm = vm;
	uart->device.ops = &pl011_ops;
	uart->device.info = (struct device_info){
		.name = names[n],
		.kind = DEVICE_PL011,
		.resource = *resource,
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	uart->region = (struct bus_region){
		.start = resource->base,
		.last = resource->base + resource->size - 1,
		.ops = &pl011_bus_ops,
	};
	/* "Summary of registers", reset values. */
	uart->cr = CR_TXE | CR_RXE;
	uart->ifls = 0x12;
	uart->client = (struct terminal_client){ .readable = on_readable,
						 .writable = on_writable,
						 .sysrq = on_sysrq };
}

int pl011_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		 struct terminal *terminal)
{
	struct pl011 *uart = calloc(1, sizeof(*uart));
	int ret;

	if (!uart)
		return -ENOMEM;
	set_up(uart, vm, n, resource);
	ret = irq_line_create(&uart->line, vm->irq, resource->gsi, resource->trigger);
	if (!ret)
		ret = bus_add(vm->mmio, &uart->region);
	if (ret) {
		pl011_destroy(&uart->device);
		return ret;
	}
	uart->terminal = terminal;
	if (terminal)
		terminal_set_client(terminal, &uart->client);
	vm_add_device(vm, &uart->device);
	return 0;
}
