/* SPDX-License-Identifier: BSD-2-Clause */
/* 9P2000.L's messages: T messages' types; the answer's is one more. */
#ifndef TESTS_LOAD_P9_TYPES_H
#define TESTS_LOAD_P9_TYPES_H

enum {
	STATFS = 8,
	LOPEN = 12,
	LCREATE = 14,
	SYMLINK = 16,
	MKNOD = 18,
	RENAME = 20,
	READLINK = 22,
	GETATTR = 24,
	SETATTR = 26,
	XATTRWALK = 30,
	XATTRCREATE = 32,
	READDIR = 40,
	FSYNC = 50,
	LOCK = 52,
	GETLOCK = 54,
	LINK = 70,
	MKDIR = 72,
	RENAMEAT = 74,
	UNLINKAT = 76,
	VERSION = 100,
	AUTH = 102,
	ATTACH = 104,
	FLUSH = 108,
	WALK = 110,
	READ = 116,
	WRITE = 118,
	CLUNK = 120,
	REMOVE = 122,
};

#endif
