/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/msix.h: the table and the pending bits. */
#include <linux/pci_regs.h>

#include "test.h"
#include "irq_fake.h"
#include "vmm/msix.h"

#define COUNT	 70
#define DOORBELL 0xfee00000u
#define MASKED	 PCI_MSIX_ENTRY_CTRL_MASKBIT

/* Who listens, as a passed device does. */
struct listener {
	unsigned on, off, used;
	unsigned last;
	int fd;
};

#define ROUTES 4 /* that there are */

static struct irq irq;
static struct dma_identity identity;
static struct listener heard;
static struct msix *msix;

static void on_enabled(struct msix *sender, void *arg, bool on)
{
	struct listener *listener = arg;

	assert_ptr_equal(sender, msix);
	listener->on += on;
	listener->off += !on;
}

static void on_used(struct msix *sender, void *arg, unsigned n)
{
	struct listener *listener = arg;

	listener->used++;
	listener->last = n;
	listener->fd = msix_vector(sender, n)->fd;
}

static int start(void **state)
{
	static const struct msix_ops ops = { on_enabled, on_used };

	irq_fake_init(&irq, ROUTES);
	heard = (struct listener){ .fd = -1 };
	dma_identity_init(&identity, NULL, &irq);
	return msix_create(&msix, COUNT, &identity.space, 0x10, &ops, &heard);
}

static int stop(void **state)
{
	msix_destroy(msix);
	for (unsigned i = 0; i < ROUTES; i++)
		assert_false(irq.routes[i].used);
	return 0;
}

static void put(unsigned n, unsigned dword, u32 value)
{
	msix_table_write(msix, n * MSIX_ENTRY_SIZE + 4 * dword, value, 4);
}

/* As drivers do: the message while it is masked. */
static void program(unsigned n, u32 data)
{
	put(n, 0, DOORBELL);
	put(n, 1, 0);
	put(n, 2, data);
	put(n, 3, 0);
}

static void assert_table_is_fresh(void)
{
	for (unsigned n = 0; n < COUNT; n++) {
		assert_true(msix_table_read(msix, n * 16, 8) == 0);
		assert_true(msix_table_read(msix, n * 16 + 8, 8) == (u64)MASKED << 32);
	}
	assert_true(msix_pba_read(msix, 0, 8) == 0);
}

TEST_WITH(at_power_on_all_is_masked_and_zero, start, stop)
{
	assert_int_equal(msix_count(msix), COUNT);
	assert_int_equal(msix_table_size(msix), COUNT * 16);
	assert_int_equal(msix_pba_size(msix), 16);
	assert_table_is_fresh();
	/* It costs nothing yet. */
	assert_int_equal(msix_vector(msix, 0)->fd, -1);
}

TEST_WITH(a_programmed_vector_is_sent, start, stop)
{
	program(3, 0x41);
	msix_signal(msix, 3);
	assert_int_equal(irq_fake_run(&irq), 0);
	msix_control(msix, true, false);
	msix_signal(msix, 3);
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_int_equal(irq.messages[0].address, DOORBELL);
	assert_int_equal(irq.messages[0].data, 0x41);
	assert_int_equal(irq.messages[0].device_id, 0x10);
}

TEST_WITH(an_address_may_have_64_bits_and_quadwords_are_two_dwords, start, stop)
{
	msix_control(msix, true, false);
	msix_table_write(msix, 16, 0x123456789abcdef3, 8);
	msix_table_write(msix, 24, 0xfffffffe00000007, 8);
	assert_true(msix_table_read(msix, 16, 8) == 0x123456789abcdef0);
	assert_int_equal(msix_table_read(msix, 20, 4), 0x12345678);
	/* Reserved bits of Vector Control are not the guest's. */
	assert_int_equal(msix_table_read(msix, 28, 4), 0);
	msix_signal(msix, 1);
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_true(irq.messages[0].address == 0x123456789abcdef0);
	assert_int_equal(irq.messages[0].data, 7);
}

TEST_WITH(odd_accesses_do_nothing_and_read_as_zero, start, stop)
{
	static const struct {
		u64 offset;
		unsigned len;
	} odd[] = {
		{ 0, 1 },
		{ 0, 2 },
		{ 2, 4 },
		{ 4, 8 },
		{ 12, 8 },
		{ COUNT * 16, 4 },
		{ COUNT * 16 - 4, 8 },
		{ 1ULL << 32, 4 },
		{ UINT64_MAX - 3, 4 },
		{ UINT64_MAX - 7, 8 },
		{ 0, 3 },
		{ 0, 0 },
	};

	program(0, 0x55);
	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		msix_table_write(msix, odd[i].offset, ~0ULL, odd[i].len);
		assert_true(msix_table_read(msix, odd[i].offset, odd[i].len) == 0);
		assert_true(msix_pba_read(msix, odd[i].offset | 1, odd[i].len) == 0);
	}
	assert_int_equal(msix_table_read(msix, 0, 4), DOORBELL);
	assert_int_equal(msix_table_read(msix, 8, 4), 0x55);
	assert_true(msix_table_read(msix, (COUNT - 1) * 16 + 8, 8) == (u64)MASKED << 32);
	assert_true(msix_pba_read(msix, 16, 4) == 0);
}

