/* SPDX-License-Identifier: BSD-2-Clause */
/* "Programmer's Model": eight lines, each an input, of which one is wired to something. */
#include <errno.h>
#include <stdlib.h>

#include "board.h"
#include "map.h"
#include "pl061.h"
#include "vmm/power.h"
#include "vmm/vm.h"

/* How long a finger stays on the button: above what drivers take for a bounce. */
#define PRESS_NS 100000000

enum {
	GPIO_DATA_LAST = 0x3ff, /* the address says which lines are meant */
	GPIO_DIR = 0x400,	/* 1: an output */
	GPIO_IS = 0x404,	/* 1: level, 0: edge */
	GPIO_IBE = 0x408,	/* 1: both edges */
	GPIO_IEV = 0x40c,	/* 1: rising or high, 0: falling or low */
	GPIO_IE = 0x410,
	GPIO_RIS = 0x414,
	GPIO_MIS = 0x418,
	GPIO_IC = 0x41c,
	GPIO_AFSEL = 0x420,
	GPIO_ID = 0xfe0, /* eight bytes, one to a word */
};

struct pl061 {
	struct device device;
	struct bus_region region;
	struct power_button button;
	struct loop_timer timer; /* the finger leaves the button */
	struct vm *vm;
	struct irq_line *line; /* owned */
	u8 inputs;	       /* what the world drives */
	u8 outputs;	       /* what the guest does, where a line is an output */
	u8 dir, level, both, rising, enabled, edges, alternate;
};

static u8 lines_of(const struct pl061 *gpio)
{
	return (gpio->inputs & ~gpio->dir) | (gpio->outputs & gpio->dir);
}

static u8 raw_status(const struct pl061 *gpio)
{
	u8 active = ~(lines_of(gpio) ^ gpio->rising);

	return (gpio->level & active) | (~gpio->level & gpio->edges);
}

static void update_line(struct pl061 *gpio)
{
	irq_line_set(gpio->line, raw_status(gpio) & gpio->enabled);
}

/* Lines were @before: note the edges that are waited for. */
static void note_edges(struct pl061 *gpio, u8 before)
{
	u8 now = lines_of(gpio), changed = before ^ now;

	gpio->edges |= changed & (gpio->both | ~(now ^ gpio->rising));
	update_line(gpio);
}

static void drive(struct pl061 *gpio, u8 inputs)
{
	u8 before = lines_of(gpio);

	gpio->inputs = inputs;
	note_edges(gpio, before);
}

static void press(struct power_button *button)
{
	struct pl061 *gpio = container_of(button, struct pl061, button);

	drive(gpio, gpio->inputs | 1u << PL061_POWER_LINE);
	loop_timer_arm(&gpio->timer, PRESS_NS);
}

static void on_timer(struct loop_timer *timer)
{
	struct pl061 *gpio = container_of(timer, struct pl061, timer);

	drive(gpio, gpio->inputs & ~(1u << PL061_POWER_LINE));
}

/* ---- registers ---- */

static u32 read_id(u64 offset)
{
	/* "Peripheral identification registers", part 0x061 of ARM's; and PrimeCell's. */
	static const u8 id[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	return id[(offset - GPIO_ID) / 4];
}

static u64 pl061_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct pl061 *gpio = container_of(region, struct pl061, region);

	if (offset <= GPIO_DATA_LAST)
		return lines_of(gpio) & (offset >> 2);
	if (offset >= GPIO_ID)
		return read_id(offset);
	switch (offset) {
	case GPIO_DIR:
		return gpio->dir;
	case GPIO_IS:
		return gpio->level;
	case GPIO_IBE:
		return gpio->both;
	case GPIO_IEV:
		return gpio->rising;
	case GPIO_IE:
		return gpio->enabled;
	case GPIO_RIS:
		return raw_status(gpio);
	case GPIO_MIS:
		return raw_status(gpio) & gpio->enabled;
	case GPIO_AFSEL:
		return gpio->alternate;
	default:
		return 0;
	}
}

static void write_lines(struct pl061 *gpio, u64 offset, u8 value)
{
	u8 before = lines_of(gpio), mask;

	if (offset <= GPIO_DATA_LAST) {
		mask = (offset >> 2) & gpio->dir;
		gpio->outputs = (gpio->outputs & ~mask) | (value & mask);
	} else {
		gpio->dir = value;
	}
	note_edges(gpio, before);
}

static void pl061_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct pl061 *gpio = container_of(region, struct pl061, region);

	if (offset <= GPIO_DATA_LAST || offset == GPIO_DIR) {
		write_lines(gpio, offset, value);
		return;
	}
	switch (offset) {
	case GPIO_IS:
		gpio->level = value;
		break;
	case GPIO_IBE:
		gpio->both = value;
		break;
	case GPIO_IEV:
		gpio->rising = value;
		break;
	case GPIO_IE:
		gpio->enabled = value;
		break;
	case GPIO_IC:
		gpio->edges &= ~value;
		break;
	case GPIO_AFSEL:
		gpio->alternate = value;
		break;
	}
	update_line(gpio);
}

static const struct bus_ops pl061_bus_ops = { .read = pl061_read, .write = pl061_write };

/* ---- life ---- */

static void pl061_destroy(struct device *device)
{
	struct pl061 *gpio = container_of(device, struct pl061, device);

	if (gpio->vm->power_button == &gpio->button)
		gpio->vm->power_button = NULL;
	loop_timer_destroy(&gpio->timer);
	bus_remove(gpio->vm->mmio, &gpio->region);
	irq_line_destroy(gpio->line);
	free(gpio);
}

static const struct device_ops pl061_ops = { .destroy = pl061_destroy };

int pl061_create(struct vm *vm)
{
	struct pl061 *gpio = calloc(1, sizeof(*gpio));
	int ret;

	if (!gpio)
		return -ENOMEM;
	gpio->vm = vm;
	gpio->button.press = press;
	gpio->device.ops = &pl061_ops;
	gpio->device.info = board_info("gpio", DEVICE_POWER_BUTTON, MAP_GPIO, MAP_GPIO_SIZE,
				       MAP_SPI_GPIO);
	gpio->region = board_frame(MAP_GPIO, MAP_GPIO_SIZE, &pl061_bus_ops);
	ret = irq_line_create(&gpio->line, vm->irq, MAP_SPI_GPIO, IRQ_LEVEL);
	if (!ret)
		ret = loop_timer_create(&gpio->timer, vm->loop, on_timer);
	if (!ret)
		ret = bus_add(vm->mmio, &gpio->region);
	if (ret) {
		pl061_destroy(&gpio->device);
		return ret;
	}
	vm_add_device(vm, &gpio->device);
	vm->power_button = &gpio->button;
	return 0;
}
