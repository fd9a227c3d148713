/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a one-shot run's guest says on its control channel, in pieces of any size: each byte is
 * looked at once, an end stays as it is, and what is kept of it is within bounds and fit to be
 * shown.
 */
#include <string.h>

#include "oneshot/verdict.h"
#include "shim.h"

static void check_text(const struct verdict *verdict)
{
	size_t len = strnlen(verdict->text, sizeof(verdict->text));

	fuzz_check(len < sizeof(verdict->text));
	for (size_t i = 0; i < len; i++)
		fuzz_check(verdict->text[i] >= ' ' && verdict->text[i] <= '~');
}

static void check(const struct verdict *verdict)
{
	fuzz_check(verdict->stage <= VERDICT_NONSENSE);
	fuzz_check(verdict->have < sizeof(verdict->in));
	fuzz_check(verdict->stage != VERDICT_EXITED || verdict->value <= 255);
	fuzz_check(verdict->stage != VERDICT_KILLED ||
		   (verdict->value >= 1 && verdict->value <= 64));
	fuzz_check((verdict->stage != VERDICT_FAILED && verdict->stage != VERDICT_NO_COMMAND) ||
		   verdict->value <= 4095);
	check_text(verdict);
}

/* The first byte says how long pieces are. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct verdict verdict = { .stage = VERDICT_BOOTING }, before;
	size_t piece = size ? data[0] + 1u : 1, at = 1;

	while (at < size) {
		size_t len = MIN(piece, size - at), taken;

		before = verdict;
		taken = verdict_take(&verdict, data + at, len);
		fuzz_check(taken >= 1 && taken <= len);
		fuzz_check(!verdict_is_end(&before) || !memcmp(&before, &verdict, sizeof(before)));
		fuzz_check(verdict.stage >= before.stage);
		check(&verdict);
		at += taken;
	}
	return 0;
}
