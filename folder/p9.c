/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages: taken apart, handed to their operation, answered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p9_private.h"
#include "util/iov.h"

#define VERSION	  "9P2000.L"
#define MIN_MSIZE 4096u

int p9_create(struct p9 **out, struct folder *folder)
{
	struct p9 *p9 = calloc(1, sizeof(*p9));

	if (!p9)
		return -ENOMEM;
	p9->folder = folder;
	pthread_mutex_init(&p9->lock, NULL);
	pthread_cond_init(&p9->served, NULL);
	list_init(&p9->messages);
	*out = p9;
	return 0;
}

void p9_reset(struct p9 *p9)
{
	fid_remove_all(p9);
	p9->msize = 0;
}

void p9_destroy(struct p9 *p9)
{
	if (!p9)
		return;
	p9_reset(p9);
	pthread_cond_destroy(&p9->served);
	pthread_mutex_destroy(&p9->lock);
	free(p9);
}

struct p9_scratch *p9_scratch_create(void)
{
	return malloc(sizeof(struct p9_scratch));
}

void p9_scratch_destroy(struct p9_scratch *scratch)
{
	free(scratch);
}

/* ---- the session ---- */

/* "version": a new one ends the session that there was. */
static int op_version(struct p9_call *call)
{
	u32 msize = p9_take_u32(call);
	const char *version = p9_take_string(call);
	bool known = !strcmp(version, VERSION);

	if (call->short_args || msize < MIN_MSIZE)
		return -EINVAL;
	p9_reset(call->p9);
	msize = MIN(msize, P9_MAX_SIZE);
	call->p9->msize = known ? msize : 0;
	p9_give_u32(call, msize);
	version = known ? VERSION : "unknown";
	p9_give_string(call, version, strlen(version));
	return 0;
}

static int op_auth(struct p9_call *call)
{
	return -EOPNOTSUPP;
}

static bool is_under_way(struct p9 *p9, u16 tag, u64 before)
{
	struct list_node *node;

	list_for_each(node, &p9->messages) {
		struct p9_message *message = list_entry(node, struct p9_message, node);

		if (message->tag == tag && message->number < before)
			return true;
	}
	return false;
}

/*
 * "flush": its answer says that the old message's buffers are free again, so that one is
 * answered first. The old message does not wait for us: what waits are flushes alone, for older
 * ones.
 */
static int op_flush(struct p9_call *call)
{
	struct p9 *p9 = call->p9;
	u16 tag = p9_take_u16(call);

	pthread_mutex_lock(&p9->lock);
	while (is_under_way(p9, tag, call->message->number))
		pthread_cond_wait(&p9->served, &p9->lock);
	pthread_mutex_unlock(&p9->lock);
	return 0;
}

static p9_op *const operations[] = {
	[P9_TVERSION] = op_version,
	[P9_TAUTH] = op_auth,
	[P9_TFLUSH] = op_flush,
	[P9_TATTACH] = p9_op_attach,
	[P9_TWALK] = p9_op_walk,
	[P9_TCLUNK] = p9_op_clunk,
	[P9_TSTATFS] = p9_op_statfs,
	[P9_TGETATTR] = p9_op_getattr,
	[P9_TSETATTR] = p9_op_setattr,
	[P9_TSYMLINK] = p9_op_symlink,
	[P9_TREADLINK] = p9_op_readlink,
	[P9_TMKNOD] = p9_op_mknod,
	[P9_TMKDIR] = p9_op_mkdir,
	[P9_TLINK] = p9_op_link,
	[P9_TRENAME] = p9_op_rename,
	[P9_TRENAMEAT] = p9_op_renameat,
	[P9_TUNLINKAT] = p9_op_unlinkat,
	[P9_TREMOVE] = p9_op_remove,
	[P9_TLOPEN] = p9_op_lopen,
	[P9_TLCREATE] = p9_op_lcreate,
	[P9_TREAD] = p9_op_read,
	[P9_TWRITE] = p9_op_write,
	[P9_TREADDIR] = p9_op_readdir,
	[P9_TFSYNC] = p9_op_fsync,
	[P9_TLOCK] = p9_op_lock,
	[P9_TGETLOCK] = p9_op_getlock,
	[P9_TXATTRWALK] = p9_op_xattrwalk,
	[P9_TXATTRCREATE] = p9_op_xattrcreate,
};

/* ---- messages ---- */

struct header {
	u32 size;
	u8 type;
	u16 tag;
};

