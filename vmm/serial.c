/* SPDX-License-Identifier: BSD-2-Clause */
/* A 16550A, after the PC16550D data sheet. */
#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>

#include "vmm/serial.h"
#include "vmm/uart.h"

struct serial {
	struct uart uart; /* first, as it asks for */
	u8 ier, lcr, mcr, scr, fcr;
	u16 divisor;
	bool thr_interrupt; /* "transmitter empty", until IIR is read or THR written */
};

static struct serial *serial_of(const struct uart *uart)
{
	return container_of(uart, struct serial, uart);
}

static bool loopback(const struct serial *serial)
{
	return serial->mcr & UART_MCR_LOOP;
}

/* The interrupt with the highest priority ("Interrupt Identification Register"). */
static u8 serial_iir(const struct serial *serial)
{
	if ((serial->ier & UART_IER_RDI) && serial->uart.count)
		return UART_IIR_RDI;
	if ((serial->ier & UART_IER_THRI) && serial->thr_interrupt)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* OUT2 gates the interrupt on a PC; Linux sets it on every 16550. */
static bool interrupts(const struct uart *uart)
{
	return serial_iir(serial_of(uart)) != UART_IIR_NO_INT;
}

/*
 * Take input only for a driver that is there for it: one that has enabled the interrupt
 * or raised RTS. What a driver finds while it starts it throws away, and a script
 * on our stdin must not lose its first line to that.
 */
static bool listens(const struct uart *uart)
{
	const struct serial *serial = serial_of(uart);

	return !loopback(serial) && ((serial->ier & UART_IER_RDI) || (serial->mcr & UART_MCR_RTS));
}

static void happened(struct uart *uart, enum uart_event event)
{
	if (event == UART_SENT)
		serial_of(uart)->thr_interrupt = true;
}

static u8 read_iir(struct serial *serial)
{
	u8 iir = serial_iir(serial);

	if (iir == UART_IIR_THRI) {
		serial->thr_interrupt = false;
		uart_update(&serial->uart);
	}
	return iir | (serial->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

static u8 read_msr(const struct serial *serial)
{
	u8 mcr = serial->mcr;

	if (!loopback(serial))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	/* "Loop": the four outputs drive the four inputs. */
	return (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) | (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static u8 read_lsr(struct serial *serial)
{
	struct uart *uart = &serial->uart;

	/* A file on stdin is always ready, and no event says so: look when the guest does. */
	if (!uart->count)
		uart_receive(uart);
	return (uart->holding_full ? 0 : UART_LSR_THRE | UART_LSR_TEMT) |
	       (uart->count ? UART_LSR_DR : 0) |
	       (uart->count && uart->received[0] == UART_BREAK ? UART_LSR_BI | UART_LSR_FE : 0);
}

static u64 serial_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct serial *serial = container_of(region, struct serial, uart.region);
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return dlab ? serial->divisor & 0xff : uart_take(&serial->uart) & 0xff;
	case UART_IER:
		return dlab ? serial->divisor >> 8 : serial->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return read_lsr(serial);
	case UART_MSR:
		return read_msr(serial);
	case UART_SCR:
		return serial->scr;
	}
	return 0;
}

static void write_thr(struct serial *serial, u8 byte)
{
	if (loopback(serial)) {
		uart_send_back(&serial->uart, byte);
		return;
	}
	serial->thr_interrupt = false;
	uart_send(&serial->uart, byte);
}

static void write_ier(struct serial *serial, u8 value)
{
	bool thri_now = (value & UART_IER_THRI) && !(serial->ier & UART_IER_THRI);

	serial->ier = value & 0x0f;
	/* Enabling the interrupt raises it if the transmitter is empty. */
	if (thri_now && !serial->uart.holding_full)
		serial->thr_interrupt = true;
	uart_receive(&serial->uart);
	uart_update(&serial->uart);
}

static void write_fcr(struct serial *serial, u8 value)
{
	serial->fcr = value & ~(UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	if (value & UART_FCR_CLEAR_RCVR)
		serial->uart.count = 0;
	uart_receive(&serial->uart);
	uart_update(&serial->uart);
}

static void serial_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct serial *serial = container_of(region, struct serial, uart.region);
	bool dlab = serial->lcr & UART_LCR_DLAB;

	value &= 0xff;
	switch (offset) {
	case UART_TX:
		if (dlab)
			serial->divisor = (serial->divisor & 0xff00) | value;
		else
			write_thr(serial, value);
		break;
	case UART_IER:
		if (dlab)
			serial->divisor = (serial->divisor & 0xff) | value << 8;
		else
			write_ier(serial, value);
		break;
	case UART_FCR:
		write_fcr(serial, value);
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial->mcr = value & 0x1f;
		uart_receive(&serial->uart);
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	}
}

static const struct uart_ops serial_ops = {
	.bus = { .read = serial_read, .write = serial_write },
	.kind = DEVICE_SERIAL,
	.listens = listens,
	.interrupts = interrupts,
	.happened = happened,
};

int serial_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		  struct terminal *terminal)
{
	struct serial *serial = calloc(1, sizeof(*serial));

	if (!serial)
		return -ENOMEM;
	serial->uart.ops = &serial_ops;
	serial->uart.depth = UART_FIFO;
	serial->divisor = 1;
	return uart_create(&serial->uart, vm, n, resource, terminal);
}
