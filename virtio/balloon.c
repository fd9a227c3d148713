/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Traditional Memory Balloon Device".
 *
 * Pages are named by guest-physical numbers, whatever is in front of the device: it is never behind
 * the guest's IOMMU, and Linux's driver refuses to be.
 *
 * Giving memory back takes the host milliseconds. So a thread does it, one chain of each queue at a
 * time, and the chain is the guest's again afterwards: before that it may not use the pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "util/log.h"
#include "virtio/balloon.h"
#include "virtio/endian.h"
#include "vmm/loop.h"
#include "vmm/memory.h"
#include "vmm/worker.h"

#define FEATURE(bit) (1ULL << (bit))
#define PAGE	     (1ULL << VIRTIO_BALLOON_PFN_SHIFT)

#define QUEUES	   5
#define QUEUE_SIZE 128
#define CHAINS	   16	/* of the quick queues, under one hold of the lock */
#define PFNS	   1024 /* of a chain, in one job */
#define PATIENCE   500000000ull

/* What a queue is: "Virtqueues". */
enum kind { INFLATE, DEFLATE, STATS, REPORT, NOTHING };

/* A chain whose pages a thread gives back. */
struct work {
	struct balloon *balloon;
	struct worker_job job;
	bool taken;	/* there is a chain */
	bool under_way; /* and the job is at work on it */
	bool stale;	/* its queue was reset since */
	unsigned queue;
	u64 done; /* bytes of an inflation's chain that were read */
	unsigned count;
	le32 pfns[PFNS];
	u64 given_back; /* the job's answer */
	struct virtq_chain chain;
};

struct balloon {
	struct virtio_device device;
	struct virtq queues[QUEUES];
	struct guest_memory *memory;
	bool pinned;
	struct worker *worker;
	struct work inflation, report;
	u64 target, given_back;
	u32 actual, poison;
	/* The guest's numbers, and its chain, to be given back for new ones. */
	bool has_stats_chain;
	struct virtq_chain stats_chain;
	u32 known;
	u64 values[BALLOON_STATS];
	struct list_node watches;
	struct loop_timer patience;
};

static struct balloon *balloon_of(const struct virtio_device *device)
{
	return container_of(device, struct balloon, device);
}

/*
 * The specification numbers queues by what they are; drivers count those that there are. Both agree
 * but for reports, which are 4 there, and come next here.
 */
static enum kind kind_of(const struct virtio_device *device, unsigned index)
{
	bool stats = virtio_has_feature(device, VIRTIO_BALLOON_F_STATS_VQ);
	bool reports = virtio_has_feature(device, VIRTIO_BALLOON_F_REPORTING);

	if (index < STATS)
		return index;
	if (stats && index == STATS)
		return STATS;
	if (reports && (index == 4 || index == (stats ? 3 : 2)))
		return REPORT;
	return NOTHING;
}

/* ---- giving memory back, on a thread ---- */

/* Pages that follow each other, upwards or downwards as Linux has them, are one piece. */
static u64 give_back_pages(const struct guest_memory *memory, const le32 *pfns, unsigned count)
{
	u64 total = 0;

	for (unsigned i = 0; i < count;) {
		u64 first = le32_to_cpu(pfns[i]), last = first;

		for (i++; i < count; i++) {
			u64 next = le32_to_cpu(pfns[i]);

			if (next == last + 1)
				last = next;
			else if (next + 1 == first)
				first = next;
			else
				break;
		}
		total += memory_give_back(memory, first * PAGE, (last - first + 1) * PAGE);
	}
	return total;
}

static void run_inflation(struct worker_job *job)
{
	struct work *work = container_of(job, struct work, job);

	work->given_back = give_back_pages(work->balloon->memory, work->pfns, work->count);
}

/* A report's buffers are the pages themselves. */
static void run_report(struct worker_job *job)
{
	struct work *work = container_of(job, struct work, job);
	const struct virtq_chain *chain = &work->chain;

	work->given_back = 0;
	for (unsigned i = chain->readable; i < virtq_chain_segments(chain); i++)
		work->given_back += memory_give_back(work->balloon->memory, chain->segments[i].iova,
						     chain->segments[i].len);
}

/* ---- in the loop ---- */

/* The next numbers of the chain; false: there are none, or they cannot be read. */
static bool read_pfns(struct work *work)
{
	s64 len = virtq_chain_read(&work->chain, work->done, work->pfns, sizeof(work->pfns));

	if (len < (s64)sizeof(work->pfns[0]))
		return false;
	work->count = len / sizeof(work->pfns[0]);
	work->done += len;
	return true;
}

/* False: it is done with. */
static bool begin_part(struct work *work)
{
	struct balloon *balloon = work->balloon;
	bool inflation = work == &balloon->inflation;

	if (balloon->pinned || (inflation && !read_pfns(work)) ||
	    (!inflation && (work->done || balloon->poison)))
		return false;
	work->done += !inflation;
	work->under_way = !worker_submit(balloon->worker, &work->job);
	return work->under_way;
}

