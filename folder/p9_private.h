/* SPDX-License-Identifier: BSD-2-Clause */
/* p9.c hands messages to their operations; p9_message.c takes them apart, p9_fid.c knows the fids,
 * p9_file.c and p9_ops.c are the operations. */
#ifndef FOLDER_P9_PRIVATE_H
#define FOLDER_P9_PRIVATE_H

#include <pthread.h>

#include "folder/p9.h"

#define P9_READ_HEADER	 11u
#define P9_WRITE_HEADER	 23u
#define P9_DIRENT_HEADER 24u /* qid[13] offset[8] type[1] name length[2] */
#define P9_NOFID	 (~0u)
#define P9_MAX_NAMES	 16u
#define P9_MAX_XATTR	 65536u
/* Linux has a fid for each name that it remembers. What is not touched is no memory. */
#define P9_BUCKETS  65536u
#define P9_MAX_FIDS (1u << 20)
/* Each holds a value of up to P9_MAX_XATTR. */
#define P9_MAX_XATTR_FIDS 256u
/* Arguments of everything but Twrite: two names of PATH_MAX, or 16 names of 255 bytes. */
#define P9_ARGS_SIZE  16384u
#define P9_REPLY_SIZE 65536u

enum p9_type {
	P9_RLERROR = 7,
	P9_TSTATFS = 8,
	P9_TLOPEN = 12,
	P9_TLCREATE = 14,
	P9_TSYMLINK = 16,
	P9_TMKNOD = 18,
	P9_TRENAME = 20,
	P9_TREADLINK = 22,
	P9_TGETATTR = 24,
	P9_TSETATTR = 26,
	P9_TXATTRWALK = 30,
	P9_TXATTRCREATE = 32,
	P9_TREADDIR = 40,
	P9_TFSYNC = 50,
	P9_TLOCK = 52,
	P9_TGETLOCK = 54,
	P9_TLINK = 70,
	P9_TMKDIR = 72,
	P9_TRENAMEAT = 74,
	P9_TUNLINKAT = 76,
	P9_TVERSION = 100,
	P9_TAUTH = 102,
	P9_TATTACH = 104,
	P9_TFLUSH = 108,
	P9_TWALK = 110,
	P9_TREAD = 116,
	P9_TWRITE = 118,
	P9_TCLUNK = 120,
	P9_TREMOVE = 122,
};

/* An extended attribute that is read or written through a fid. */
struct p9_xattr {
	char *name; /* owned; NULL: it is read */
	char *value;
	u32 size, filled;
	int flags;
};

struct p9_fid {
	u32 number;
	u32 users;  /* under p9->lock */
	bool gone;  /* out of the table */
	u32 uid;    /* whose attach it comes from */
	u64 node;   /* with one of the guest's references */
	u64 parent; /* where it was walked to, for Trename and Tremove: one more reference; 0: none
		     */
	char *name; /* its name there; owned */
	_Atomic u64 file;		/* 0: not open; set once */
	struct p9_xattr *_Atomic xattr; /* owned; NULL: it is no attribute */
	pthread_mutex_t lock;		/* protects xattr */
	struct p9_fid *next;		/* in its bucket */
};

struct p9 {
	struct folder *folder;
	pthread_mutex_t lock;
	pthread_cond_t served; /* a message has been */
	struct list_node messages;
	u64 begun;
	_Atomic u32 msize; /* 0: no version was agreed */
	unsigned fid_count;
	_Atomic unsigned xattr_count; /* of fids */
	struct p9_fid *fids[P9_BUCKETS];
};

struct p9_scratch {
	char args[P9_ARGS_SIZE];
	char reply[P9_REPLY_SIZE];
	struct iovec slice[1024];
};

struct p9_call {
	struct p9 *p9;
	struct folder *folder;
	struct p9_message *message;
	struct p9_scratch *scratch;
	u32 size; /* of the message; with Twrite as it came, whatever it says */
	const char *args;
	size_t args_len; /* what is left of them */
	bool short_args; /* something was taken that was not there */
	size_t room;	 /* for the answer, header included */
	size_t reply_len;
	bool overflow; /* the answer did not fit */
	size_t direct; /* bytes that Tread put behind the answer's header itself */
};

/* ---- p9_message.c: arguments, little endian; 0 or "" with short_args set where there are none
 * ---- */

u8 p9_take_u8(struct p9_call *call);
u16 p9_take_u16(struct p9_call *call);
u32 p9_take_u32(struct p9_call *call);
u64 p9_take_u64(struct p9_call *call);
/* A string, terminated, in the scratch; strings with a zero byte in them are refused. */
const char *p9_take_string(struct p9_call *call);

void p9_give_u8(struct p9_call *call, u8 value);
void p9_give_u16(struct p9_call *call, u16 value);
void p9_give_u32(struct p9_call *call, u32 value);
void p9_give_u64(struct p9_call *call, u64 value);
void p9_give_string(struct p9_call *call, const char *text, size_t len);
/* "qid": type[1] version[4] path[8]. */
void p9_give_qid(struct p9_call *call, const struct folder_attr *attr);
/* Of what is not looked at: without a version. */
void p9_give_qid_listed(struct p9_call *call, u32 mode, u64 ino);

/* ---- p9_fid.c ---- */

/* With a reference that fid_put() drops; NULL: there is none. */
struct p9_fid *fid_get(struct p9 *p9, u32 number);
void fid_put(struct p9 *p9, struct p9_fid *fid);
/* Takes one reference of the guest's to @node, and to @parent if not 0, in any case. 0, -EBADF: the
 * number is taken; -ENFILE, -ENOMEM. */
int fid_add(struct p9 *p9, u32 number, u32 uid, u64 node, u64 parent, const char *name);
/* The same for a fid that stands for an attribute of @node; takes *@xattr in any case. */
int fid_add_xattr(struct p9 *p9, u32 number, u32 uid, u64 node, struct p9_xattr *xattr);
/* Out of the table: it is let go when nobody uses it. False: there is none. */
bool fid_remove(struct p9 *p9, u32 number);
void fid_remove_all(struct p9 *p9);
/* NULL: there are as many as there may be, or no memory. */
struct p9_xattr *p9_xattr_new(struct p9 *p9, size_t size);
void p9_xattr_free(struct p9 *p9, struct p9_xattr *xattr);

/* ---- operations: 0, or -errno for the guest ---- */

typedef int p9_op(struct p9_call *call);
p9_op p9_op_attach, p9_op_walk, p9_op_clunk, p9_op_statfs, p9_op_getattr, p9_op_setattr,
	p9_op_symlink, p9_op_readlink, p9_op_mknod, p9_op_mkdir, p9_op_link, p9_op_rename,
	p9_op_renameat, p9_op_unlinkat, p9_op_remove;
p9_op p9_op_lopen, p9_op_lcreate, p9_op_read, p9_op_write, p9_op_readdir, p9_op_fsync, p9_op_lock,
	p9_op_getlock, p9_op_xattrwalk, p9_op_xattrcreate;
/* The attribute that a fid wrote is set when the fid is let go. */
int p9_xattr_finish(struct p9 *p9, struct p9_fid *fid);

#endif
