/* SPDX-License-Identifier: BSD-2-Clause */
/* Times and baud rates mean nothing here: a byte is sent when the terminal takes it. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "vmm/arch.h"
#include "vmm/uart.h"
#include "vmm/vm.h"

void uart_update(struct uart *uart)
{
	irq_line_set(uart->line, uart->ops->interrupts(uart));
}

/* ---- the two directions ---- */

void uart_receive(struct uart *uart)
{
	u8 bytes[UART_FIFO];
	size_t got;

	if (!uart->terminal || !uart->ops->listens(uart) || uart->count >= uart->depth)
		return;
	got = terminal_read(uart->terminal, bytes, uart->depth - uart->count);
	for (size_t i = 0; i < got; i++)
		uart->received[uart->count++] = bytes[i];
	uart_update(uart);
}

u16 uart_take(struct uart *uart)
{
	u16 first = uart->received[0];

	if (!uart->count)
		return 0;
	uart->count--;
	for (unsigned i = 0; i < uart->count; i++)
		uart->received[i] = uart->received[i + 1];
	uart_receive(uart);
	uart_update(uart);
	return first;
}

static void transmit(struct uart *uart)
{
	if (!uart->terminal || terminal_write(uart->terminal, &uart->holding, 1)) {
		uart->holding_full = false;
		uart->ops->happened(uart, UART_SENT);
	}
	uart_update(uart);
}

void uart_send(struct uart *uart, u8 byte)
{
	uart->holding = byte;
	uart->holding_full = true;
	transmit(uart);
}

void uart_send_back(struct uart *uart, u8 byte)
{
	if (uart->count < uart->depth)
		uart->received[uart->count++] = byte;
	uart->ops->happened(uart, UART_SENT);
	uart_update(uart);
}

/* ---- what the terminal calls ---- */

static void on_readable(struct terminal_client *client)
{
	uart_receive(container_of(client, struct uart, client));
}

static void on_writable(struct terminal_client *client)
{
	struct uart *uart = container_of(client, struct uart, client);

	if (uart->holding_full)
		transmit(uart);
}

/* Linux takes a break, and within five seconds the key (serial_core, "sysrq"). */
static int on_sysrq(struct terminal_client *client, u8 key)
{
	struct uart *uart = container_of(client, struct uart, client);

	if (!uart->ops->listens(uart) || uart->count + 2 > uart->depth)
		return -EBUSY;
	uart->received[uart->count++] = UART_BREAK;
	uart->received[uart->count++] = key;
	uart->ops->happened(uart, UART_BROKEN);
	uart_update(uart);
	return 0;
}

/* ---- its life ---- */

static void uart_destroy(struct device *device)
{
	struct uart *uart = container_of(device, struct uart, device);

	if (uart->terminal)
		terminal_set_client(uart->terminal, NULL);
	bus_remove(uart->bus, &uart->region);
	irq_line_destroy(uart->line);
	free(uart);
}

static const struct device_ops device_ops = { .destroy = uart_destroy };

static void set_up(struct uart *uart, struct vm *vm, unsigned n,
		   const struct device_resource *resource)
{
	/* firmware.console is the first one's. */
	static const char *const names[ARCH_SERIAL_PORTS] = { "serial", "serial 1", "serial 2",
							      "serial 3" };

	uart->device.ops = &device_ops;
	uart->device.info = (struct device_info){
		.name = names[n],
		.kind = uart->ops->kind,
		.resource = *resource,
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	uart->region = (struct bus_region){
		.start = resource->base,
		.last = resource->base + resource->size - 1,
		.ops = &uart->ops->bus,
	};
	uart->bus = resource->port ? vm->ports : vm->mmio;
	uart->client = (struct terminal_client){ .readable = on_readable,
						 .writable = on_writable,
						 .sysrq = on_sysrq };
}

int uart_create(struct uart *uart, struct vm *vm, unsigned n,
		const struct device_resource *resource, struct terminal *terminal)
{
	int ret;

	set_up(uart, vm, n, resource);
	ret = irq_line_create(&uart->line, vm->irq, resource->gsi, resource->trigger);
	if (!ret)
		ret = bus_add(uart->bus, &uart->region);
	if (ret) {
		uart_destroy(&uart->device);
		return ret;
	}
	uart->terminal = terminal;
	if (terminal)
		terminal_set_client(terminal, &uart->client);
	vm_add_device(vm, &uart->device);
	return 0;
}
