/* SPDX-License-Identifier: BSD-2-Clause */
/* fuse.c hands messages to their operations; fuse_message.c takes them apart; fuse_ops.c,
 * fuse_dir.c and fuse_file.c are the operations. */
#ifndef FOLDER_FUSE_PRIVATE_H
#define FOLDER_FUSE_PRIVATE_H

#include <linux/fuse.h>

#include "folder/fuse.h"

/* Arguments of everything but WRITE: a SETXATTR with the largest value and its name. */
#define FUSE_ARGS_SIZE (64 * 1024 + 1024)
/* Answers of everything but READ. */
#define FUSE_REPLY_SIZE (64 * 1024)

struct fuse_scratch {
	char args[FUSE_ARGS_SIZE] __attribute__((aligned(8)));
	char reply[FUSE_REPLY_SIZE] __attribute__((aligned(8)));
	struct iovec slice[1024];
};

/* A message on its way. */
struct fuse_call {
	struct fuse *fuse;
	struct folder *folder;
	struct fuse_in_header head; /* a copy */
	struct folder_cred cred;
	const char *args; /* behind the header: a copy; what is left of it */
	size_t args_len;
	const struct iovec *in, *out; /* for READ and WRITE, whose data is not copied */
	unsigned in_count, out_count;
	size_t room;  /* for the answer behind its header */
	bool no_room; /* the answer did not fit */
	struct iovec *slice;
	unsigned slice_max;
	char *reply;	  /* room for FUSE_REPLY_SIZE */
	size_t reply_len; /* of it that is used */
	size_t direct;	  /* bytes that READ put behind the answer's header itself */
};

/* The next @len bytes of the arguments, or NULL if they are too few. */
const void *fuse_take(struct fuse_call *call, size_t len);
/* The next terminated string of the arguments, or NULL. */
const char *fuse_take_name(struct fuse_call *call);
/* Room for @len bytes of the answer, zeroed. NULL: the driver left less: -EIO is the answer. */
void *fuse_give(struct fuse_call *call, size_t len);
int fuse_give_entry(struct fuse_call *call, const struct folder_entry *entry);
void fuse_fill_attr(struct fuse_attr *out, const struct folder_attr *attr);
void fuse_fill_entry(const struct fuse *fuse, struct fuse_entry_out *out,
		     const struct folder_entry *entry);
/* Seconds for which names and attributes are good. */
u64 fuse_valid(const struct fuse *fuse);
u32 fuse_open_flags(const struct fuse *fuse, bool directory);

/* Each: 0, or -errno for the guest. */
typedef int fuse_op(struct fuse_call *call);
fuse_op fuse_op_lookup, fuse_op_getattr, fuse_op_setattr, fuse_op_readlink, fuse_op_symlink,
	fuse_op_mknod, fuse_op_mkdir, fuse_op_unlink, fuse_op_rmdir, fuse_op_rename,
	fuse_op_rename2, fuse_op_link, fuse_op_statfs, fuse_op_setxattr, fuse_op_getxattr,
	fuse_op_listxattr, fuse_op_removexattr;
fuse_op fuse_op_open, fuse_op_create, fuse_op_read, fuse_op_write, fuse_op_release, fuse_op_flush,
	fuse_op_fsync, fuse_op_syncfs, fuse_op_fallocate, fuse_op_copy_file_range, fuse_op_lseek;
fuse_op fuse_op_opendir, fuse_op_readdir, fuse_op_readdirplus;

#endif
