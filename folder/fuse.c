/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages: taken apart, handed to their operation, answered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse_private.h"
#include "util/iov.h"

/* The oldest minor version that we speak: virtio-fs came with 7.31. */
#define OLDEST_MINOR 31
#define OUR_MINOR    38

void fuse_init(struct fuse *fuse, struct folder *folder, const struct fuse_options *options)
{
	*fuse = (struct fuse){ .folder = folder, .options = *options };
	if (!fuse->options.max_write)
		fuse->options.max_write = FUSE_LARGEST;
	if (fuse->options.cache == FUSE_CACHE_NONE)
		fuse->options.writeback = false;
}

void fuse_reset(struct fuse *fuse)
{
	fuse->ready = false;
	folder_reset(fuse->folder);
}

struct fuse_scratch *fuse_scratch_create(void)
{
	return malloc(sizeof(struct fuse_scratch));
}

void fuse_scratch_destroy(struct fuse_scratch *scratch)
{
	free(scratch);
}

/* ---- the session ---- */

static u64 wanted_flags(const struct fuse *fuse)
{
	u64 flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_ASYNC_DIO |
		    FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_HANDLE_KILLPRIV_V2 |
		    FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_INIT_EXT;

	if (fuse->options.cache == FUSE_CACHE_AUTO)
		flags |= FUSE_AUTO_INVAL_DATA;
	if (fuse->options.cache != FUSE_CACHE_NONE)
		flags |= FUSE_CACHE_SYMLINKS;
	if (fuse->options.writeback)
		flags |= FUSE_WRITEBACK_CACHE;
	return flags;
}

/* "FUSE_INIT": with another major version the server answers its own, and the guest asks again. */
static int op_init(struct fuse_call *call)
{
	const struct fuse_init_in *in = call->args_len >= 16 ? (const void *)call->args : NULL;
	u32 max_write = call->fuse->options.max_write;
	struct fuse_init_out *out;
	u64 offered, flags;

	if (!in || in->major < FUSE_KERNEL_VERSION ||
	    (in->major == FUSE_KERNEL_VERSION && in->minor < OLDEST_MINOR))
		return -EPROTO;
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	out->major = FUSE_KERNEL_VERSION;
	out->minor = OUR_MINOR;
	if (in->major > FUSE_KERNEL_VERSION)
		return 0;
	offered = in->flags;
	if (in->flags & FUSE_INIT_EXT && call->args_len >= sizeof(*in))
		offered |= (u64)in->flags2 << 32;
	/* A mount is a new life of the file system. */
	folder_reset(call->folder);
	flags = wanted_flags(call->fuse) & offered;
	out->max_readahead = MIN(in->max_readahead, max_write);
	out->flags = flags;
	out->flags2 = flags >> 32;
	out->max_background = 64;
	out->congestion_threshold = 48;
	out->max_write = max_write;
	out->max_pages = max_write / 4096;
	out->time_gran = 1;
	call->fuse->ready = true;
	return 0;
}

static int op_destroy(struct fuse_call *call)
{
	fuse_reset(call->fuse);
	return 0;
}

static int op_forget(struct fuse_call *call)
{
	const struct fuse_forget_in *in = fuse_take(call, sizeof(*in));

	if (in)
		folder_forget(call->folder, call->head.nodeid, in->nlookup);
	return 0;
}

static int op_batch_forget(struct fuse_call *call)
{
	const struct fuse_batch_forget_in *in = fuse_take(call, sizeof(*in));
	const struct fuse_forget_one *one;

	for (u32 i = 0; in && i < in->count && (one = fuse_take(call, sizeof(*one))); i++)
		folder_forget(call->folder, one->nodeid, one->nlookup);
	return 0;
}

/* A message that is served to its end need not be interrupted; the kernel takes no answer. */
static int op_interrupt(struct fuse_call *call)
{
	return 0;
}