static bool read_header(const struct p9_message *message, struct header *header)
{
	u8 raw[P9_HEADER];

	if (iov_read(message->in, message->in_count, 0, raw, sizeof(raw)) < sizeof(raw))
		return false;
	header->size = raw[0] | raw[1] << 8 | raw[2] << 16 | (u32)raw[3] << 24;
	header->type = raw[4];
	header->tag = raw[5] | raw[6] << 8;
	return true;
}

void p9_begin(struct p9 *p9, struct p9_message *message)
{
	struct header header = { 0 };

	read_header(message, &header);
	message->tag = header.tag;
	pthread_mutex_lock(&p9->lock);
	message->number = p9->begun++;
	list_add_tail(&p9->messages, &message->node);
	pthread_mutex_unlock(&p9->lock);
}

void p9_abandon(struct p9 *p9, struct p9_message *message)
{
	pthread_mutex_lock(&p9->lock);
	list_del(&message->node);
	pthread_cond_broadcast(&p9->served);
	pthread_mutex_unlock(&p9->lock);
}

static void put_header(struct p9_call *call, u8 type, size_t len)
{
	u32 size = P9_HEADER + len;
	u16 tag = call->message->tag;
	u8 raw[P9_HEADER] = { size, size >> 8, size >> 16, size >> 24, type, tag, tag >> 8 };

	iov_write(call->message->out, call->message->out_count, 0, raw, sizeof(raw));
}

static size_t answer(struct p9_call *call, u8 type, int error)
{
	const struct p9_message *message = call->message;

	if (!error && call->overflow)
		error = -EIO;
	if (error) {
		call->reply_len = call->direct = 0;
		call->overflow = false;
		p9_give_u32(call, -error);
		type = P9_RLERROR;
	} else {
		type++;
	}
	iov_write(message->out, message->out_count, P9_HEADER, call->scratch->reply,
		  call->reply_len);
	put_header(call, type, call->reply_len + call->direct);
	return P9_HEADER + call->reply_len + call->direct;
}

static int serve(struct p9_call *call, const struct header *header)
{
	p9_op *op = header->type < ARRAY_SIZE(operations) ? operations[header->type] : NULL;
	size_t have = iov_length(call->message->in, call->message->in_count);
	int ret;

	if (!op)
		return -EOPNOTSUPP;
	if (header->size > have || header->size < P9_HEADER || header->size > P9_MAX_SIZE)
		return -EINVAL;
	if (!call->p9->msize && op != op_version)
		return -EPROTO;
	/* Before 4.19 Linux's size of a Twrite left out the data, where these are not copied. */
	call->size = op == p9_op_write ? MIN(have, (size_t)P9_MAX_SIZE) : header->size;
	call->args_len = header->size - P9_HEADER;
	if (op == p9_op_write)
		call->args_len = MIN(call->args_len, P9_WRITE_HEADER - P9_HEADER);
	if (call->args_len > P9_ARGS_SIZE)
		return -EINVAL;
	call->args = call->scratch->args;
	call->args_len = iov_read(call->message->in, call->message->in_count, P9_HEADER,
				  call->scratch->args, call->args_len);
	ret = op(call);
	folder_note_error(call->folder, ret);
	return call->short_args ? -EINVAL : ret;
}

size_t p9_serve(struct p9 *p9, struct p9_scratch *scratch, struct p9_message *message)
{
	struct p9_call call = {
		.p9 = p9, .folder = p9->folder, .message = message, .scratch = scratch
	};
	struct header header;
	size_t len = 0;

	call.room = iov_length(message->out, message->out_count);
	/* The least answer is an error. */
	if (read_header(message, &header) && call.room >= P9_HEADER + 4)
		len = answer(&call, header.type, serve(&call, &header));
	p9_abandon(p9, message);
	return len;
}

size_t p9_refuse(const struct iovec *in, unsigned in_count, const struct iovec *out,
		 unsigned out_count, int error)
{
	const struct p9_message message = { .in = in, .in_count = in_count };
	struct header header;
	u8 raw[P9_HEADER + 4] = { sizeof(raw), 0, 0, 0, P9_RLERROR };

	if (!read_header(&message, &header) || iov_length(out, out_count) < sizeof(raw))
		return 0;
	raw[5] = header.tag;
	raw[6] = header.tag >> 8;
	raw[7] = -error;
	return iov_write(out, out_count, 0, raw, sizeof(raw));
}
