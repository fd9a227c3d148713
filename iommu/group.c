/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Endpoints that share a listener. Most groups have one endpoint, and none of this shows. But
 * functions whose DMA the host cannot tell apart have one address space, whatever the guest
 * attaches them to. A guest moves them one after the other (virtio 1.4, "ATTACH request", knows no
 * groups); until the last one has followed, they reach nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

/* What a listener may hold; neither: nothing. */
struct content {
	struct domain *domain;
	bool bypass;
};

static bool content_same(const struct content *a, const struct content *b)
{
	return a->domain == b->domain && a->bypass == b->bypass;
}

static bool content_empty(const struct content *content)
{
	return !content->domain && !content->bypass;
}

struct group *group_of(struct viommu *viommu, struct dma_listener *listener)
{
	struct list_node *node;
	struct group *group;

	list_for_each(node, &viommu->groups) {
		group = list_entry(node, struct group, node);
		if (group->listener == listener)
			return group;
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->viommu = viommu;
	group->listener = listener;
	list_init(&group->endpoints);
	list_init(&group->member);
	list_add_tail(&viommu->groups, &group->node);
	return group;
}

void group_destroy(struct group *group)
{
	if (!group)
		return;
	list_del(&group->node);
	free(group);
}

static struct endpoint *sibling(struct list_node *node)
{
	return list_entry(node, struct endpoint, sibling);
}

const char *group_name(const struct group *group)
{
	return list_empty(&group->endpoints) ? "" : sibling(group->endpoints.next)->name;
}

static struct content group_holds(const struct group *group)
{
	return (struct content){ group->domain, group->bypass };
}

static void group_set(struct group *group, const struct content *content)
{
	if (group->domain)
		list_del(&group->member);
	group->domain = content->domain;
	group->bypass = content->bypass;
	if (group->domain)
		list_add_tail(&group->domain->groups, &group->member);
}

/*
 * What the listener is to hold: that on which all endpoints agree that are attached or in bypass,
 * with @mover (if any) in @target.
 */
static struct content group_wants(const struct group *group, const struct endpoint *mover,
				  struct domain *target)
{
	struct content all = { 0 };
	struct list_node *node;

	list_for_each(node, &group->endpoints) {
		const struct endpoint *endpoint = sibling(node);
		struct content one = { .domain = endpoint == mover ? target : endpoint->domain };

		one.bypass = !one.domain && group->viommu->bypass && !endpoint->isolated;
		if (content_empty(&one))
			continue;
		if (!content_empty(&all) && !content_same(&all, &one))
			return (struct content){ 0 };
		all = one;
	}
	return all;
}

/* Fill the listener, which is empty. -errno leaves it as far as it came. */
static int listener_fill(struct dma_listener *listener, const struct content *content)
{
	if (content->domain)
		return domain_replay(content->domain, listener);
	return content->bypass ? listener->ops->bypass(listener) : 0;
}

static u64 content_size(const struct content *content)
{
	const struct domain *domain = content->domain;

	return domain ? domain->store.count - domain->inaccessible : 0;
}

/* Before anything is touched. The move gives back what the listener holds now. */
static int listener_check(struct dma_listener *listener, const struct content *now,
			  const struct content *then)
{
	u64 size = content_size(then), freed = content_size(now);

	return listener->ops->check(listener, size > freed ? size - freed : 0);
}

void group_clear(struct group *group)
{
	const struct content nothing = { 0 };

	group->listener->ops->clear(group->listener);
	group_set(group, &nothing);
}

/*
 * Its endpoints leave their domains, which may die of it, with nothing left in the listener: the
 * one state that can always be reached. Boot bypass does not apply to them.
 */
static void group_isolate(struct group *group)
{
	struct list_node *node;

	group_clear(group);
	group->lost = false;
	list_for_each(node, &group->endpoints) {
		sibling(node)->isolated = true;
		domain_leave(sibling(node));
	}
}

/* The host took neither the new mappings nor the old ones back. */
static int group_lose(struct group *group)
{
	log_limited(&group->viommu->fault_log, LOG_ERROR,
		    "%s: the host took neither the new mappings nor the old ones back: detached",
		    group_name(group));
	group_isolate(group);
	return -EIO;
}

void groups_isolate_lost(struct viommu *viommu)
{
	struct list_node *node;

	list_for_each(node, &viommu->groups) {
		struct group *group = list_entry(node, struct group, node);

		if (!group->lost)
			continue;
		log_limited(&viommu->fault_log, LOG_ERROR,
			    "%s: the host refused to undo a change: detached", group_name(group));
		group_isolate(group);
	}
}

int group_prepare_move(struct endpoint *mover, struct domain *target)
{
	struct group *group = mover->group;
	struct dma_listener *listener = group->listener;
	const struct content now = group_holds(group), then = group_wants(group, mover, target);
	int ret;

	if (content_same(&now, &then))
		return 0;
	ret = listener_check(listener, &now, &then);
	if (ret)
		return ret;
	listener->ops->clear(listener);
	ret = listener_fill(listener, &then);
	if (!ret) {
		group_set(group, &then);
		return 0;
	}
	listener->ops->clear(listener);
	return listener_fill(listener, &now) ? group_lose(group) : ret;
}

int group_settle(struct group *group)
{
	const struct content now = group_holds(group), then = group_wants(group, NULL, NULL);
	int ret;

	if (content_same(&now, &then))
		return 0;
	group_clear(group);
	ret = listener_fill(group->listener, &then);
	if (ret)
		group_isolate(group);
	else
		group_set(group, &then);
	return ret;
}