static const struct {
	fuse_op *serve;
	bool silent; /* it has no answer */
} operations[] = {
	[FUSE_INIT] = { op_init },
	[FUSE_DESTROY] = { op_destroy },
	[FUSE_FORGET] = { op_forget, true },
	[FUSE_BATCH_FORGET] = { op_batch_forget, true },
	[FUSE_INTERRUPT] = { op_interrupt, true },
	[FUSE_LOOKUP] = { fuse_op_lookup },
	[FUSE_GETATTR] = { fuse_op_getattr },
	[FUSE_SETATTR] = { fuse_op_setattr },
	[FUSE_READLINK] = { fuse_op_readlink },
	[FUSE_SYMLINK] = { fuse_op_symlink },
	[FUSE_MKNOD] = { fuse_op_mknod },
	[FUSE_MKDIR] = { fuse_op_mkdir },
	[FUSE_UNLINK] = { fuse_op_unlink },
	[FUSE_RMDIR] = { fuse_op_rmdir },
	[FUSE_RENAME] = { fuse_op_rename },
	[FUSE_RENAME2] = { fuse_op_rename2 },
	[FUSE_LINK] = { fuse_op_link },
	[FUSE_STATFS] = { fuse_op_statfs },
	[FUSE_SETXATTR] = { fuse_op_setxattr },
	[FUSE_GETXATTR] = { fuse_op_getxattr },
	[FUSE_LISTXATTR] = { fuse_op_listxattr },
	[FUSE_REMOVEXATTR] = { fuse_op_removexattr },
	[FUSE_OPEN] = { fuse_op_open },
	[FUSE_CREATE] = { fuse_op_create },
	[FUSE_READ] = { fuse_op_read },
	[FUSE_WRITE] = { fuse_op_write },
	[FUSE_RELEASE] = { fuse_op_release },
	[FUSE_FLUSH] = { fuse_op_flush },
	[FUSE_FSYNC] = { fuse_op_fsync },
	[FUSE_SYNCFS] = { fuse_op_syncfs },
	[FUSE_FALLOCATE] = { fuse_op_fallocate },
	[FUSE_COPY_FILE_RANGE] = { fuse_op_copy_file_range },
	[FUSE_LSEEK] = { fuse_op_lseek },
	[FUSE_OPENDIR] = { fuse_op_opendir },
	[FUSE_READDIR] = { fuse_op_readdir },
	[FUSE_READDIRPLUS] = { fuse_op_readdirplus },
	[FUSE_RELEASEDIR] = { fuse_op_release },
	[FUSE_FSYNCDIR] = { fuse_op_fsync },
};

/* ---- messages ---- */

static int serve(struct fuse_call *call, fuse_op *op)
{
	int ret;

	if (!op)
		return -ENOSYS;
	if (op != op_init && !call->fuse->ready)
		return -EIO;
	ret = op(call);
	/* The driver's mistake is not the host's. */
	if (ret && !call->no_room)
		folder_note_error(call->folder, ret);
	return ret;
}

static bool is_silent(u32 opcode)
{
	return opcode < ARRAY_SIZE(operations) && operations[opcode].silent;
}

static size_t answer(struct fuse_call *call, int error)
{
	struct fuse_out_header head = { .unique = call->head.unique };

	/* The kernel takes errors of its user space alone. */
	if (error < -511 || error > 0)
		error = -EIO;
	if (error)
		call->reply_len = call->direct = 0;
	head.error = error;
	head.len = sizeof(head) + call->reply_len + call->direct;
	iov_write(call->out, call->out_count, 0, &head, sizeof(head));
	iov_write(call->out, call->out_count, sizeof(head), call->reply, call->reply_len);
	return head.len;
}

size_t fuse_refuse(const struct iovec *in, unsigned in_count, const struct iovec *out,
		   unsigned out_count, int error)
{
	struct fuse_call call = { .out = out, .out_count = out_count };

	if (iov_read(in, in_count, 0, &call.head, sizeof(call.head)) < sizeof(call.head) ||
	    is_silent(call.head.opcode) ||
	    iov_length(out, out_count) < sizeof(struct fuse_out_header))
		return 0;
	return answer(&call, error);
}

size_t fuse_serve(struct fuse *fuse, struct fuse_scratch *scratch, const struct iovec *in,
		  unsigned in_count, const struct iovec *out, unsigned out_count)
{
	struct fuse_call call = { .fuse = fuse, .folder = fuse->folder };
	size_t have = iov_length(in, in_count), room = iov_length(out, out_count);
	fuse_op *op = NULL;
	bool silent;
	int ret;

	if (iov_read(in, in_count, 0, &call.head, sizeof(call.head)) < sizeof(call.head))
		return 0;
	if (call.head.opcode < ARRAY_SIZE(operations))
		op = operations[call.head.opcode].serve;
	silent = is_silent(call.head.opcode);
	if (!silent && room < sizeof(struct fuse_out_header))
		return 0;
	call.cred = (struct folder_cred){ call.head.uid, call.head.gid };
	call.in = in, call.in_count = in_count;
	call.out = out, call.out_count = out_count;
	call.room = room - MIN(room, sizeof(struct fuse_out_header));
	call.slice = scratch->slice, call.slice_max = ARRAY_SIZE(scratch->slice);
	call.args = scratch->args;
	call.reply = scratch->reply;
	call.args_len = iov_read(in, in_count, sizeof(call.head), scratch->args,
				 op == fuse_op_write ? sizeof(struct fuse_write_in)
						     : sizeof(scratch->args));
	/* A message that says another length than it has is none. */
	ret = call.head.len == have && (op == fuse_op_write || have <= FUSE_ARGS_SIZE)
		      ? serve(&call, op)
		      : -EINVAL;
	return silent ? 0 : answer(&call, ret);
}
