/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port for firmware, against a terminal of our own, which can be full. */
#include <errno.h>
#include <string.h>

#include "test.h"
#include "../../arm/pl011.h"
#include "fake_terminal.h"
#include "irq_fake.h"
#include "vmm/vm.h"

#define BASE 0x09000000
#define GSI  1

enum {
	DR = 0x00,
	RSR = 0x04,
	FR = 0x18,
	IBRD = 0x24,
	LCR_H = 0x2c,
	CR = 0x30,
	IFLS = 0x34,
	IMSC = 0x38,
	RIS = 0x3c,
	MIS = 0x40,
	ICR = 0x44,
	ID = 0xfe0
};

#define BUSY	 (1u << 3)
#define RXFE	 (1u << 4)
#define TXFF	 (1u << 5)
#define RXFF	 (1u << 6)
#define TXFE	 (1u << 7)
#define FEN	 (1u << 4)
#define LISTENS	 0x301 /* CR: RXE, TXE, UARTEN */
#define LOOPBACK (1u << 7)
#define RX	 (1u << 4)
#define TX	 (1u << 5)
#define TIMEOUT	 (1u << 6)
#define BREAK	 (1u << 9)

static struct terminal terminal;
static struct irq irq;
static struct vm vm;

static int setup(void **state)
{
	static const struct device_resource place = {
		.base = BASE, .size = PL011_SIZE, .gsi = GSI, .trigger = IRQ_LEVEL
	};

	terminal = (struct terminal){ .room = sizeof(terminal.output), .input = "" };
	irq_fake_init(&irq, 0);
	memset(&vm, 0, sizeof(vm));
	vm.irq = &irq;
	list_init(&vm.devices);
	assert_int_equal(bus_create(&vm.mmio), 0);
	return pl011_create(&vm, 0, &place, &terminal);
}

static int teardown(void **state)
{
	struct device *device = list_entry(vm.devices.next, struct device, node);

	device->ops->destroy(device);
	assert_null(terminal.client);
	assert_int_equal(irq.lines, 0);
	bus_destroy(vm.mmio);
	return 0;
}

static u32 get(u32 offset)
{
	u32 value;

	assert_true(bus_read(vm.mmio, BASE + offset, &value, 4));
	return value;
}

static void set(u32 offset, u32 value)
{
	assert_true(bus_write(vm.mmio, BASE + offset, &value, 4));
}

static void type(const char *text)
{
	terminal.input = text;
	terminal.client->readable(terminal.client);
}

TEST_WITH(it_says_what_it_is, setup, teardown)
{
	static const u8 id[] = { 0x11, 0x10, 0x24, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned i = 0; i < sizeof(id); i++)
		assert_int_equal(get(ID + 4 * i), id[i]);
	assert_int_equal(get(CR), 0x300);
	assert_int_equal(get(IFLS), 0x12);
}

TEST_WITH(what_is_written_comes_out_before_anything_is_set_up, setup, teardown)
{
	set(DR, 'h');
	set(DR, 'i' | 0xf00);
	assert_int_equal(terminal.output_len, 2);
	assert_memory_equal(terminal.output, "hi", 2);
	assert_int_equal(get(FR) & (TXFE | TXFF | BUSY), TXFE);
}

TEST_WITH(a_full_terminal_holds_the_transmitter, setup, teardown)
{
	terminal.room = 0;
	set(IMSC, TX);
	set(DR, 'x');
	assert_int_equal(get(FR) & (TXFE | TXFF | BUSY), TXFF | BUSY);
	assert_false(irq.level[GSI]);
	terminal.room = 1;
	terminal.client->writable(terminal.client);
	assert_int_equal(get(FR) & (TXFE | TXFF | BUSY), TXFE);
	assert_true(irq.level[GSI]);
	assert_memory_equal(terminal.output, "x", 1);
}

TEST_WITH(the_transmitters_interrupt_comes_with_a_byte_and_goes_when_it_is_cleared, setup, teardown)
{
	set(IMSC, TX);
	assert_false(irq.level[GSI]);
	set(DR, 'x');
	assert_true(irq.level[GSI]);
	assert_int_equal(get(MIS), TX);
	set(ICR, TX);
	assert_false(irq.level[GSI]);
}

