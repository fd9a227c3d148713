/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"
#include "type1.h"
#include "util/range.h"
#include "vmm/dma.h"

static struct vfio_reach *reach_of(struct list_node *node)
{
	return list_entry(node, struct vfio_reach, node);
}

static struct vfio_pages *pages_of(struct list_node *node)
{
	return list_entry(node, struct vfio_pages, node);
}

/* ---- one container ---- */

void vfio_reach_init(struct vfio_reach *reach)
{
	*reach = (struct vfio_reach){ .fd = -1 };
	list_init(&reach->node);
}

void vfio_reach_join(struct vfio_reach *reach, struct vfio_peers *peers, int fd, bool knows_all,
		     const char *name)
{
	reach->peers = peers;
	reach->fd = fd;
	reach->knows_all = knows_all;
	reach->name = name;
	list_add_tail(&peers->reaches, &reach->node);
}

void vfio_reach_clear(struct vfio_reach *reach)
{
	reach->identity = false;
	reach->count = reach->room = 0;
	free(reach->mappings);
	reach->mappings = NULL;
}

/* What of @m leads to @pages, at *iova; 0: nothing. */
static u64 part_of(const struct dma_mapping *m, const struct vfio_pages *pages, iova_t *iova,
		   void **host)
{
	u64 span = m->last - m->start;
	gpa_t last = m->gpa > UINT64_MAX - span ? UINT64_MAX : m->gpa + span;
	gpa_t start = MAX(m->gpa, pages->gpa);

	last = MIN(last, pages->gpa + (pages->size - 1));
	if (start > last)
		return 0;
	*iova = m->start + (start - m->gpa);
	*host = (char *)pages->host + (start - pages->gpa);
	return last - start + 1;
}

/* -ENOSPC, -ENOMEM: the host's table is full. What it does not map for another reason faults. */
static int map_pages(struct vfio_reach *reach, const struct vfio_pages *pages, iova_t iova,
		     void *host, u64 size, u32 access)
{
	int ret = vfio_type1_map(reach->fd, iova, host, size, access);

	if (ret)
		log_limited(&reach->details, LOG_DEBUG,
			    "%s: the host does not map registers of %s at 0x%llx for it: %s",
			    reach->name, pages->device, (unsigned long long)iova, strerror(-ret));
	return ret == -ENOSPC || ret == -ENOMEM ? ret : 0;
}

static int map_part(struct vfio_reach *reach, const struct dma_mapping *m,
		    const struct vfio_pages *pages)
{
	iova_t iova;
	void *host;
	u64 size = part_of(m, pages, &iova, &host);

	return size ? map_pages(reach, pages, iova, host, size, m->access) : 0;
}

/*
 * No device may reach the pages of one that is given back. If the host cannot unmap them,
 * everything is unmapped.
 */
static void unmap_pages(struct vfio_reach *reach, const struct vfio_pages *pages, iova_t iova,
			u64 size)
{
	int ret = vfio_type1_unmap(reach->fd, iova, size);

	if (!ret)
		return;
	log_limited(&reach->log, LOG_ERROR,
		    "%s: the host does not unmap registers of %s at 0x%llx: %s: all is unmapped",
		    reach->name, pages->device, (unsigned long long)iova, strerror(-ret));
	vfio_type1_clear(reach->fd, reach->knows_all);
}

static bool reach_grow(struct vfio_reach *reach)
{
	unsigned room = MAX(16u, 2 * reach->room);
	struct dma_mapping *mappings;

	if (reach->count < reach->room)
		return true;
	if (reach->room >= VFIO_MAX_MMIO_MAPPINGS)
		return false;
	mappings = realloc(reach->mappings, room * sizeof(*mappings));
	if (!mappings)
		return false;
	reach->mappings = mappings;
	reach->room = room;
	return true;
}

