/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "oneshot/verdict.h"
#include "test.h"

static void say(struct verdict *verdict, u32 type, u32 value, const char *text)
{
	struct oneshot_message message = { .type = type, .value = value };

	strncpy(message.text, text, sizeof(message.text));
	for (size_t at = 0; at < sizeof(message);)
		at += verdict_take(verdict, (char *)&message + at, sizeof(message) - at);
}

static enum verdict_stage stage_after(u32 type, u32 value)
{
	struct verdict verdict = { .stage = VERDICT_BOOTING };

	say(&verdict, ONESHOT_READY, ONESHOT_VERSION, "");
	say(&verdict, ONESHOT_STARTED, 0, "");
	say(&verdict, type, value, "");
	return verdict.stage;
}

TEST(a_command_that_ran_has_a_status)
{
	struct verdict verdict = { .stage = VERDICT_BOOTING };

	say(&verdict, ONESHOT_READY, ONESHOT_VERSION, "");
	assert_int_equal(verdict.stage, VERDICT_READY);
	say(&verdict, ONESHOT_STARTED, 0, "");
	assert_int_equal(verdict.stage, VERDICT_RUNS);
	say(&verdict, ONESHOT_EXITED, 7, "");
	assert_int_equal(verdict.stage, VERDICT_EXITED);
	assert_int_equal(verdict.value, 7);
	/* And keeps it. */
	say(&verdict, ONESHOT_EXITED, 0, "");
	assert_int_equal(verdict.value, 7);
}

TEST(a_message_may_come_in_any_pieces)
{
	struct oneshot_message messages[] = { { ONESHOT_READY, ONESHOT_VERSION, "" },
					      { ONESHOT_STARTED, 0, "" },
					      { ONESHOT_KILLED, 9, "" } };

	for (size_t piece = 1; piece < sizeof(messages); piece++) {
		struct verdict verdict = { .stage = VERDICT_BOOTING };

		for (size_t at = 0; at < sizeof(messages);)
			at += verdict_take(&verdict, (char *)messages + at,
					   MIN(piece, sizeof(messages) - at));
		assert_int_equal(verdict.stage, VERDICT_KILLED);
		assert_int_equal(verdict.value, 9);
	}
}

TEST(values_that_no_kernel_gives_are_nonsense)
{
	assert_int_equal(stage_after(ONESHOT_EXITED, 255), VERDICT_EXITED);
	assert_int_equal(stage_after(ONESHOT_EXITED, 256), VERDICT_NONSENSE);
	assert_int_equal(stage_after(ONESHOT_EXITED, UINT32_MAX), VERDICT_NONSENSE);
	assert_int_equal(stage_after(ONESHOT_KILLED, 0), VERDICT_NONSENSE);
	assert_int_equal(stage_after(ONESHOT_KILLED, 64), VERDICT_KILLED);
	assert_int_equal(stage_after(ONESHOT_KILLED, 65), VERDICT_NONSENSE);
	assert_int_equal(stage_after(0, 0), VERDICT_NONSENSE);
	assert_int_equal(stage_after(UINT32_MAX, 0), VERDICT_NONSENSE);
}

TEST(messages_out_of_their_order_are_nonsense)
{
	struct verdict early = { .stage = VERDICT_BOOTING }, other = early, late = early;

	say(&early, ONESHOT_EXITED, 0, "");
	assert_int_equal(early.stage, VERDICT_NONSENSE);
	say(&other, ONESHOT_READY, ONESHOT_VERSION + 1, "");
	assert_int_equal(other.stage, VERDICT_NONSENSE);
	say(&late, ONESHOT_READY, ONESHOT_VERSION, "");
	say(&late, ONESHOT_READY, ONESHOT_VERSION, "");
	assert_int_equal(late.stage, VERDICT_NONSENSE);
	assert_int_equal(stage_after(ONESHOT_FAILED, ENOENT), VERDICT_NONSENSE);
	assert_int_equal(stage_after(ONESHOT_NO_COMMAND, ENOENT), VERDICT_NONSENSE);
	/* What the host says is not the guest's to say. */
	assert_int_equal(stage_after(ONESHOT_BYE, 0), VERDICT_NONSENSE);
}

TEST(a_text_of_the_guests_cannot_steer_a_terminal)
{
	struct verdict verdict = { .stage = VERDICT_BOOTING };
	char text[ONESHOT_TEXT];

	say(&verdict, ONESHOT_FAILED, ENODEV, "no\x1b[2Jvsock\n\xff");
	assert_string_equal(verdict.text, "no?[2Jvsock??");
	/* Nor be without an end. */
	verdict = (struct verdict){ .stage = VERDICT_BOOTING };
	memset(text, 'x', sizeof(text));
	say(&verdict, ONESHOT_FAILED, ENODEV, text);
	assert_int_equal(strlen(verdict.text), ONESHOT_TEXT - 1);
}