TEST_WITH(a_masked_vector_is_pending_and_sent_when_unmasked, start, stop)
{
	msix_control(msix, true, false);
	program(65, 9);
	put(65, 3, MASKED);
	msix_signal(msix, 65);
	msix_signal(msix, 65);
	assert_int_equal(irq_fake_run(&irq), 0);
	assert_true(msix_pba_read(msix, 8, 8) == 2);
	assert_int_equal(msix_pba_read(msix, 8, 4), 2);
	assert_int_equal(msix_pba_read(msix, 12, 4), 0);
	put(65, 2, 10);
	put(65, 3, 0);
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_int_equal(irq.messages[0].data, 10);
	assert_true(msix_pba_read(msix, 8, 8) == 0);
}

TEST_WITH(a_vector_that_was_never_unmasked_can_be_pending, start, stop)
{
	msix_control(msix, true, false);
	msix_signal(msix, 2);
	assert_int_equal(msix_pba_read(msix, 0, 4), 4);
	assert_false(msix_vector_is_used(msix, 2));
	program(2, 1);
	assert_int_equal(irq_fake_run(&irq), 1);
}

TEST_WITH(the_function_mask_masks_all, start, stop)
{
	msix_control(msix, true, true);
	program(0, 1);
	program(1, 2);
	msix_signal(msix, 0);
	msix_signal(msix, 1);
	assert_int_equal(irq_fake_run(&irq), 0);
	assert_int_equal(msix_pba_read(msix, 0, 4), 3);
	assert_int_equal(heard.used, 0);
	msix_control(msix, true, false);
	assert_int_equal(irq_fake_run(&irq), 2);
	assert_int_equal(heard.used, 2);
	msix_control(msix, true, true);
	msix_signal(msix, 0);
	assert_int_equal(irq_fake_run(&irq), 2);
}

TEST_WITH(who_listens_hears_of_each_vector_once_with_its_eventfd, start, stop)
{
	program(5, 1);
	assert_int_equal(heard.used, 0);
	msix_control(msix, true, false);
	assert_int_equal(heard.on, 1);
	assert_int_equal(heard.used, 1);
	assert_int_equal(heard.last, 5);
	assert_true(heard.fd >= 0);
	put(5, 3, MASKED);
	put(5, 3, 0);
	assert_int_equal(heard.used, 1);
	assert_true(msix_vector_is_used(msix, 5));
	msix_control(msix, false, false);
	assert_int_equal(heard.off, 1);
	assert_false(msix_vector_is_used(msix, 5));
	/* Switched on again, it is told of again. */
	msix_control(msix, true, false);
	assert_int_equal(heard.on, 2);
	assert_int_equal(heard.used, 2);
}

TEST_WITH(switching_off_forgets_what_was_pending, start, stop)
{
	msix_control(msix, true, true);
	program(0, 1);
	msix_signal(msix, 0);
	msix_control(msix, false, false);
	assert_int_equal(msix_pba_read(msix, 0, 4), 0);
	msix_signal(msix, 0);
	msix_control(msix, true, false);
	assert_int_equal(irq_fake_run(&irq), 0);
}

TEST_WITH(a_vector_out_of_range_is_nobodys, start, stop)
{
	msix_control(msix, true, false);
	msix_signal(msix, COUNT);
	msix_signal(msix, ~0u);
	assert_int_equal(irq_fake_run(&irq), 0);
}

TEST_WITH(a_host_without_routes_left_keeps_the_message_pending, start, stop)
{
	msix_control(msix, true, false);
	for (unsigned n = 0; n <= ROUTES; n++) {
		program(n, n);
		msix_signal(msix, n);
	}
	assert_int_equal(irq_fake_run(&irq), ROUTES);
	assert_int_equal(msix_pba_read(msix, 0, 4), 1 << ROUTES);
}

TEST_WITH(a_reset_is_as_power_on, start, stop)
{
	msix_control(msix, true, false);
	program(0, 1);
	msix_reset(msix);
	assert_false(msix_is_enabled(msix));
	assert_int_equal(heard.off, 1);
	assert_table_is_fresh();
}
