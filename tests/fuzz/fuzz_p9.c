/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 9P2000.L messages by a hostile guest, on a real folder. An input is a sequence of messages:
 * length, type, room for the answer in units of 16 bytes, an error in the size that it says of
 * itself, and as many bytes of arguments. Fid 0 is attached.
 */
#include <stdlib.h>
#include <string.h>

#include "folder/p9.h"
#include "folder_box.h"

struct sender {
	struct p9 *p9;
	struct p9_scratch *scratch;
	u8 message[BOX_MESSAGE], answer[BOX_MESSAGE + 1];
};

static void send_message(struct sender *sender, u8 type, s8 error, const u8 *args, size_t len,
			 size_t room)
{
	u32 size = P9_HEADER + len + error, have = P9_HEADER + len;
	struct iovec in[2], out[2];
	struct p9_message message = { .in = in, .in_count = 2, .out = out, .out_count = 2 };
	size_t got;

	memcpy(sender->message, &size, 4);
	sender->message[4] = type;
	sender->message[5] = 1;
	sender->message[6] = 0;
	memcpy(sender->message + P9_HEADER, args, len);
	in[0] = (struct iovec){ sender->message, have / 2 };
	in[1] = (struct iovec){ sender->message + have / 2, have - have / 2 };
	out[0] = (struct iovec){ sender->answer, room / 3 };
	out[1] = (struct iovec){ sender->answer + room / 3, room - room / 3 };
	sender->answer[room] = 0xee;
	p9_begin(sender->p9, &message);
	got = p9_serve(sender->p9, sender->scratch, &message);
	if (got > room || sender->answer[room] != 0xee)
		abort();
	memcpy(&size, sender->answer, 4);
	if (got && (size != got || (sender->answer[4] != 7 && sender->answer[4] != type + 1)))
		abort();
}

static void play(struct folder *folder, const u8 *data, size_t size)
{
	static const u8 version[] = { 0, 0, 1, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L' };
	static const u8 attach[] = { 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender || p9_create(&sender->p9, folder))
		abort();
	sender->scratch = p9_scratch_create();
	send_message(sender, 100, 0, version, sizeof(version), 256);
	send_message(sender, 104, 0, attach, sizeof(attach), 256);
	while (size >= 4) {
		size_t len = MIN(data[0], size - 4);

		send_message(sender, data[1], data[3] > 250 ? (s8)data[3] : 0, data + 4, len,
			     data[2] * 16);
		data += 4 + len;
		size -= 4 + len;
	}
	p9_destroy(sender->p9);
	p9_scratch_destroy(sender->scratch);
	free(sender);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	box_play(data, size, play);
	return 0;
}
