/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whoever keeps something of a domain elsewhere: devices with I/O under way,
 * whose memory UNMAP must not give back, and hosts, whose tables must not drift
 * from ours when they refuse.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "iommu_driver.h"

#define OK     VIRTIO_IOMMU_S_OK
#define INVAL  VIRTIO_IOMMU_S_INVAL
#define NOMEM  VIRTIO_IOMMU_S_NOMEM
#define DEVERR VIRTIO_IOMMU_S_DEVERR

#define HOST_1 0x10u
#define HOST_2 0x11u

static struct rig the_rig;
static struct mirror host_1, host_2;
static struct dma_space *space_1;

static int start_config(void **state, bool bypass)
{
	const struct viommu_config config = { .bypass = bypass, .address_bits = 40 };

	mirror_init(&host_1);
	mirror_init(&host_2);
	rig_create(&the_rig, &config);
	space_1 = rig_add_mirror(&the_rig, HOST_1, &host_1);
	rig_add_mirror(&the_rig, HOST_2, &host_2);
	rig_start(&the_rig, ALL_FEATURES);
	*state = &the_rig;
	return 0;
}

static int start(void **state)
{
	return start_config(state, false);
}

static int start_bypassing(void **state)
{
	return start_config(state, true);
}

/* Both hosts in domain 1, with three mappings. */
static int start_attached(void **state)
{
	start(state);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_int_equal(rig_attach(*state, 1, HOST_2, 0), OK);
	for (iova_t page = 0; page < 3; page++)
		assert_int_equal(
			rig_map(*state, 1, page << 12, (page << 12) | 0xfff, 0x100000, READ_WRITE),
			OK);
	return 0;
}

static int stop(void **state)
{
	rig_destroy(*state);
	return 0;
}

/* ---- holds ---- */

static void add_unmap(struct rig *rig, u32 domain, iova_t start_at, iova_t last)
{
	const struct virtio_iommu_req_unmap request = { .head.type = VIRTIO_IOMMU_T_UNMAP,
							.domain = htole32(domain),
							.virt_start = htole64(start_at),
							.virt_end = htole64(last) };
	const struct wire_segment segments[] = { { RIG_REQUEST, 28, false },
						 { RIG_REPLY, 4, true } };

	wire_write(rig->vm, RIG_REQUEST, &request, 28);
	wire_fill(rig->vm, RIG_REPLY, 0xee, 4);
	wire_add(&rig->requests, segments, 2);
}

static u8 reply_status(struct rig *rig)
{
	u8 status;

	assert_true(wire_used(&rig->requests, NULL, NULL));
	wire_read(rig->vm, RIG_REPLY, &status, 1);
	return status;
}

static const struct dma_segment held[] = { { 0x1800, 0x100 } };

