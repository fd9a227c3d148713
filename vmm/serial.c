/* SPDX-License-Identifier: BSD-2-Clause */
/* A 16550A, after the PC16550D data sheet; times and baud rates mean nothing here. */
#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>

#include "vmm/arch.h"
#include "vmm/bus.h"
#include "vmm/serial.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

#define FIFO_SIZE 16

struct serial {
	struct device device;
	struct bus_region region;
	struct terminal_client client;
	struct vm *vm;
	struct terminal *terminal; /* borrowed; NULL: nobody there */
	struct irq_line *line;

	u8 ier, lcr, mcr, scr, fcr;
	u16 divisor;
	u8 fifo[FIFO_SIZE]; /* received */
	unsigned fifo_count;
	u16 fifo_breaks;   /* bit n: fifo[n] is a break, and not a byte */
	bool holding_full; /* a byte waits in the transmitter: the terminal is full */
	u8 holding;
	bool thr_interrupt; /* "transmitter empty", until IIR is read or THR written */
};

static bool loopback(const struct serial *serial)
{
	return serial->mcr & UART_MCR_LOOP;
}

/* The interrupt with the highest priority ("Interrupt Identification Register"). */
static u8 serial_iir(const struct serial *serial)
{
	if ((serial->ier & UART_IER_RDI) && serial->fifo_count)
		return UART_IIR_RDI;
	if ((serial->ier & UART_IER_THRI) && serial->thr_interrupt)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* OUT2 gates the interrupt on a PC; Linux sets it on every 16550. */
static void update_line(struct serial *serial)
{
	irq_line_set(serial->line, serial_iir(serial) != UART_IIR_NO_INT);
}

/*
 * Take input only for a driver that is there for it: one that has enabled the interrupt
 * or raised RTS. What a driver finds while it starts it throws away, and a script
 * on our stdin must not lose its first line to that.
 */
static bool listens(const struct serial *serial)
{
	return (serial->ier & UART_IER_RDI) || (serial->mcr & UART_MCR_RTS);
}

static void receive(struct serial *serial)
{
	if (!serial->terminal || loopback(serial) || !listens(serial) ||
	    serial->fifo_count == FIFO_SIZE)
		return;
	serial->fifo_count += terminal_read(serial->terminal, serial->fifo + serial->fifo_count,
					    FIFO_SIZE - serial->fifo_count);
	update_line(serial);
}

static void transmit(struct serial *serial)
{
	if (!serial->terminal || terminal_write(serial->terminal, &serial->holding, 1)) {
		serial->holding_full = false;
		serial->thr_interrupt = true;
	}
	update_line(serial);
}

static void on_readable(struct terminal_client *client)
{
	receive(container_of(client, struct serial, client));
}

static void on_writable(struct terminal_client *client)
{
	struct serial *serial = container_of(client, struct serial, client);

	if (serial->holding_full)
		transmit(serial);
}

/* Linux takes a break, and within five seconds the key (serial_core, "sysrq"). */
static int on_sysrq(struct terminal_client *client, u8 key)
{
	struct serial *serial = container_of(client, struct serial, client);

	if (loopback(serial) || !listens(serial) || serial->fifo_count > FIFO_SIZE - 2)
		return -EBUSY;
	serial->fifo_breaks |= 1u << serial->fifo_count;
	serial->fifo[serial->fifo_count++] = 0;
	serial->fifo[serial->fifo_count++] = key;
	update_line(serial);
	return 0;
}

static u8 read_received(struct serial *serial)
{
	u8 byte = serial->fifo[0];

	if (!serial->fifo_count)
		return 0;
	serial->fifo_count--;
	serial->fifo_breaks >>= 1;
	for (unsigned i = 0; i < serial->fifo_count; i++)
		serial->fifo[i] = serial->fifo[i + 1];
	receive(serial);
	update_line(serial);
	return byte;
}

static u8 read_iir(struct serial *serial)
{
	u8 iir = serial_iir(serial);

	if (iir == UART_IIR_THRI) {
		serial->thr_interrupt = false;
		update_line(serial);
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
	/* A file on stdin is always ready, and no event says so: look when the guest does. */
	if (!serial->fifo_count)
		receive(serial);
	return (serial->holding_full ? 0 : UART_LSR_THRE | UART_LSR_TEMT) |
	       (serial->fifo_count ? UART_LSR_DR : 0) |
	       (serial->fifo_breaks & 1 ? UART_LSR_BI | UART_LSR_FE : 0);
}

static u64 serial_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct serial *serial = container_of(region, struct serial, region);
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return dlab ? serial->divisor & 0xff : read_received(serial);
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
		if (serial->fifo_count < FIFO_SIZE)
			serial->fifo[serial->fifo_count++] = byte;
		serial->thr_interrupt = true;
		update_line(serial);
		return;
	}
	/* A driver that did not wait for THRE loses its byte, as on the chip. */
	serial->thr_interrupt = false;
	serial->holding = byte;
	serial->holding_full = true;
	transmit(serial);
}

static void write_ier(struct serial *serial, u8 value)
{
	bool thri_now = (value & UART_IER_THRI) && !(serial->ier & UART_IER_THRI);

	serial->ier = value & 0x0f;
	/* Enabling the interrupt raises it if the transmitter is empty. */
	if (thri_now && !serial->holding_full)
		serial->thr_interrupt = true;
	receive(serial);
	update_line(serial);
}

static void write_fcr(struct serial *serial, u8 value)
{
	serial->fcr = value & ~(UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	if (value & UART_FCR_CLEAR_RCVR)
		serial->fifo_count = serial->fifo_breaks = 0;
	receive(serial);
	update_line(serial);
}

static void serial_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct serial *serial = container_of(region, struct serial, region);
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
		receive(serial);
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	}
}

static const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

static struct bus *serial_bus(const struct serial *serial)
{
	return serial->device.info.resource.port ? serial->vm->ports : serial->vm->mmio;
}

static void serial_destroy(struct device *device)
{
	struct serial *serial = container_of(device, struct serial, device);

	if (serial->terminal)
		terminal_set_client(serial->terminal, NULL);
	bus_remove(serial_bus(serial), &serial->region);
	irq_line_destroy(serial->line);
	free(serial);
}

static const struct device_ops serial_ops = { .destroy = serial_destroy };

int serial_create(struct vm *vm, unsigned n, const struct device_resource *resource,
		  struct terminal *terminal)
{
	/* firmware.console is the first one's. */
	static const char *const names[ARCH_SERIAL_PORTS] = { "serial", "serial 1", "serial 2",
							      "serial 3" };
	struct serial *serial = calloc(1, sizeof(*serial));
	int ret;

	if (!serial)
		return -ENOMEM;
	serial->vm = vm;
	serial->device.ops = &serial_ops;
	serial->device.info = (struct device_info){
		.name = names[n],
		.kind = DEVICE_SERIAL,
		.resource = *resource,
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	serial->region = (struct bus_region){
		.start = resource->base,
		.last = resource->base + resource->size - 1,
		.ops = &serial_bus_ops,
	};
	serial->divisor = 1;
	ret = irq_line_create(&serial->line, vm->irq, resource->gsi, resource->trigger);
	if (!ret)
		ret = bus_add(serial_bus(serial), &serial->region);
	if (ret) {
		irq_line_destroy(serial->line);
		free(serial);
		return ret;
	}
	serial->client = (struct terminal_client){ .readable = on_readable,
						   .writable = on_writable,
						   .sysrq = on_sysrq };
	serial->terminal = terminal;
	if (terminal)
		terminal_set_client(terminal, &serial->client);
	vm_add_device(vm, &serial->device);
	return 0;
}
