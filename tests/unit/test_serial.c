/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port against a terminal of our own, which can be full. */
#include <errno.h>
#include <linux/serial_reg.h>
#include <string.h>

#include "test.h"
#include "fake_terminal.h"
#include "irq_fake.h"
#include "ports.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

#define GSI 4

static struct terminal terminal;
static struct irq irq;
static struct vm vm;

static int setup(void **state)
{
	static const struct device_resource slot = {
		.port = true, .base = PORT_COM1, .size = 8, .gsi = GSI
	};

	terminal = (struct terminal){ .room = sizeof(terminal.output), .input = "" };
	irq_fake_init(&irq, 0);
	memset(&vm, 0, sizeof(vm));
	vm.irq = &irq;
	list_init(&vm.devices);
	assert_int_equal(bus_create(&vm.ports), 0);
	return serial_create(&vm, 0, &slot, &terminal);
}

static int teardown(void **state)
{
	struct device *device = list_entry(vm.devices.next, struct device, node);

	device->ops->destroy(device);
	bus_destroy(vm.ports);
	return 0;
}

static u8 in(unsigned reg)
{
	u8 value;

	assert_true(bus_read(vm.ports, PORT_COM1 + reg, &value, 1));
	return value;
}

static void out(unsigned reg, u8 value)
{
	assert_true(bus_write(vm.ports, PORT_COM1 + reg, &value, 1));
}

TEST_WITH(what_is_written_comes_out, setup, teardown)
{
	out(UART_TX, 'h');
	out(UART_TX, 'i');
	assert_int_equal(terminal.output_len, 2);
	assert_memory_equal(terminal.output, "hi", 2);
	assert_true(in(UART_LSR)&UART_LSR_THRE);
}

TEST_WITH(a_full_terminal_holds_the_transmitter, setup, teardown)
{
	terminal.room = 0;
	out(UART_IER, UART_IER_THRI);
	in(UART_IIR); /* takes the interrupt of enabling */
	out(UART_TX, 'x');
	assert_false(in(UART_LSR)&UART_LSR_THRE);
	assert_false(irq.level[GSI]);
	terminal.room = 1;
	terminal.client->writable(terminal.client);
	assert_true(in(UART_LSR)&UART_LSR_THRE);
	assert_true(irq.level[GSI]);
	assert_memory_equal(terminal.output, "x", 1);
}

TEST_WITH(input_interrupts_until_it_is_read, setup, teardown)
{
	out(UART_IER, UART_IER_RDI);
	terminal.input = "ab";
	terminal.client->readable(terminal.client);
	assert_true(irq.level[GSI]);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RDI);
	assert_int_equal(in(UART_RX), 'a');
	assert_true(irq.level[GSI]);
	assert_int_equal(in(UART_RX), 'b');
	assert_false(irq.level[GSI]);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_NO_INT);
}

TEST_WITH(transmitter_interrupt_goes_with_reading_iir, setup, teardown)
{
	out(UART_IER, UART_IER_THRI);
	assert_true(irq.level[GSI]);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_THRI);
	assert_false(irq.level[GSI]);
	out(UART_TX, 'x');
	assert_true(irq.level[GSI]);
}

TEST_WITH(divisor_hides_behind_dlab, setup, teardown)
{
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	assert_int_equal(in(UART_DLL), 0x34);
	assert_int_equal(in(UART_DLM), 0x12);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(terminal.output_len, 0);
	assert_int_equal(in(UART_IER), 0);
}

TEST_WITH(loopback_wires_outputs_to_inputs, setup, teardown)
{
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_CTS | UART_MSR_DCD);
	out(UART_TX, 'l');
	assert_int_equal(in(UART_RX), 'l');
	assert_int_equal(terminal.output_len, 0);
}

TEST_WITH(input_waits_for_a_driver, setup, teardown)
{
	terminal.input = "script";
	terminal.client->readable(terminal.client);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_false(in(UART_LSR)&UART_LSR_DR);
	in(UART_RX); /* what a driver does that starts */
	out(UART_IER, UART_IER_RDI);
	assert_true(irq.level[GSI]);
	assert_int_equal(in(UART_RX), 's');
}

TEST_WITH(a_flood_of_input_waits_in_the_terminal, setup, teardown)
{
	out(UART_MCR, UART_MCR_RTS);
	terminal.input = "0123456789abcdefghijklmnop";
	terminal.client->readable(terminal.client);
	assert_string_equal(terminal.input, "ghijklmnop");
	for (const char *c = "0123456789abcdefghijklmnop"; *c; c++)
		assert_int_equal(in(UART_RX), *c);
}

TEST_WITH(a_sysrq_is_a_break_and_the_key, setup, teardown)
{
	assert_int_equal(terminal.client->sysrq(terminal.client, 't'), -EBUSY);
	out(UART_IER, UART_IER_RDI);
	assert_int_equal(terminal.client->sysrq(terminal.client, 't'), 0);
	assert_true(irq.level[GSI]);
	assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_BI | UART_LSR_FE),
			 UART_LSR_DR | UART_LSR_BI | UART_LSR_FE);
	assert_int_equal(in(UART_RX), 0);
	assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_BI | UART_LSR_FE), UART_LSR_DR);
	assert_int_equal(in(UART_RX), 't');
	assert_false(irq.level[GSI]);
	/* It takes two places. */
	terminal.input = "0123456789abcde";
	terminal.client->readable(terminal.client);
	assert_int_equal(terminal.client->sysrq(terminal.client, 't'), -EBUSY);
}