static void start_two_domains(struct rig *rig)
{
	assert_int_equal(rig_attach(rig, 1, ENDPOINT_A, 0), OK);
	assert_int_equal(rig_attach(rig, 2, ENDPOINT_B, 0), OK);
	assert_int_equal(rig_map(rig, 1, 0x1000, 0x1fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_map(rig, 1, 0x5000, 0x5fff, 0x100000, READ_WRITE), OK);
	assert_int_equal(rig_map(rig, 2, 0x1000, 0x1fff, 0x101000, READ_WRITE), OK);
}

TEST_WITH(unmap_waits_for_io_under_way_and_nothing_else_does, start, stop)
{
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	start_two_domains(rig);
	dma_hold(rig->a, &hold);
	/* What does not overlap does not wait. */
	assert_int_equal(rig_unmap(rig, 1, 0x5000, 0x5fff), OK);
	assert_int_equal(rig_unmap(rig, 2, 0x1000, 0x1fff), OK);
	assert_int_equal(rig_map(rig, 2, 0x1000, 0x1fff, 0x101000, READ_WRITE), OK);
	add_unmap(rig, 1, 0, UINT64_MAX);
	wire_kick(&rig->requests);
	assert_false(wire_has_used(&rig->requests));
	/* The translation is gone at once; other devices go on; the queue stands. */
	assert_int_equal(rig_dma(rig->a, 0x1800, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(rig->b, 0x1000, DMA_WRITE), 0);
	add_unmap(rig, 2, 0, UINT64_MAX);
	wire_kick(&rig->requests);
	assert_false(wire_has_used(&rig->requests));
	assert_int_equal(rig_dma(rig->b, 0x1000, DMA_WRITE), 0);
	dma_drop(rig->a, &hold);
	assert_int_equal(reply_status(rig), OK);
	assert_int_equal(reply_status(rig), OK);
	assert_int_equal(rig_dma(rig->b, 0x1000, DMA_WRITE), -EFAULT);
}

TEST_WITH(unmap_waits_for_the_last_of_several_holds, start, stop)
{
	struct dma_hold first = { .segments = held, .count = 1 }, second = first;
	struct rig *rig = *state;

	start_two_domains(rig);
	dma_hold(rig->a, &first);
	dma_hold(rig->a, &second);
	add_unmap(rig, 1, 0x1000, 0x1fff);
	wire_kick(&rig->requests);
	dma_drop(rig->a, &first);
	assert_false(wire_has_used(&rig->requests));
	dma_drop(rig->a, &second);
	assert_int_equal(reply_status(rig), OK);
}

TEST_WITH(a_refused_unmap_waits_for_nothing, start, stop)
{
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	start_two_domains(rig);
	dma_hold(rig->a, &hold);
	assert_int_equal(rig_unmap(rig, 1, 0x1800, 0x1fff), VIRTIO_IOMMU_S_RANGE);
	assert_int_equal(rig_dma(rig->a, 0x1800, DMA_READ), 0);
	dma_drop(rig->a, &hold);
}

TEST_WITH(a_move_waits_for_io_under_way, start, stop)
{
	const struct virtio_iommu_req_attach request = { .head.type = VIRTIO_IOMMU_T_ATTACH,
							 .domain = htole32(3),
							 .endpoint = htole32(ENDPOINT_A) };
	const struct wire_segment segments[] = { { RIG_REQUEST, 20, false },
						 { RIG_REPLY, 4, true } };
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	start_two_domains(rig);
	dma_hold(rig->a, &hold);
	/* To where it is, is no move. */
	assert_int_equal(rig_attach(rig, 1, ENDPOINT_A, 0), OK);
	wire_write(rig->vm, RIG_REQUEST, &request, 20);
	wire_add(&rig->requests, segments, 2);
	wire_kick(&rig->requests);
	assert_false(wire_has_used(&rig->requests));
	dma_drop(rig->a, &hold);
	assert_int_equal(reply_status(rig), OK);
}

/* What drops a hold of a's when the loop is served. */
static struct dropper {
	struct loop_source source;
	struct rig *rig;
	struct dma_hold *hold;
} dropper;

static void drop_now(struct loop_source *source, u32 events)
{
	loop_remove(dropper.rig->vm->loop, source);
	close(source->fd);
	dma_drop(dropper.rig->a, dropper.hold);
}

static void drop_from_the_loop(struct rig *rig, struct dma_hold *hold)
{
	dropper = (struct dropper){
		.source = { eventfd(1, EFD_NONBLOCK), EPOLLIN, drop_now },
		.rig = rig,
		.hold = hold,
	};
	assert_int_equal(loop_add(rig->vm->loop, &dropper.source), 0);
}

TEST_WITH(a_reset_forgets_the_request_that_waits, start, stop)
{
	struct dma_hold hold = { .segments = held, .count = 1 };
	struct rig *rig = *state;

	start_two_domains(rig);
	dma_hold(rig->a, &hold);
	add_unmap(rig, 1, 0x1000, 0x1fff);
	wire_kick(&rig->requests);
	drop_from_the_loop(rig, &hold);
	rig_restart(rig, ALL_FEATURES);
	assert_true(list_empty(&rig->a->holds));
	assert_false(wire_has_used(&rig->requests));
	assert_int_equal(rig_attach(rig, 1, ENDPOINT_A, 0), OK);
}

/* ---- listeners ---- */

TEST_WITH(listeners_hold_what_the_domain_holds, start_attached, stop)
{
	assert_int_equal(host_1.count, 3);
	assert_int_equal(host_2.count, 3);
	assert_int_equal(rig_unmap(*state, 1, 0x1000, 0x1fff), OK);
	assert_false(mirror_has(&host_1, 0x1000));
	assert_false(mirror_has(&host_2, 0x1000));
	assert_int_equal(rig_detach(*state, 1, HOST_1), OK);
	assert_int_equal(host_1.count, 0);
	assert_int_equal(host_2.count, 2);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_int_equal(host_1.count, 2);
}

TEST_WITH(registers_are_told_from_memory_and_mappings_without_access_stay_with_us, start_attached,
	  stop)
{
	assert_int_equal(rig_map(*state, 1, 0x10000, 0x10fff, 0x08020000, MMIO_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, 0x11000, 0x11fff, 0, 0), OK);
	assert_int_equal(host_1.count, 4);
	for (unsigned i = 0; i < host_1.count; i++)
		assert_int_equal(host_1.maps[i].mmio, host_1.maps[i].start == 0x10000);
	assert_int_equal(rig_signal_msi(space_1, 0x10040, 1, 2), 0);
	assert_int_equal(rig_attach(*state, 2, HOST_1, 0), OK);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_int_equal(host_1.count, 4);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), OK);
	assert_int_equal(host_1.count + host_2.count, 0);
}

