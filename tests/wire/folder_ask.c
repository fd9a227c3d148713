/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmocka_all.h"
#include "folder_ask.h"

#define PAGE 4096u

static unsigned cut(struct wire_segment *segments, gpa_t at, u32 len, bool writable)
{
	unsigned count = 0;

	for (u32 done = 0; done < len; done += PAGE, count++)
		segments[count] = (struct wire_segment){ at + done, MIN(PAGE, len - done),
							 writable };
	return count;
}

u32 folder_ask(struct wire_queue *queue, const void *message, u32 len, void *answer, u32 room)
{
	struct wire_segment segments[64];
	unsigned count = cut(segments, FOLDER_ASK_IN, len, false);
	u32 got;

	count += cut(segments + count, FOLDER_ASK_OUT, room, true);
	wire_write(queue->vm, FOLDER_ASK_IN, message, len);
	wire_add(queue, segments, count);
	wire_kick(queue);
	assert_true(wire_used(queue, NULL, &got));
	assert_true(got <= room);
	if (got)
		wire_read(queue->vm, FOLDER_ASK_OUT, answer, got);
	return got;
}
