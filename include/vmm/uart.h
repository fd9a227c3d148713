/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What serial ports of all kinds have in common: a terminal at the other end, the bytes that were
 * received and wait for the driver, the one that waits for room in the terminal, and an interrupt.
 * Nothing is lost while the terminal's reader or the driver stops, but what a driver writes that
 * does not wait. Registers are the kind's own.
 *
 * All calls with the VM lock held, or before the VM runs.
 */
#ifndef VMM_UART_H
#define VMM_UART_H

#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/terminal.h"

#define UART_FIFO 16

/* In uart.received, beside bytes: a break. */
#define UART_BREAK 0x100

enum uart_event {
	UART_SENT,   /* the transmitter is empty again */
	UART_BROKEN, /* a break was received */
};

struct uart;

struct uart_ops {
	struct bus_ops bus; /* of its registers */
	enum device_kind kind;
	/* Whether there is a driver that takes input, and no loopback; until then it waits. */
	bool (*listens)(const struct uart *uart);
	/* The level of its interrupt, from its registers and what waits in @uart. */
	bool (*interrupts)(const struct uart *uart);
	/* What it may interrupt for; uart_update() follows. */
	void (*happened)(struct uart *uart, enum uart_event event);
};

/* Begins the device's own structure. */
struct uart {
	const struct uart_ops *ops;
	struct device device;
	struct bus_region region;
	struct bus *bus; /* borrowed */
	struct terminal_client client;
	struct terminal *terminal; /* borrowed; NULL: nobody there */
	struct irq_line *line;
	u16 received[UART_FIFO]; /* @count of them, the first one first */
	unsigned count, depth;	 /* of at most @depth, from 1 to UART_FIFO: the kind's to set */
	bool holding_full;	 /* a byte waits in the transmitter: the terminal is full */
	u8 holding;
};

/*
 * Port @n, below ARCH_SERIAL_PORTS, at @resource, added to @vm. @uart: memory of calloc()'s, with
 * ops and depth; it is the VM's then, and freed here if this fails. @terminal: borrowed, or NULL.
 * -errno.
 */
int uart_create(struct uart *uart, struct vm *vm, unsigned n,
		const struct device_resource *resource, struct terminal *terminal);

/* Take what there is room for, if it listens: after what may have begun that, or made room. */
void uart_receive(struct uart *uart);
/* The first of what was received, or 0; more is taken. */
u16 uart_take(struct uart *uart);
/* To the terminal. A byte that still waits there is lost, as on a chip. */
void uart_send(struct uart *uart, u8 byte);
/* In loopback: to its own input, where it is lost if that is full. */
void uart_send_back(struct uart *uart, u8 byte);
/* Set the interrupt, after what may have changed it. */
void uart_update(struct uart *uart);

#endif