TEST_WITH(a_map_that_one_host_refuses_is_undone_on_all, start_attached, stop)
{
	mirror_fail(&host_2, 1, -ENOSPC);
	assert_int_equal(rig_map(*state, 1, 0x10000, 0x10fff, 0, READ_ONLY), NOMEM);
	assert_false(mirror_has(&host_1, 0x10000));
	assert_int_equal(rig_dma(space_1, 0x10000, DMA_READ), -EFAULT);
	assert_int_equal(rig_counters(*state).mappings, 3);
	mirror_fail(&host_2, 1, -EIO);
	assert_int_equal(rig_map(*state, 1, 0x10000, 0x10fff, 0, READ_ONLY), DEVERR);
	assert_int_equal(rig_map(*state, 1, 0x10000, 0x10fff, 0, READ_ONLY), OK);
	assert_true(mirror_has(&host_1, 0x10000) && mirror_has(&host_2, 0x10000));
}

TEST_WITH(an_unmap_that_a_host_refuses_is_undone_on_all, start_attached, stop)
{
	/* At each of the three mappings in turn. */
	for (unsigned nth = 1; nth <= 3; nth++) {
		mirror_fail(&host_2, nth, -EIO);
		assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), DEVERR);
		assert_int_equal(host_1.count, 3);
		assert_int_equal(host_2.count, 3);
		for (iova_t page = 0; page < 3; page++)
			assert_int_equal(rig_dma(space_1, page << 12, DMA_READ), 0);
		assert_int_equal(rig_counters(*state).mappings, 3);
	}
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), OK);
	assert_int_equal(host_1.count + host_2.count, 0);
}

TEST_WITH(a_host_that_refuses_the_undoing_too_ends_detached, start_attached, stop)
{
	host_1.fail_on = true;
	mirror_fail(&host_1, 2, -EIO);
	mirror_fail(&host_2, 1, -EIO);
	assert_int_equal(rig_unmap(*state, 1, 0, 0xfff), DEVERR);
	assert_int_equal(host_1.count, 0);
	assert_int_equal(host_2.count, 3);
	assert_int_equal(rig_dma(space_1, 0, DMA_READ), -EFAULT);
	host_1.fail_at = 0;
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_int_equal(host_1.count, 3);
}

TEST_WITH(a_domain_dies_with_the_last_host_that_is_torn_off, start_attached, stop)
{
	host_1.fail_on = host_2.fail_on = true;
	/* The 2nd unmap fails; undoing the 1st fails on both. */
	mirror_fail(&host_1, 2, -EIO);
	mirror_fail(&host_2, 2, -EIO);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), DEVERR);
	assert_int_equal(host_1.count + host_2.count, 0);
	assert_int_equal(rig_counters(*state).mappings, 0);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), VIRTIO_IOMMU_S_NOENT);
}

TEST_WITH(a_replay_that_fails_restores_the_old_attachment, start_attached, stop)
{
	assert_int_equal(rig_attach(*state, 2, HOST_1, 0), OK);
	assert_int_equal(rig_map(*state, 2, 0x20000, 0x20fff, 0x100000, READ_WRITE), OK);
	mirror_fail(&host_1, 2, -ENOMEM);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), NOMEM);
	assert_int_equal(host_1.count, 1);
	assert_true(mirror_has(&host_1, 0x20000));
	assert_int_equal(rig_dma(space_1, 0x20000, DMA_READ), 0);
	assert_int_equal(rig_dma(space_1, 0, DMA_READ), -EFAULT);
}

TEST_WITH(a_replay_and_a_restoring_that_fail_end_detached, start_attached, stop)
{
	assert_int_equal(rig_attach(*state, 2, HOST_1, 0), OK);
	assert_int_equal(rig_map(*state, 2, 0x20000, 0x20fff, 0x100000, READ_WRITE), OK);
	host_1.fail_on = true;
	mirror_fail(&host_1, 1, -ENOMEM);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), DEVERR);
	assert_int_equal(host_1.count, 0);
	assert_int_equal(rig_dma(space_1, 0x20000, DMA_READ), -EFAULT);
	assert_int_equal(rig_unmap(*state, 2, 0, UINT64_MAX), VIRTIO_IOMMU_S_NOENT);
}

