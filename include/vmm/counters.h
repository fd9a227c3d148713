/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a machine counted. A part tells it in one function, and whoever receives it
 * gives it its form: lines of the log for --debug, JSON for "lkvm stat".
 *
 * VM lock held, or the VM has stopped.
 */
#ifndef VMM_COUNTERS_H
#define VMM_COUNTERS_H

#include "util/types.h"

/* Who receives it. Lives inside the receiver's own structure. */
struct counters {
	/* What follows is of @part, "virtio-blk 0"; of its queue @queue, or -1: of the whole. */
	void (*begin)(struct counters *counters, const char *part, int queue);
	/* @key: lower case, words joined by '_'. Bytes, if it does not say otherwise. */
	void (*number)(struct counters *counters, const char *key, u64 value);
	void (*text)(struct counters *counters, const char *key, const char *value);
};

static inline void counters_begin(struct counters *counters, const char *part)
{
	counters->begin(counters, part, -1);
}

static inline void counters_begin_queue(struct counters *counters, const char *part, unsigned queue)
{
	counters->begin(counters, part, queue);
}

static inline void counters_number(struct counters *counters, const char *key, u64 value)
{
	counters->number(counters, key, value);
}

static inline void counters_text(struct counters *counters, const char *key, const char *value)
{
	counters->text(counters, key, value);
}

struct vm;
/* What the vCPUs counted, and the devices in vm->devices. */
void vm_count(const struct vm *vm, struct counters *counters);

/* A receiver that makes text: a line for each part. */
struct counters_text {
	struct counters counters;
	/* A line is whole. */
	void (*line)(struct counters_text *text, const char *line);
	char buffer[512];
	size_t len;
};

/* Call what tells between these two. @text->line: the caller's. */
void counters_text_begin(struct counters_text *text);
void counters_text_end(struct counters_text *text);

#endif