static enum virtio_step work_step(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = balloon_of(device);
	struct work *work = kind_of(device, index) == INFLATE ? &balloon->inflation
							      : &balloon->report;

	if (work->under_way)
		return VIRTIO_IDLE;
	if (!work->taken) {
		if (!virtio_device_pop(device, index, &work->chain))
			return VIRTIO_IDLE;
		work->taken = true;
		work->queue = index;
		work->done = 0;
	}
	if (begin_part(work))
		return VIRTIO_IDLE;
	work->taken = false;
	virtio_device_push(device, work->queue, &work->chain, 0);
	return VIRTIO_DONE;
}

static void serve_work(struct work *work, unsigned index)
{
	virtio_device_serve(&work->balloon->device, index, CHAINS, work_step);
}

static void work_done(struct worker_job *job)
{
	struct work *work = container_of(job, struct work, job);

	work->under_way = false;
	work->balloon->given_back += work->given_back;
	if (work->stale)
		work->taken = work->stale = false;
	/* Paused, it stays taken, and the kick that ends the pause goes on. */
	serve_work(work, work->queue);
}

/* ---- deflation: the guest may use its pages, which are there when they are touched ---- */

static enum virtio_step deflate_step(struct virtio_device *device, unsigned index)
{
	struct virtq_chain chain;

	if (!virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	virtio_device_push(device, index, &chain, 0);
	return VIRTIO_DONE;
}

/* ---- the guest's numbers ---- */

static void tell_watches(struct balloon *balloon, bool fresh)
{
	loop_timer_disarm(&balloon->patience);
	while (!list_empty(&balloon->watches)) {
		struct balloon_watch *watch = list_entry(balloon->watches.next,
							 struct balloon_watch, node);

		list_del(&watch->node);
		watch->told(watch, fresh);
	}
}

/* "Memory Statistics": what is not known is ignored. */
static void read_stats(struct balloon *balloon)
{
	struct virtio_balloon_stat stats[2 * BALLOON_STATS];
	s64 len = virtq_chain_read(&balloon->stats_chain, 0, stats, sizeof(stats));

	balloon->known = 0;
	for (unsigned i = 0; len > 0 && i < len / sizeof(stats[0]); i++) {
		u16 tag = virtio16_to_cpu(stats[i].tag);

		if (tag >= BALLOON_STATS)
			continue;
		balloon->known |= 1u << tag;
		balloon->values[tag] = virtio64_to_cpu(stats[i].val);
	}
}

/* A second chain comes of no driver: it is given back at once. */
static enum virtio_step stats_step(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = balloon_of(device);
	struct virtq_chain *chain = &balloon->stats_chain;

	if (balloon->has_stats_chain) {
		balloon->has_stats_chain = false;
		virtio_device_push(device, index, chain, 0);
	}
	if (!virtio_device_pop(device, index, chain))
		return VIRTIO_IDLE;
	balloon->has_stats_chain = true;
	read_stats(balloon);
	tell_watches(balloon, true);
	return VIRTIO_IDLE;
}

static void out_of_patience(struct loop_timer *timer)
{
	tell_watches(container_of(timer, struct balloon, patience), false);
}

void balloon_ask(struct virtio_device *device, struct balloon_watch *watch)
{
	struct balloon *balloon = balloon_of(device);

	list_add_tail(&balloon->watches, &watch->node);
	/*
	 * The driver's first numbers are those of its start, so it is always asked. Nothing of a
	 * paused guest's memory changes.
	 */
	if (balloon->has_stats_chain && !device->paused) {
		balloon->has_stats_chain = false;
		virtio_device_push(device, STATS, &balloon->stats_chain, 0);
		virtio_device_interrupt(device, STATS);
	}
	if (!balloon->patience.armed)
		loop_timer_arm(&balloon->patience, PATIENCE);
}

void balloon_forget(struct balloon_watch *watch)
{
	list_del(&watch->node);
}

void balloon_get_stats(const struct virtio_device *device, struct balloon_stats *stats)
{
	const struct balloon *balloon = balloon_of(device);

	*stats = (struct balloon_stats){
		.target = balloon->target,
		.actual = balloon->actual * PAGE,
		.given_back = balloon->given_back,
		.has_driver = device->status & VIRTIO_CONFIG_S_DRIVER_OK,
		.known = balloon->known,
	};
	memcpy(stats->values, balloon->values, sizeof(stats->values));
}

/* ---- the target ---- */

static u64 ram_size(const struct guest_memory *memory)
{
	u64 total = 0;

	for (unsigned i = 0; i < memory_count(memory); i++) {
		struct range range;

		memory_range(memory, i, &range);
		total += range.last - range.start + 1;
	}
	return total;
}

int balloon_set_target(struct virtio_device *device, u64 bytes)
{
	struct balloon *balloon = balloon_of(device);

	if (bytes > ram_size(balloon->memory))
		return -ERANGE;
	balloon->target = bytes & ~(PAGE - 1);
	if (balloon->target)
		memory_use_small_pages(balloon->memory, true);
	virtio_device_config_changed(device);
	return 0;
}

/* ---- the driver's side ---- */

static void balloon_kick(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = balloon_of(device);

	switch (kind_of(device, index)) {
	case INFLATE:
		serve_work(&balloon->inflation, index);
		break;
	case REPORT:
		serve_work(&balloon->report, index);
		break;
	case DEFLATE:
		virtio_device_serve(device, index, CHAINS, deflate_step);
		break;
	case STATS:
		virtio_device_serve(device, index, CHAINS, stats_step);
		break;
	case NOTHING:
		break;
	}
}

static void forget_work(struct work *work, unsigned index)
{
	if (work->taken && work->queue == index) {
		work->stale = work->under_way;
		work->taken = work->under_way;
	}
}

static void balloon_queue_reset(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = balloon_of(device);

	forget_work(&balloon->inflation, index);
	forget_work(&balloon->report, index);
	if (index == STATS)
		balloon->has_stats_chain = false;
}

static void balloon_reset(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	for (unsigned i = 0; i < QUEUES; i++)
		balloon_queue_reset(device, i);
	balloon->actual = balloon->poison = balloon->known = 0;
}

/* The guest's next owner of a page must not find it cleared later. */
static bool balloon_settled(const struct virtio_device *device)
{
	const struct balloon *balloon = balloon_of(device);

	return !balloon->inflation.stale && !balloon->report.stale;
}

static bool balloon_idle(const struct virtio_device *device)
{
	const struct balloon *balloon = balloon_of(device);

	return !balloon->inflation.under_way && !balloon->report.under_way;
}

/* Without the union of old names for the same field. */
struct config {
	le32 num_pages, actual, free_page_hint_cmd_id, poison_val;
};

static void balloon_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct balloon *balloon = balloon_of(device);
	const struct config config = {
		.num_pages = cpu_to_le32(balloon->target / PAGE),
		.actual = cpu_to_le32(balloon->actual),
		.poison_val = cpu_to_le32(balloon->poison),
	};