TEST_WITH(a_host_without_room_is_not_touched_by_a_move, start_attached, stop)
{
	unsigned calls;

	assert_int_equal(rig_attach(*state, 2, HOST_1, 0), OK);
	assert_int_equal(rig_map(*state, 2, 0x20000, 0x20fff, 0x100000, READ_WRITE), OK);
	host_1.room = 2;
	calls = host_1.calls;
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), NOMEM);
	assert_int_equal(host_1.calls, calls);
	assert_true(mirror_has(&host_1, 0x20000));
	/* What the move itself gives back counts as room. */
	host_1.room = 3;
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
}

TEST_WITH(bypass_goes_to_the_host, start_bypassing, stop)
{
	assert_true(host_1.bypass && host_2.bypass);
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_false(host_1.bypass);
	assert_int_equal(rig_detach(*state, 1, HOST_1), OK);
	assert_true(host_1.bypass);
	wire_config_write(the_rig.vm, 0, 36, 0, 1);
	assert_false(host_1.bypass || host_2.bypass);
	assert_int_equal(rig_attach(*state, 1, HOST_1, VIRTIO_IOMMU_ATTACH_F_BYPASS), OK);
	assert_true(host_1.bypass);
	rig_restart(*state, ALL_FEATURES);
	assert_false(host_1.bypass);
}

TEST_WITH(a_bypass_that_the_host_refuses_needs_a_reset, start, stop)
{
	mirror_fail(&host_2, 1, -ENOMEM);
	wire_config_write(the_rig.vm, 0, 36, 1, 1);
	assert_true(wire_needs_reset(the_rig.vm, 0));
	assert_true(host_1.bypass);
	assert_false(host_2.bypass);
}

TEST_WITH(a_reset_empties_the_hosts, start_attached, stop)
{
	rig_restart(*state, ALL_FEATURES);
	assert_int_equal(host_1.count + host_2.count, 0);
}

/* ---- what the user is told ---- */

TEST_WITH(a_guest_without_the_driver_is_explained_in_one_line_for_each_device, start, stop)
{
	char text[4096], *second;

	catch_stderr();
	for (unsigned i = 0; i < 100; i++) {
		rig_dma(the_rig.a, 0x1000, DMA_READ);
		rig_dma(the_rig.b, 0x2000, DMA_WRITE);
	}
	caught_stderr(text, sizeof(text));
	second = strchr(text, '\n') + 1;
	assert_ptr_equal(strchr(second, '\n'), text + strlen(text) - 1);
	assert_non_null(strstr(second, "warning: b: "));
	assert_non_null(strstr(second, "a write at 0x2000"));
	assert_non_null(strstr(second, "--viommu bypass=on"));
	second[-1] = '\0';
	assert_non_null(strstr(text, "warning: a: "));
	assert_non_null(strstr(text, "a read at 0x1000"));
	assert_non_null(strstr(text, "--viommu bypass=on"));
	assert_non_null(strstr(text, "virtio_iommu"));
}

TEST_WITH(a_device_in_bypass_is_not_told_to_bypass, start_bypassing, stop)
{
	unsigned lines = 0;
	char text[4096];

	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), 0);
	catch_stderr();
	for (unsigned i = 0; i < 3; i++)
		rig_dma(the_rig.a, 0x500000000, DMA_READ);
	caught_stderr(text, sizeof(text));
	assert_null(strstr(text, "bypass=on"));
	assert_non_null(strstr(text, "warning: a: a read at 0x500000000"));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 3);
}

TEST_WITH(a_refusal_after_the_guest_ended_boot_bypass_says_the_address_alone, start_bypassing, stop)
{
	char text[4096];

	rig_dma(the_rig.a, 0x500000000, DMA_READ);
	wire_config_write(the_rig.vm, 0, offsetof(struct virtio_iommu_config, bypass), 0, 1);
	catch_stderr();
	assert_int_equal(rig_dma(the_rig.a, 0x1000, DMA_READ), -EFAULT);
	caught_stderr(text, sizeof(text));
	assert_non_null(strstr(text, "a: the IOMMU refused a read at 0x1000"));
	assert_null(strstr(text, "bypass=on"));
}

/* ---- the end ---- */

TEST_WITH(the_end_gives_an_attached_device_nothing, start_bypassing, NULL)
{
	struct rig *rig = *state;
	unsigned calls;

	assert_true(host_1.bypass && host_2.bypass);
	assert_int_equal(rig_attach(rig, 1, HOST_1, 0), OK);
	assert_int_equal(rig_map(rig, 1, 0x1000, 0x1fff, 0, READ_WRITE), OK);
	assert_true(host_1.count == 1 && !host_1.bypass);
	calls = host_1.calls + host_2.calls;
	rig_destroy(rig);
	assert_int_equal(host_1.calls + host_2.calls, calls);
	assert_int_equal(host_1.count, 0);
	assert_false(host_1.bypass);
}

