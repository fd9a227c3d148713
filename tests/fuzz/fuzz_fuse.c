/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE messages by a hostile guest, on a real folder. An input is a sequence of messages: length,
 * opcode, node, room for the answer in units of 16 bytes, and as many bytes of arguments. What
 * earlier answers gave (nodes, handles) is often what later ones name, as they are small numbers.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "folder/fuse.h"
#include "folder_box.h"

struct sender {
	struct fuse fuse;
	struct fuse_scratch *scratch;
	u8 message[BOX_MESSAGE], answer[BOX_MESSAGE + 1];
};

static void send_message(struct sender *sender, u8 opcode, u64 node, const u8 *args, size_t len,
			 size_t room)
{
	struct fuse_in_header head = { .opcode = opcode, .unique = 7, .nodeid = node };
	struct iovec in[2], out[2];
	size_t got;

	head.len = sizeof(head) + len;
	memcpy(sender->message, &head, sizeof(head));
	memcpy(sender->message + sizeof(head), args, len);
	/* Cut somewhere, so that no copy is within one piece. */
	in[0] = (struct iovec){ sender->message, head.len / 2 };
	in[1] = (struct iovec){ sender->message + head.len / 2, head.len - head.len / 2 };
	out[0] = (struct iovec){ sender->answer, room / 3 };
	out[1] = (struct iovec){ sender->answer + room / 3, room - room / 3 };
	sender->answer[room] = 0xee;
	got = fuse_serve(&sender->fuse, sender->scratch, in, 2, out, 2);
	if (got > room || sender->answer[room] != 0xee)
		abort();
	if (got) {
		struct fuse_out_header answer;

		memcpy(&answer, sender->answer, sizeof(answer));
		if (answer.len != got || answer.error > 0 || answer.error < -511)
			abort();
	}
}

static void play(struct folder *folder, const u8 *data, size_t size)
{
	const struct fuse_init_in init = { .major = 7, .minor = 38, .flags = ~0u };
	const struct fuse_options options = { .cache = FUSE_CACHE_AUTO, .writeback = size & 1 };
	struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		abort();
	sender->scratch = fuse_scratch_create();
	fuse_init(&sender->fuse, folder, &options);
	send_message(sender, FUSE_INIT, 0, (const u8 *)&init, sizeof(init), 256);
	while (size >= 4) {
		size_t len = MIN(data[0], size - 4);

		send_message(sender, data[1] % 56, data[2], data + 4, len, data[3] * 16);
		data += 4 + len;
		size -= 4 + len;
	}
	fuse_scratch_destroy(sender->scratch);
	free(sender);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	box_play(data, size, play);
	return 0;
}
