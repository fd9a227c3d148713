/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message has, and what its answer gets. */
#include <errno.h>
#include <string.h>

#include "fuse_private.h"

const void *fuse_take(struct fuse_call *call, size_t len)
{
	const void *args = call->args;

	if (len > call->args_len)
		return NULL;
	call->args += len;
	call->args_len -= len;
	return args;
}

const char *fuse_take_name(struct fuse_call *call)
{
	size_t len = strnlen(call->args, call->args_len);

	return len < call->args_len ? fuse_take(call, len + 1) : NULL;
}

void *fuse_give(struct fuse_call *call, size_t len)
{
	void *at = call->reply + call->reply_len;

	if (len > call->room - call->reply_len || len > FUSE_REPLY_SIZE - call->reply_len) {
		call->no_room = true;
		return NULL;
	}
	memset(at, 0, len);
	call->reply_len += len;
	return at;
}

u64 fuse_valid(const struct fuse *fuse)
{
	switch (fuse->options.cache) {
	case FUSE_CACHE_AUTO:
		return 1;
	case FUSE_CACHE_ALWAYS:
		return 86400;
	case FUSE_CACHE_NONE:
		break;
	}
	return 0;
}

u32 fuse_open_flags(const struct fuse *fuse, bool directory)
{
	switch (fuse->options.cache) {
	case FUSE_CACHE_ALWAYS:
		return FOPEN_KEEP_CACHE | (directory ? FOPEN_CACHE_DIR : 0);
	case FUSE_CACHE_NONE:
		return directory ? 0 : FOPEN_DIRECT_IO;
	case FUSE_CACHE_AUTO:
		break;
	}
	return 0;
}

/* As the kernel's new_encode_dev(). */
static u32 encode_dev(u32 major, u32 minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

void fuse_fill_attr(struct fuse_attr *out, const struct folder_attr *attr)
{
	*out = (struct fuse_attr){
		.ino = attr->ino,
		.size = attr->size,
		.blocks = attr->blocks,
		.atime = attr->atime.tv_sec,
		.mtime = attr->mtime.tv_sec,
		.ctime = attr->ctime.tv_sec,
		.atimensec = attr->atime.tv_nsec,
		.mtimensec = attr->mtime.tv_nsec,
		.ctimensec = attr->ctime.tv_nsec,
		.mode = attr->mode,
		.nlink = attr->nlink,
		.uid = attr->uid,
		.gid = attr->gid,
		.rdev = encode_dev(attr->rdev_major, attr->rdev_minor),
		.blksize = attr->block_size,
	};
}

void fuse_fill_entry(const struct fuse *fuse, struct fuse_entry_out *out,
		     const struct folder_entry *entry)
{
	*out = (struct fuse_entry_out){
		.nodeid = entry->node,
		.entry_valid = fuse_valid(fuse),
		.attr_valid = fuse_valid(fuse),
	};
	fuse_fill_attr(&out->attr, &entry->attr);
}

int fuse_give_entry(struct fuse_call *call, const struct folder_entry *entry)
{
	struct fuse_entry_out *out = fuse_give(call, sizeof(*out));

	if (!out) {
		/* The guest does not hear of it, so it will not forget it. */
		folder_forget(call->folder, entry->node, 1);
		return -EIO;
	}
	fuse_fill_entry(call->fuse, out, entry);
	return 0;
}
