/* SPDX-License-Identifier: BSD-2-Clause */
/* READDIR and READDIRPLUS. */
#include <errno.h>
#include <string.h>

#include "fuse_private.h"

struct listing {
	struct fuse_call *call;
	size_t size; /* the answer's limit, by the request */
	bool plus;
};

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* READDIRPLUS counts as a look-up of each entry with a node; one without is a name alone. */
static void look_up(struct listing *listing, struct fuse_entry_out *out, const char *name)
{
	struct fuse_call *call = listing->call;
	struct folder_entry entry;

	int ret;

	if (is_dots(name))
		return;
	ret = folder_lookup(call->folder, call->head.nodeid, name, &entry);
	if (ret)
		folder_note_error(call->folder, ret);
	else
		fuse_fill_entry(call->fuse, out, &entry);
}

static bool take_entry(void *arg, const struct folder_dirent *entry)
{
	struct listing *listing = arg;
	struct fuse_call *call = listing->call;
	size_t name_len = strlen(entry->name);
	size_t head = listing->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t len = FUSE_DIRENT_ALIGN(head + name_len);
	struct fuse_dirent *out;
	char *at;

	if (len > listing->size - call->reply_len)
		return false;
	at = fuse_give(call, len);
	if (!at)
		return false;
	out = (void *)(at + head - FUSE_NAME_OFFSET);
	out->ino = entry->ino;
	out->off = entry->next;
	out->namelen = name_len;
	out->type = entry->type;
	memcpy(out->name, entry->name, name_len);
	if (listing->plus)
		look_up(listing, (void *)at, entry->name);
	return true;
}

static int list(struct fuse_call *call, bool plus)
{
	const struct fuse_read_in *in = fuse_take(call, sizeof(*in));
	struct listing listing = { .call = call, .plus = plus };
	int ret;

	if (!in)
		return -EINVAL;
	listing.size = MIN(in->size, FUSE_REPLY_SIZE);
	ret = folder_readdir(call->folder, in->fh, in->offset, take_entry, &listing);
	/* What was looked up must be told, or the guest never forgets it. */
	return call->reply_len ? 0 : ret;
}

int fuse_op_readdir(struct fuse_call *call)
{
	return list(call, false);
}

int fuse_op_readdirplus(struct fuse_call *call)
{
	return list(call, true);
}
