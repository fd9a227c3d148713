/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest's init says on its control channel, put together and judged. It is the guest's, so
 * nothing of it is believed before it was looked at: each message is copied whole, and must be one
 * that may come then, with a value that it may have.
 */
#ifndef ONESHOT_VERDICT_H
#define ONESHOT_VERDICT_H

#include "oneshot/protocol.h"
#include "util/types.h"

/* How far it has come. The last five are ends. */
enum verdict_stage {
	VERDICT_BOOTING, /* nothing was said */
	VERDICT_READY,	 /* init is there */
	VERDICT_RUNS,	 /* the command runs */
	VERDICT_EXITED,
	VERDICT_KILLED,
	VERDICT_NO_COMMAND, /* it cannot be run */
	VERDICT_FAILED,	    /* init could not go on */
	VERDICT_NONSENSE,   /* the guest broke the protocol */
};

/* Zeroed to begin with. */
struct verdict {
	enum verdict_stage stage;
	u32 value;		 /* the command's status, the signal, or an errno */
	char text[ONESHOT_TEXT]; /* printable; with NO_COMMAND and FAILED */
	union {
		struct oneshot_message message;
		u8 bytes[sizeof(struct oneshot_message)];
	} in; /* what has come of the next message */
	u32 have;
};

/*
 * @len bytes have come: how many of them were looked at, which is up to the end of one message.
 * Whoever wants to know each stage calls it until none are left. Nothing changes after an end.
 */
size_t verdict_take(struct verdict *verdict, const void *data, size_t len);

static inline bool verdict_is_end(const struct verdict *verdict)
{
	return verdict->stage >= VERDICT_EXITED;
}

#endif