	memcpy(data, (const char *)&config + offset, len);
}

static void balloon_config_write(struct virtio_device *device, u32 offset, const void *data,
				 u32 len)
{
	struct balloon *balloon = balloon_of(device);
	struct config config = {
		.actual = cpu_to_le32(balloon->actual),
		.poison_val = cpu_to_le32(balloon->poison),
	};

	memcpy((char *)&config + offset, data, len);
	balloon->actual = le32_to_cpu(config.actual);
	if (virtio_has_feature(device, VIRTIO_BALLOON_F_PAGE_POISON))
		balloon->poison = le32_to_cpu(config.poison_val);
	if (!balloon->actual && !balloon->target)
		memory_use_small_pages(balloon->memory, false);
}

static void balloon_destroy(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	while (!balloon_idle(device)) {
		if (!worker_await(balloon->worker)) {
			log_warning("%s: the host does not take memory back", device->name);
			return;
		}
	}
	worker_destroy(balloon->worker);
	loop_timer_destroy(&balloon->patience);
	free(balloon);
}

static const struct virtio_device_ops balloon_ops = {
	.reset = balloon_reset,
	.settled = balloon_settled,
	.idle = balloon_idle,
	.kick = balloon_kick,
	.queue_reset = balloon_queue_reset,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.destroy = balloon_destroy,
};

/* ---- life ---- */

static u64 features_of(const struct virtio_balloon_options *options)
{
	u64 features = FEATURE(VIRTIO_BALLOON_F_STATS_VQ) | FEATURE(VIRTIO_BALLOON_F_PAGE_POISON);

	if (options->deflate_on_oom)
		features |= FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	if (options->reporting && !options->pinned)
		features |= FEATURE(VIRTIO_BALLOON_F_REPORTING);
	return features;
}

static void init_work(struct balloon *balloon, struct work *work,
		      void (*run)(struct worker_job *job))
{
	work->balloon = balloon;
	work->job = (struct worker_job){ .run = run, .done = work_done };
}

int virtio_balloon_create(struct virtio_device **device,
			  const struct virtio_balloon_options *options, struct loop *loop,
			  struct guest_memory *memory, struct dma_space *space)
{
	const struct worker_options worker = { .name = "balloon",
					       .kind = THREAD_WORKER,
					       .threads = 2 };
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	int ret;

	if (!balloon)
		return -ENOMEM;
	balloon->memory = memory;
	balloon->pinned = options->pinned;
	list_init(&balloon->watches);
	init_work(balloon, &balloon->inflation, run_inflation);
	init_work(balloon, &balloon->report, run_report);
	for (unsigned i = 0; i < QUEUES; i++)
		virtq_init(&balloon->queues[i], QUEUE_SIZE);
	balloon->device = (struct virtio_device){
		.ops = &balloon_ops,
		.name = "virtio-balloon",
		.id = VIRTIO_ID_BALLOON,
		.features = features_of(options),
		.config_size = sizeof(struct config),
		.queue_count = QUEUES,
		.queues = balloon->queues,
		.space = space,
	};
	ret = worker_create(&balloon->worker, loop, &worker);
	if (!ret)
		ret = loop_timer_create(&balloon->patience, loop, out_of_patience);
	if (ret) {
		balloon_destroy(&balloon->device);
		return ret;
	}
	*device = &balloon->device;
	return 0;
}