TEST_WITH(input_waits_for_a_driver_that_has_set_the_port_up, setup, teardown)
{
	type("ls");
	assert_true(get(FR) & RXFE);
	assert_string_equal(terminal.input, "ls");
	set(CR, LISTENS);
	assert_false(get(FR) & RXFE);
	assert_int_equal(get(DR), 'l');
	assert_int_equal(get(DR), 's');
	assert_true(get(FR) & RXFE);
	assert_int_equal(get(DR), 0);
}

TEST_WITH(without_fifos_one_byte_is_taken_at_a_time, setup, teardown)
{
	set(CR, LISTENS);
	set(IMSC, RX);
	type("ab");
	assert_string_equal(terminal.input, "b");
	assert_true(get(FR) & RXFF);
	assert_true(irq.level[GSI]);
	assert_int_equal(get(DR), 'a');
	assert_true(irq.level[GSI]);
	assert_int_equal(get(DR), 'b');
	assert_false(irq.level[GSI]);
}

TEST_WITH(the_fifo_interrupts_at_its_level_and_for_the_rest_by_its_timeout, setup, teardown)
{
	set(LCR_H, FEN);
	set(CR, LISTENS);
	set(IMSC, RX);
	type("1234567");
	assert_false(irq.level[GSI]);
	assert_int_equal(get(RIS), TIMEOUT);
	type("8");
	assert_true(irq.level[GSI]);
	get(DR);
	assert_false(irq.level[GSI]);
	set(IMSC, RX | TIMEOUT);
	assert_int_equal(get(MIS), TIMEOUT);
	for (unsigned i = 0; i < 7; i++)
		get(DR);
	assert_int_equal(get(MIS), 0);
	assert_false(irq.level[GSI]);
}

TEST_WITH(a_full_fifo_leaves_the_rest_to_the_terminal, setup, teardown)
{
	set(LCR_H, FEN);
	set(CR, LISTENS);
	type("0123456789abcdefgh");
	assert_string_equal(terminal.input, "gh");
	assert_true(get(FR) & RXFF);
	assert_int_equal(get(DR), '0');
	assert_string_equal(terminal.input, "h");
}

TEST_WITH(switching_the_fifo_off_empties_it, setup, teardown)
{
	set(LCR_H, FEN);
	set(CR, LISTENS);
	type("abc");
	set(LCR_H, 0);
	assert_true(get(FR) & RXFE);
}

TEST_WITH(switching_the_fifo_on_keeps_the_byte_that_was_received, setup, teardown)
{
	set(CR, LISTENS);
	type("ab");
	set(LCR_H, FEN);
	assert_int_equal(get(DR), 'a');
	assert_int_equal(get(DR), 'b');
	assert_true(get(FR) & RXFE);
}

TEST_WITH(a_sysrq_is_a_break_and_the_key, setup, teardown)
{
	assert_int_equal(terminal.client->sysrq(terminal.client, 't'), -EBUSY);
	set(LCR_H, FEN);
	set(CR, LISTENS);
	set(IMSC, BREAK);
	assert_int_equal(terminal.client->sysrq(terminal.client, 't'), 0);
	assert_true(irq.level[GSI]);
	assert_int_equal(get(DR), 0x500);
	assert_int_equal(get(RSR), 0x5);
	assert_int_equal(get(DR), 't');
	assert_int_equal(get(RSR), 0);
	set(ICR, BREAK);
	assert_false(irq.level[GSI]);
}

TEST_WITH(in_loopback_what_is_sent_is_received, setup, teardown)
{
	set(CR, LISTENS | LOOPBACK);
	set(DR, 'o');
	assert_int_equal(terminal.output_len, 0);
	assert_int_equal(get(DR), 'o');
}

TEST_WITH(nonsense_in_all_registers_does_no_harm, setup, teardown)
{
	terminal.input = "some more input than a FIFO has room for";
	for (u32 offset = 0; offset < PL011_SIZE; offset++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			u64 value = ~0ULL;

			bus_write(vm.mmio, BASE + offset, &value, len);
			bus_read(vm.mmio, BASE + offset, &value, len);
		}
	}
	assert_int_equal(get(IBRD), 0xffff);
}
