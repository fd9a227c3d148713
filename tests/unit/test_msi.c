/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/msi.h: vectors, their doorbells, and what is pending. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"
#include "irq_fake.h"
#include "vmm/msi.h"

#define DOORBELL 0xfee00000

/* A space whose doorbells lead where the test says. */
struct fake_space {
	struct dma_space space;
	bool nowhere;
	gpa_t offset;
	unsigned faults;
};

#define ROUTES 4 /* that there are */

static struct irq irq;
static struct fake_space fake;
static struct msi_vector vector;

static int fake_resolve(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell)
{
	if (fake.nowhere) {
		fake.faults += send;
		return -EFAULT;
	}
	*doorbell = address + fake.offset;
	return 0;
}

static const struct dma_space_ops fake_ops = { .resolve_msi = fake_resolve };

static int start(void **state)
{
	irq_fake_init(&irq, ROUTES);
	fake = (struct fake_space){ 0 };
	dma_space_init(&fake.space, &fake_ops, NULL, &irq);
	msi_vector_init(&vector, &fake.space, 7);
	return 0;
}

static int stop(void **state)
{
	msi_vector_destroy(&vector);
	for (unsigned i = 0; i < ROUTES; i++)
		assert_false(irq.routes[i].used);
	return 0;
}

TEST_WITH(a_programmed_vector_sends_the_guests_message, start, stop)
{
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	msi_vector_signal(&vector);
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_int_equal(irq.messages[0].address, DOORBELL);
	assert_int_equal(irq.messages[0].data, 33);
	assert_int_equal(irq.messages[0].device_id, 7);
	assert_false(msi_vector_pending(&vector));
}

TEST_WITH(a_vector_that_was_never_programmed_sends_nothing, start, stop)
{
	msi_vector_signal(&vector);
	assert_false(msi_vector_pending(&vector));
	assert_int_equal(irq_fake_run(&irq), 0);
	assert_int_equal(irq.changes, 0);
}

TEST_WITH(what_a_masked_vector_signals_is_pending_and_sent_once, start, stop)
{
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, true), 0);
	msi_vector_signal(&vector);
	msi_vector_signal(&vector);
	assert_true(msi_vector_pending(&vector));
	assert_int_equal(irq_fake_run(&irq), 0);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq_fake_run(&irq), 1);
	assert_false(msi_vector_pending(&vector));
	/* Masked and unmasked again, with nothing in between. */
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, true), 0);
	assert_false(msi_vector_pending(&vector));
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq_fake_run(&irq), 1);
}

TEST_WITH(masking_and_unmasking_leaves_the_routes_alone, start, stop)
{
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq.changes, 1);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, true), 0);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq.changes, 1);
}

TEST_WITH(a_message_is_changed_in_place, start, stop)
{
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	msi_vector_signal(&vector);
	assert_int_equal(msi_vector_program(&vector, DOORBELL + 0x1000, 34, false), 0);
	msi_vector_signal(&vector);
	assert_int_equal(irq_fake_run(&irq), 2);
	assert_int_equal(irq_fake_routes(&irq), 1);
	assert_int_equal(irq.messages[0].address, DOORBELL);
	assert_int_equal(irq.messages[0].data, 33);
	assert_int_equal(irq.messages[1].address, DOORBELL + 0x1000);
	assert_int_equal(irq.messages[1].data, 34);
}

TEST_WITH(a_vector_that_is_switched_off_forgets_what_was_pending, start, stop)
{
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, true), 0);
	msi_vector_signal(&vector);
	msi_vector_disable(&vector);
	assert_false(msi_vector_pending(&vector));
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq_fake_run(&irq), 0);
}

TEST_WITH(a_doorbell_is_resolved_through_the_space_and_again_when_that_changes, start, stop)
{
	fake.offset = 0x1000;
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	msi_vector_signal(&vector);
	irq_fake_run(&irq);
	assert_int_equal(irq.messages[0].address, DOORBELL + 0x1000);
	fake.offset = 0x2000;
	dma_space_changed(&fake.space);
	msi_vector_signal(&vector);
	irq_fake_run(&irq);
	assert_int_equal(irq.messages[1].address, DOORBELL + 0x2000);
}

TEST_WITH(a_doorbell_that_leads_nowhere_is_a_fault_of_who_signals, start, stop)
{
	fake.nowhere = true;
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(fake.faults, 0);
	msi_vector_signal(&vector);
	assert_int_equal(fake.faults, 1);
	assert_int_equal(irq_fake_run(&irq), 0);
	fake.nowhere = false;
	dma_space_changed(&fake.space);
	assert_int_equal(irq_fake_run(&irq), 0);
	msi_vector_signal(&vector);
	assert_int_equal(irq_fake_run(&irq), 1);
}

/* A passed device's: the host's kernel writes the eventfd, and asks nobody. */
TEST_WITH(what_comes_while_the_doorbell_leads_nowhere_is_not_lost, start, stop)
{
	u64 one = 1;

	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	fake.nowhere = true;
	dma_space_changed(&fake.space);
	assert_int_equal(write(vector.fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(irq_fake_run(&irq), 0);
	fake.nowhere = false;
	dma_space_changed(&fake.space);
	assert_int_equal(irq_fake_run(&irq), 1);
}

TEST_WITH(a_host_without_routes_is_an_error_and_the_next_call_tries_again, start, stop)
{
	struct msi_message none = { 0 };
	u32 gsi[ROUTES];

	for (unsigned i = 0; i < ROUTES; i++)
		assert_int_equal(irq_route_msi(&irq, &none, &gsi[i]), 0);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), -ENOSPC);
	msi_vector_signal(&vector);
	assert_true(msi_vector_pending(&vector));
	for (unsigned i = 0; i < ROUTES; i++)
		irq_free_route(&irq, gsi[i]);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
	assert_int_equal(irq_fake_run(&irq), 1);
}

TEST_WITH(a_host_without_routes_is_not_asked_at_each_call_and_it_is_said_once, start, stop)
{
	struct msi_message none = { 0 };
	u32 gsi[ROUTES];

	for (unsigned i = 0; i < ROUTES; i++)
		assert_int_equal(irq_route_msi(&irq, &none, &gsi[i]), 0);
	irq.asked = 0;
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), -ENOSPC);
	assert_in_range(irq.asked, 2, 20);
	assert_int_equal(irq.refusals, 1);
	/* A guest that switches it off and on begins anew. */
	msi_vector_disable(&vector);
	for (unsigned i = 0; i < ROUTES; i++)
		irq_free_route(&irq, gsi[i]);
	assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), 0);
}

TEST_WITH(a_host_without_eventfds_is_not_asked_at_each_call_and_it_is_said_once, start, stop)
{
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(msi_vector_program(&vector, DOORBELL, 33, false), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(irq.refusals, 1);
	/* It recovers, by and by. */
	for (unsigned i = 0; i < 20000 && vector.fd < 0; i++)
		msi_vector_program(&vector, DOORBELL, 33, false);
	assert_true(vector.fd >= 0);
	msi_vector_signal(&vector);
	assert_int_equal(irq_fake_run(&irq), 1);
}
