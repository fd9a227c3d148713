/* SPDX-License-Identifier: BSD-2-Clause */
/* Fids: the guest's numbers for nodes, open files and attributes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p9_private.h"

static struct p9_fid **bucket_of(struct p9 *p9, u32 number)
{
	return &p9->fids[number * 2654435761u % P9_BUCKETS];
}

/* p9->lock held. */
static struct p9_fid *find(struct p9 *p9, u32 number)
{
	struct p9_fid *fid = *bucket_of(p9, number);

	while (fid && fid->number != number)
		fid = fid->next;
	return fid;
}

struct p9_xattr *p9_xattr_new(struct p9 *p9, size_t size)
{
	struct p9_xattr *xattr = calloc(1, sizeof(*xattr));

	if (!xattr)
		return NULL;
	xattr->value = malloc(MAX(size, (size_t)1));
	if (++p9->xattr_count > P9_MAX_XATTR_FIDS || !xattr->value) {
		p9_xattr_free(p9, xattr);
		return NULL;
	}
	return xattr;
}

void p9_xattr_free(struct p9 *p9, struct p9_xattr *xattr)
{
	if (!xattr)
		return;
	p9->xattr_count--;
	free(xattr->name);
	free(xattr->value);
	free(xattr);
}

static void fid_free(struct p9 *p9, struct p9_fid *fid)
{
	if (fid->file)
		folder_close_file(p9->folder, fid->file);
	folder_forget(p9->folder, fid->node, 1);
	if (fid->parent)
		folder_forget(p9->folder, fid->parent, 1);
	p9_xattr_free(p9, fid->xattr);
	pthread_mutex_destroy(&fid->lock);
	free(fid->name);
	free(fid);
}

struct p9_fid *fid_get(struct p9 *p9, u32 number)
{
	struct p9_fid *fid;

	pthread_mutex_lock(&p9->lock);
	fid = find(p9, number);
	if (fid)
		fid->users++;
	pthread_mutex_unlock(&p9->lock);
	return fid;
}

void fid_put(struct p9 *p9, struct p9_fid *fid)
{
	bool last;

	pthread_mutex_lock(&p9->lock);
	last = !--fid->users && fid->gone;
	pthread_mutex_unlock(&p9->lock);
	if (last)
		fid_free(p9, fid);
}

static int insert(struct p9 *p9, struct p9_fid *fid)
{
	int ret = 0;

	pthread_mutex_lock(&p9->lock);
	if (fid->number == P9_NOFID || find(p9, fid->number)) {
		ret = -EBADF;
	} else if (p9->fid_count == P9_MAX_FIDS) {
		ret = -ENFILE;
	} else {
		struct p9_fid **bucket = bucket_of(p9, fid->number);

		fid->next = *bucket;
		*bucket = fid;
		p9->fid_count++;
	}
	pthread_mutex_unlock(&p9->lock);
	return ret;
}

static int add(struct p9 *p9, const struct p9_fid *model, const char *name)
{
	struct p9_fid *fid = calloc(1, sizeof(*fid));
	int ret;

	if (!fid) {
		folder_forget(p9->folder, model->node, 1);
		if (model->parent)
			folder_forget(p9->folder, model->parent, 1);
		p9_xattr_free(p9, model->xattr);
		return -ENOMEM;
	}
	fid->number = model->number;
	fid->uid = model->uid;
	fid->node = model->node;
	fid->parent = model->parent;
	fid->xattr = model->xattr;
	pthread_mutex_init(&fid->lock, NULL);
	fid->name = name ? strdup(name) : NULL;
	ret = name && !fid->name ? -ENOMEM : insert(p9, fid);
	if (ret)
		fid_free(p9, fid);
	return ret;
}

int fid_add(struct p9 *p9, u32 number, u32 uid, u64 node, u64 parent, const char *name)
{
	return add(p9,
		   &(struct p9_fid){ .number = number, .uid = uid, .node = node, .parent = parent },
		   name);
}

int fid_add_xattr(struct p9 *p9, u32 number, u32 uid, u64 node, struct p9_xattr *xattr)
{
	return add(p9,
		   &(struct p9_fid){ .number = number, .uid = uid, .node = node, .xattr = xattr },
		   NULL);
}

/* p9->lock held. True: nobody uses it, and it is the caller's to free. */
static bool take_out(struct p9 *p9, struct p9_fid *fid)
{
	struct p9_fid **at = bucket_of(p9, fid->number);

	while (*at != fid)
		at = &(*at)->next;
	*at = fid->next;
	p9->fid_count--;
	fid->gone = true;
	return !fid->users;
}

bool fid_remove(struct p9 *p9, u32 number)
{
	struct p9_fid *fid;
	bool last = false;

	pthread_mutex_lock(&p9->lock);
	fid = find(p9, number);
	if (fid)
		last = take_out(p9, fid);
	pthread_mutex_unlock(&p9->lock);
	if (last)
		fid_free(p9, fid);
	return fid;
}

static bool has_fids(struct p9 *p9)
{
	bool has;

	pthread_mutex_lock(&p9->lock);
	has = p9->fid_count;
	pthread_mutex_unlock(&p9->lock);
	return has;
}

void fid_remove_all(struct p9 *p9)
{
	for (unsigned i = 0; i < P9_BUCKETS && has_fids(p9); i++) {
		struct p9_fid *fid;

		do {
			bool last = false;

			pthread_mutex_lock(&p9->lock);
			fid = p9->fids[i];
			if (fid)
				last = take_out(p9, fid);
			pthread_mutex_unlock(&p9->lock);
			if (last)
				fid_free(p9, fid);
		} while (fid);
	}
}