int vfio_reach_map(struct vfio_reach *reach, const struct dma_mapping *m)
{
	struct list_node *node;
	int ret = 0;

	/* A mapping of all 2^64 addresses is none of registers. */
	if (!reach->peers || m->last - m->start == UINT64_MAX)
		return 0;
	if (!reach_grow(reach)) {
		log_limited(&reach->log, LOG_WARNING,
			    "%s: more than %u mappings lead to registers: devices do not reach "
			    "those at 0x%llx",
			    reach->name, reach->room, (unsigned long long)m->gpa);
		return 0;
	}
	list_for_each(node, &reach->peers->pages) {
		ret = map_part(reach, m, pages_of(node));
		if (!ret)
			continue;
		vfio_type1_unmap(reach->fd, m->start, m->last - m->start + 1);
		return ret;
	}
	reach->mappings[reach->count++] = *m;
	return 0;
}

bool vfio_reach_leads(const struct vfio_reach *reach, const struct dma_mapping *m)
{
	struct list_node *node;
	iova_t iova;
	void *host;

	if (!reach->peers)
		return false;
	list_for_each(node, &reach->peers->pages) {
		if (part_of(m, pages_of(node), &iova, &host) == m->last - m->start + 1)
			return true;
	}
	return false;
}

void vfio_reach_forget(struct vfio_reach *reach, const struct dma_mapping *m)
{
	for (unsigned i = 0; i < reach->count; i++) {
		if (reach->mappings[i].start != m->start)
			continue;
		reach->mappings[i] = reach->mappings[--reach->count];
		return;
	}
}

void vfio_reach_all(struct vfio_reach *reach)
{
	struct list_node *node;

	if (!reach->peers)
		return;
	reach->identity = true;
	list_for_each(node, &reach->peers->pages) {
		const struct vfio_pages *pages = pages_of(node);

		map_pages(reach, pages, pages->gpa, pages->host, pages->size, DMA_READ | DMA_WRITE);
	}
}

/* ---- all of them ---- */

void vfio_peers_init(struct vfio_peers *peers)
{
	list_init(&peers->reaches);
	list_init(&peers->pages);
}

static void reach_show(struct vfio_reach *reach, const struct vfio_pages *pages)
{
	if (reach->identity)
		map_pages(reach, pages, pages->gpa, pages->host, pages->size, DMA_READ | DMA_WRITE);
	for (unsigned i = 0; i < reach->count; i++)
		map_part(reach, &reach->mappings[i], pages);
}

void vfio_peers_show(struct vfio_peers *peers, struct vfio_pages *pages)
{
	struct list_node *node;

	if (!peers)
		return;
	list_add_tail(&peers->pages, &pages->node);
	list_for_each(node, &peers->reaches)
		reach_show(reach_of(node), pages);
}

/* Said once for each device, which may have many pages. */
static void say_gone(struct vfio_reach *reach, const struct vfio_pages *pages)
{
	if (reach->said == pages->device)
		return;
	reach->said = pages->device;
	log_warning("%s: registers of %s that the guest mapped for it are gone: its DMA to them is "
		    "refused from now on",
		    reach->name, pages->device);
}

static void reach_hide(struct vfio_reach *reach, const struct vfio_pages *pages, bool gone)
{
	if (reach->identity)
		unmap_pages(reach, pages, pages->gpa, pages->size);
	for (unsigned i = 0; i < reach->count; i++) {
		iova_t iova;
		void *host;
		u64 size = part_of(&reach->mappings[i], pages, &iova, &host);

		if (!size)
			continue;
		unmap_pages(reach, pages, iova, size);
		if (gone)
			say_gone(reach, pages);
	}
}

void vfio_reach_leave(struct vfio_reach *reach)
{
	struct list_node *node;

	if (!reach->peers)
		return;
	list_for_each(node, &reach->peers->pages)
		reach_hide(reach, pages_of(node), false);
	list_del(&reach->node);
	reach->peers = NULL;
	vfio_reach_clear(reach);
}

void vfio_peers_hide(struct vfio_peers *peers, struct vfio_pages *pages, bool gone)
{
	struct list_node *node;

	if (!peers || list_empty(&pages->node))
		return;
	list_del(&pages->node);
	list_for_each(node, &peers->reaches)
		reach_hide(reach_of(node), pages, gone);
}
