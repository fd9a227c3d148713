/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "oneshot/verdict.h"

#define MOST_ERRNO  4095
#define MOST_SIGNAL 64
#define MOST_STATUS 255

/* What may come, and when: at @from, and up to @until. */
static const struct rule {
	enum oneshot_type type;
	enum verdict_stage from, until, to;
	u32 least, most; /* of the value */
	bool has_text;
} rules[] = {
	{ ONESHOT_READY, VERDICT_BOOTING, VERDICT_BOOTING, VERDICT_READY, ONESHOT_VERSION,
	  ONESHOT_VERSION },
	{ ONESHOT_STARTED, VERDICT_READY, VERDICT_READY, VERDICT_RUNS, 0, 0 },
	{ ONESHOT_FAILED, VERDICT_BOOTING, VERDICT_READY, VERDICT_FAILED, 0, MOST_ERRNO, true },
	{ ONESHOT_NO_COMMAND, VERDICT_READY, VERDICT_READY, VERDICT_NO_COMMAND, 1, MOST_ERRNO,
	  true },
	{ ONESHOT_EXITED, VERDICT_RUNS, VERDICT_RUNS, VERDICT_EXITED, 0, MOST_STATUS },
	{ ONESHOT_KILLED, VERDICT_RUNS, VERDICT_RUNS, VERDICT_KILLED, 1, MOST_SIGNAL },
};

/* It is shown to people, on their terminals. */
static void take_text(struct verdict *verdict, const char *text)
{
	unsigned len = 0;

	for (; len < ONESHOT_TEXT - 1 && text[len]; len++)
		verdict->text[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
	verdict->text[len] = '\0';
}

static void judge(struct verdict *verdict)
{
	const struct oneshot_message *message = &verdict->in.message;

	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *rule = &rules[i];

		if (message->type != rule->type || verdict->stage < rule->from ||
		    verdict->stage > rule->until || message->value < rule->least ||
		    message->value > rule->most)
			continue;
		verdict->stage = rule->to;
		verdict->value = message->value;
		if (rule->has_text)
			take_text(verdict, message->text);
		return;
	}
	verdict->stage = VERDICT_NONSENSE;
}

size_t verdict_take(struct verdict *verdict, const void *data, size_t len)
{
	if (verdict_is_end(verdict))
		return len;
	len = MIN(len, sizeof(verdict->in) - verdict->have);
	memcpy(verdict->in.bytes + verdict->have, data, len);
	verdict->have += len;
	if (verdict->have == sizeof(verdict->in)) {
		verdict->have = 0;
		judge(verdict);
	}
	return len;
}
