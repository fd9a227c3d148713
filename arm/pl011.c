/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Programmer's Model", revision r1p4. What was received has timed out at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "pl011.h"
#include "vmm/uart.h"

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

struct pl011 {
	struct uart uart; /* first, as it asks for */
	u32 ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, dmacr;
	u32 events; /* of UART_RIS: those that stay until UART_ICR takes them */
	u8 errors;  /* UART_RSR */
};

static struct pl011 *pl011_of(const struct uart *uart)
{
	return container_of(uart, struct pl011, uart);
}

/* ---- interrupts ---- */

/* "RXIFLSEL": 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO; the rest is reserved. */
static unsigned receive_level(const struct pl011 *port)
{
	static const u8 levels[8] = { 2, 4, 8, 12, 14, 14, 14, 14 };

	return port->lcr & LCR_FEN ? levels[port->ifls >> 3 & 7] : 1;
}

static u32 raw_interrupts(const struct pl011 *port)
{
	u32 raw = port->events;

	if (port->uart.count >= receive_level(port))
		raw |= INT_RX;
	if (port->uart.count)
		raw |= INT_TIMEOUT;
	return raw;
}

static bool interrupts(const struct uart *uart)
{
	return raw_interrupts(pl011_of(uart)) & pl011_of(uart)->imsc;
}

static void happened(struct uart *uart, enum uart_event event)
{
	pl011_of(uart)->events |= event == UART_SENT ? INT_TX : INT_BREAK | INT_FRAMING;
}

static bool loopback(const struct pl011 *port)
{
	return port->cr & CR_LOOPBACK;
}

/* Only a driver that has set the port up takes input: what is there before, it throws away. */
static bool listens(const struct uart *uart)
{
	const struct pl011 *port = pl011_of(uart);

	return !loopback(port) && (port->cr & CR_UARTEN) && (port->cr & CR_RXE);
}

/* ---- registers ---- */

static u32 read_data(struct pl011 *port)
{
	u32 data;

	if (!port->uart.count)
		return 0;
	data = uart_take(&port->uart);
	if (data == UART_BREAK)
		data = DR_BE | DR_FE;
	port->errors = data >> DR_SHIFT;
	return data;
}

static u32 read_flags(struct uart *uart)
{
	/* A file on stdin is always ready, and no event says so: look when the guest does. */
	if (!uart->count)
		uart_receive(uart);
	return FR_CTS | FR_DSR | FR_DCD | (uart->holding_full ? FR_TXFF | FR_BUSY : FR_TXFE) |
	       (uart->count ? 0 : FR_RXFE) | (uart->count >= uart->depth ? FR_RXFF : 0);
}

static u32 read_id(u64 offset)
{
	/* "Peripheral identification registers": part 0x011 of ARM's; and PrimeCell's. */
	static const u8 id[] = { 0x11, 0x10, 0x24, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	return id[(offset - UART_ID) / 4];
}

static u64 pl011_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct pl011 *port = container_of(region, struct pl011, uart.region);

	if (offset >= UART_ID)
		return read_id(offset);
	switch (offset) {
	case UART_DR:
		return read_data(port);
	case UART_RSR:
		return port->errors;
	case UART_FR:
		return read_flags(&port->uart);
	case UART_ILPR:
		return port->ilpr;
	case UART_IBRD:
		return port->ibrd;
	case UART_FBRD:
		return port->fbrd;
	case UART_LCR_H:
		return port->lcr;
	case UART_CR:
		return port->cr;
	case UART_IFLS:
		return port->ifls;
	case UART_IMSC:
		return port->imsc;
	case UART_RIS:
		return raw_interrupts(port);
	case UART_MIS:
		return raw_interrupts(port) & port->imsc;
	case UART_DMACR:
		return port->dmacr;
	default:
		return 0;
	}
}

static void write_data(struct pl011 *port, u8 byte)
{
	if (loopback(port)) {
		uart_send_back(&port->uart, byte);
		return;
	}
	port->events &= ~INT_TX;
	uart_send(&port->uart, byte);
}

/* "The UARTLCR_H register": its FIFOs are emptied when they are switched off. */
static void write_line_control(struct pl011 *port, u32 value)
{
	if (port->lcr & ~value & LCR_FEN)
		port->uart.count = 0;
	port->lcr = value & 0xff;
	port->uart.depth = port->lcr & LCR_FEN ? UART_FIFO : 1;
}

static void pl011_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pl011 *port = container_of(region, struct pl011, uart.region);

	switch (offset) {
	case UART_DR:
		write_data(port, value);
		break;
	case UART_RSR:
		port->errors = 0;
		break;
	case UART_ILPR:
		port->ilpr = value & 0xff;
		break;
	case UART_IBRD:
		port->ibrd = value & 0xffff;
		break;
	case UART_FBRD:
		port->fbrd = value & 0x3f;
		break;
	case UART_LCR_H:
		write_line_control(port, value);
		break;
	case UART_CR:
		port->cr = value & 0xffff;
		break;
	case UART_IFLS:
		port->ifls = value & 0x3f;
		break;
	case UART_IMSC:
		port->imsc = value & INT_ALL;
		break;
	case UART_ICR:
		port->events &= ~value;
		break;
	case UART_DMACR:
		port->dmacr = value & 7;
		break;
	}
	uart_receive(&port->uart);
	uart_update(&port->uart);
}

static const struct uart_ops pl011_ops = {
	.bus = { .read = pl011_read, .write = pl011_write },
	.kind = DEVICE_PL011,
	.listens = listens,
	.interrupts = interrupts,
	.happened = happened,
};

int pl011_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		 struct terminal *terminal)
{
	struct pl011 *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->uart.ops = &pl011_ops;
	port->uart.depth = 1;
	/* "Summary of registers", reset values. */
	port->cr = CR_TXE | CR_RXE;
	port->ifls = 0x12;
	return uart_create(&port->uart, vm, n, resource, terminal);
}
