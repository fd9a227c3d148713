/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_message.h"

/* ---- messages ---- */

void fuse_begin(struct load_fuse *fuse, u32 opcode, u64 node)
{
	struct fuse_in_header head = { .opcode = opcode, .unique = 2, .nodeid = node };

	memcpy(fuse->message, &head, sizeof(head));
	fuse->len = sizeof(head);
}

void fuse_put(struct load_fuse *fuse, const void *data, size_t len)
{
	memcpy(fuse->message + fuse->len, data, len);
	fuse->len += len;
}

void fuse_put_name(struct load_fuse *fuse, const char *name)
{
	fuse_put(fuse, name, strlen(name) + 1);
}

const void *fuse_body(struct load_fuse *fuse)
{
	return fuse->answer + sizeof(struct fuse_out_header);
}

int fuse_send(struct load_fuse *fuse, u32 room)
{
	struct fuse_out_header head;
	u32 got;

	memcpy(fuse->message, &fuse->len, 4);
	got = fuse->ask(fuse->arg, fuse->message, fuse->len, fuse->answer, sizeof(head) + room);
	memcpy(&head, fuse->answer, sizeof(head));
	if (got < sizeof(head) || head.len != got || head.unique != 2)
		return -EPROTO;
	return head.error ? head.error : (int)(got - sizeof(head));
}

int fuse_send_for(struct load_fuse *fuse, u32 len)
{
	int ret = fuse_send(fuse, len);

	return ret < 0 ? ret : (u32)ret == len ? 0 : -EPROTO;
}

/* ---- nodes ---- */

void fuse_forget(struct load_fuse *fuse, u64 node)
{
	if (node == FUSE_ROOT_ID)
		return;
	fuse_begin(fuse, FUSE_FORGET, node);
	FUSE_PUT(fuse, (struct fuse_forget_in){ .nlookup = 1 });
	memcpy(fuse->message, &fuse->len, 4);
	fuse->ask(fuse->arg, fuse->message, fuse->len, fuse->answer, 0);
}

static int lookup(struct load_fuse *fuse, u64 dir, const char *name, struct fuse_entry_out *entry)
{
	int ret;

	fuse_begin(fuse, FUSE_LOOKUP, dir);
	fuse_put_name(fuse, name);
	ret = fuse_send_for(fuse, sizeof(*entry));
	memcpy(entry, fuse_body(fuse), sizeof(*entry));
	return ret;
}

int fuse_find(struct load_fuse *fuse, const char *path, struct fuse_entry_out *entry)
{
	int ret = 0;

	*entry = (struct fuse_entry_out){ .nodeid = FUSE_ROOT_ID, .attr.mode = S_IFDIR };
	while (!ret && *path) {
		size_t len = strcspn(path, "/");
		u64 dir = entry->nodeid;
		char name[512];

		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		/* All links lead nowhere. */
		if (S_ISLNK(entry->attr.mode))
			ret = -ENOENT;
		else if (!S_ISDIR(entry->attr.mode))
			ret = -ENOTDIR;
		else
			ret = lookup(fuse, dir, name, entry);
		fuse_forget(fuse, dir);
	}
	return ret;
}

int fuse_find_dir(struct load_fuse *fuse, const char *path, u64 *node, const char **name)
{
	struct fuse_entry_out entry;
	char dir[1024];
	int ret;

	*name = client_split(path, dir);
	ret = fuse_find(fuse, dir, &entry);
	if (ret)
		return ret;
	*node = entry.nodeid;
	if (S_ISDIR(entry.attr.mode))
		return 0;
	fuse_forget(fuse, entry.nodeid);
	return S_ISLNK(entry.attr.mode) ? -ENOENT : -ENOTDIR;
}
