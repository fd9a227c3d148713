/* SPDX-License-Identifier: BSD-2-Clause */
#include "../../vmm/hang_judge.h"
#include "test.h"

static const struct vcpu_state spins = { .pc = 0xffffffff81000010, .digest = 1, .high = true };
static const struct vcpu_state program = { .pc = 0x401000, .digest = 1, .user = true };
static const struct vcpu_state waits = { .pc = 0xffffffff81000010, .high = true, .waiting = true };
static const struct vcpu_state off = { .pc = 0xffffffff81000010, .masked = true, .off = true };

/* @count looks, each with other registers if @works. */
static void look(struct hang_vcpu *vcpu, struct vcpu_state state, bool works, unsigned count)
{
	static u64 next = 1000;

	for (unsigned i = 0; i < count; i++) {
		if (works)
			state.digest = next++;
		hang_vcpu_look(vcpu, &state, true);
	}
}

TEST(a_kernel_whose_registers_come_again_is_stuck)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, spins, false, HANG_LOOKS - 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
	look(&vcpu, spins, false, 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_STUCK);
}

TEST(a_loop_of_a_few_states_with_interrupts_between_is_stuck)
{
	struct hang_vcpu vcpu = { .count = 0 };
	struct vcpu_state turn = spins;

	for (unsigned i = 0; i < HANG_LOOKS - 4; i++) {
		turn.digest = i % 3;
		look(&vcpu, turn, false, 1);
	}
	look(&vcpu, spins, true, 4);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_STUCK);
}

TEST(a_kernel_that_works_is_busy)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, spins, true, 10 * HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
}

TEST(a_program_is_busy_however_small_its_loop)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, program, false, 10 * HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
	/* Of which one look is enough. */
	look(&vcpu, spins, false, HANG_LOOKS - 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
}

TEST(a_kernel_that_had_interrupts_on_and_has_them_off_is_stuck)
{
	struct hang_vcpu vcpu = { .count = 0 };
	struct vcpu_state masked = spins;

	masked.masked = true;
	look(&vcpu, masked, true, HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
	look(&vcpu, spins, true, 1);
	look(&vcpu, masked, true, HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_STUCK);
}

TEST(what_unpacks_a_kernel_in_low_memory_is_busy)
{
	struct hang_vcpu vcpu = { .was_open = true };
	const struct vcpu_state low = { .pc = 0x1000000, .masked = true };

	look(&vcpu, low, true, HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
}

TEST(one_that_waits_now_and_then_is_idle)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, waits, false, 1);
	look(&vcpu, spins, false, HANG_LOOKS - 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_IDLE);
}

TEST(one_that_is_off_all_the_time_is_off)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, off, false, HANG_LOOKS);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_OFF);
	look(&vcpu, spins, false, 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
}

TEST(a_look_at_one_that_the_host_did_not_run_does_not_count)
{
	struct hang_vcpu vcpu = { .count = 0 };

	for (unsigned i = 0; i < 100 * HANG_LOOKS; i++)
		assert_false(hang_vcpu_look(&vcpu, &spins, false));
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
	/* Waiting takes no time of the host's. */
	assert_true(hang_vcpu_look(&vcpu, &waits, false));
}

TEST(what_the_guest_does_begins_the_time_anew)
{
	struct hang_vcpu vcpu = { .count = 0 };

	look(&vcpu, spins, false, HANG_LOOKS - 1);
	hang_vcpu_forget(&vcpu);
	look(&vcpu, spins, false, HANG_LOOKS - 1);
	assert_int_equal(hang_vcpu_standing(&vcpu), HANG_BUSY);
}

TEST(a_guest_hangs_if_one_is_stuck_and_none_is_busy)
{
	const enum hang_standing one[] = { HANG_IDLE, HANG_STUCK, HANG_OFF };
	const enum hang_standing busy[] = { HANG_IDLE, HANG_STUCK, HANG_BUSY };

	assert_true(hang_judge(one, 3, false));
	assert_false(hang_judge(busy, 3, true));
}

TEST(a_guest_of_which_all_are_off_hangs)
{
	const enum hang_standing all[] = { HANG_OFF, HANG_OFF };

	assert_true(hang_judge(all, 2, false));
}

TEST(an_idle_guest_hangs_only_if_that_was_asked_for)
{
	const enum hang_standing all[] = { HANG_IDLE, HANG_OFF };

	assert_false(hang_judge(all, 2, false));
	assert_true(hang_judge(all, 2, true));
}