TEST_WITH(a_reset_gives_an_attached_device_its_boot_bypass_again, start_bypassing, stop)
{
	assert_int_equal(rig_attach(*state, 1, HOST_1, 0), OK);
	assert_false(host_1.bypass);
	rig_restart(*state, ALL_FEATURES);
	assert_true(host_1.bypass && host_2.bypass);
	assert_int_equal(rig_dma(space_1, 0x1000, DMA_READ), 0);
}

TEST_WITH(faults_of_a_guest_do_not_fill_the_log, start, stop)
{
	unsigned lines = 0;
	char text[16384];

	assert_int_equal(rig_attach(*state, 1, ENDPOINT_A, 0), OK);
	catch_stderr();
	for (unsigned i = 0; i < 10000; i++)
		rig_dma(the_rig.a, 0x1000, DMA_READ);
	caught_stderr(text, sizeof(text));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_in_range(lines, 1, 2 * LOG_LIMIT_BURST);
}

/* ---- endpoints that the host cannot tell apart ---- */

#define TWIN_1 0x20u
#define TWIN_2 0x21u

static struct mirror twins;

/* Two endpoints with one listener, in domain 1, which has a mapping. */
static int start_twins(void **state)
{
	mirror_init(&twins);
	rig_create(&the_rig, NULL);
	space_1 = rig_add_mirror(&the_rig, TWIN_1, &twins);
	rig_add_mirror(&the_rig, TWIN_2, &twins);
	rig_start(&the_rig, ALL_FEATURES);
	*state = &the_rig;
	assert_int_equal(rig_attach(*state, 1, TWIN_1, 0), OK);
	assert_int_equal(rig_attach(*state, 1, TWIN_2, 0), OK);
	assert_int_equal(rig_map(*state, 1, 0x1000, 0x1fff, 0, READ_WRITE), OK);
	return 0;
}

TEST_WITH(a_group_gets_each_change_once, start_twins, stop)
{
	assert_int_equal(twins.count, 1);
	assert_int_equal(rig_detach(*state, 1, TWIN_1), OK);
	assert_int_equal(twins.count, 1);
	assert_int_equal(rig_unmap(*state, 1, 0, UINT64_MAX), OK);
	assert_int_equal(twins.count, 0);
	assert_int_equal(rig_detach(*state, 1, TWIN_2), OK);
}

TEST_WITH(a_group_whose_members_disagree_reaches_nothing, start_twins, stop)
{
	assert_int_equal(rig_attach(*state, 2, TWIN_1, 0), OK);
	assert_int_equal(twins.count, 0);
	assert_int_equal(rig_map(*state, 2, 0x5000, 0x5fff, 0, READ_WRITE), OK);
	assert_int_equal(rig_map(*state, 1, 0x6000, 0x6fff, 0, READ_WRITE), OK);
	assert_int_equal(twins.count, 0);
	assert_int_equal(rig_attach(*state, 2, TWIN_2, 0), OK);
	assert_true(twins.count == 1 && mirror_has(&twins, 0x5000));
}

TEST_WITH(a_group_follows_the_member_that_stays, start_twins, stop)
{
	assert_int_equal(rig_attach(*state, 2, TWIN_1, 0), OK);
	assert_int_equal(rig_detach(*state, 2, TWIN_1), OK);
	assert_true(twins.count == 1 && mirror_has(&twins, 0x1000));
	mirror_fail(&twins, 1, -EIO);
	assert_int_equal(rig_attach(*state, 2, TWIN_1, 0), OK);
	assert_int_equal(rig_detach(*state, 2, TWIN_1), DEVERR);
	/* Nobody is where the host is not. */
	assert_int_equal(rig_detach(*state, 1, TWIN_2), INVAL);
	assert_int_equal(twins.count, 0);
}

TEST_WITH(a_move_of_a_group_that_the_host_refuses_leaves_it_whole, start_twins, stop)
{
	assert_int_equal(rig_attach(*state, 2, TWIN_1, 0), OK);
	assert_int_equal(rig_map(*state, 2, 0x5000, 0x5fff, 0, READ_WRITE), OK);
	mirror_fail(&twins, 1, -ENOSPC);
	assert_int_equal(rig_attach(*state, 2, TWIN_2, 0), NOMEM);
	assert_int_equal(twins.count, 0);
	assert_int_equal(rig_attach(*state, 1, TWIN_1, 0), OK);
	assert_true(twins.count == 1 && mirror_has(&twins, 0x1000));
}
