/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot_time.h"
#include "boot_time_draw.h"
#include "report_file.h"
#include "util/clock.h"
#include "util/log.h"
#include "vmm/terminal.h"

#define LINE	  160 /* of the console's lines: what is looked at */
#define TEXT_SIZE (16 * 1024)

struct boot_time {
	u64 start_ns;
	struct boot_stage stages[BOOT_STAGES_MAX];
	unsigned count;
	const char *path; /* of the drawing; NULL: none */
	int fd;		  /* owned; -1: none */
	struct terminal_tap tap;
	bool listens;
	char line[LINE]; /* what has come of the console's line */
	size_t len;
};

/* What Linux prints, and what that means. */
static const struct {
	const char *words, *more, *stage;
} milestones[] = {
	{ "Linux version ", NULL, "kernel speaks" },
	{ "smp: Brought up ", NULL, "processors are up" },
	{ "Freeing initrd memory", NULL, "initrd is unpacked" },
	{ "Freeing unused kernel", NULL, "kernel is up" },
	{ "Run /", " as init process", "init begins" },
	{ "reboot: Power down", NULL, "guest switches off" },
};

static void add_stage(struct boot_time *boot_time, const char *name, u64 ns, s64 kernel_us)
{
	unsigned at = boot_time->count;

	for (unsigned i = 0; i < boot_time->count; i++) {
		if (!strcmp(boot_time->stages[i].name, name))
			return;
	}
	if (boot_time->count == BOOT_STAGES_MAX || ns < boot_time->start_ns)
		return;
	ns -= boot_time->start_ns;
	/* What is told late has its place all the same. */
	for (; at && boot_time->stages[at - 1].ns > ns; at--)
		boot_time->stages[at] = boot_time->stages[at - 1];
	boot_time->stages[at] = (struct boot_stage){ name, ns, kernel_us };
	boot_time->count++;
}

void boot_time_note(struct boot_time *boot_time, const char *stage)
{
	if (boot_time)
		add_stage(boot_time, stage, now_ns(), -1);
}

void boot_time_note_at(struct boot_time *boot_time, const char *stage, u64 ns)
{
	if (boot_time && ns)
		add_stage(boot_time, stage, ns, -1);
}

/* ---- the console ---- */

/* "[    1.234567] ", in microseconds; -1: it has no such beginning. */
static s64 kernel_clock(const char *line)
{
	unsigned seconds, micros;

	return sscanf(line, "[%8u.%6u]", &seconds, &micros) == 2 ? (s64)seconds * 1000000 + micros
								 : -1;
}

static void take_line(struct boot_time *boot_time)
{
	boot_time->line[boot_time->len] = '\0';
	boot_time->len = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(milestones); i++) {
		const char *found = strstr(boot_time->line, milestones[i].words);

		if (found && (!milestones[i].more || strstr(found, milestones[i].more)))
			add_stage(boot_time, milestones[i].stage, now_ns(),
				  kernel_clock(boot_time->line));
	}
}

static void on_console(struct terminal_tap *tap, const void *data, size_t len)
{
	struct boot_time *boot_time = container_of(tap, struct boot_time, tap);
	const char *at = data;

	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\n')
			take_line(boot_time);
		else if (at[i] && at[i] != '\r' && boot_time->len < LINE - 1)
			boot_time->line[boot_time->len++] = at[i];
	}
}

void boot_time_listen(struct boot_time *boot_time, struct terminal *terminal)
{
	if (!boot_time)
		return;
	boot_time->tap.output = on_console;
	terminal_add_tap(terminal, &boot_time->tap);
	boot_time->listens = true;
}

void boot_time_stop(struct boot_time *boot_time)
{
	if (!boot_time || !boot_time->listens)
		return;
	terminal_remove_tap(&boot_time->tap);
	boot_time->listens = false;
}

/* ---- the end ---- */

static void say_table(const struct boot_time *boot_time)
{
	char text[TEXT_SIZE];
	FILE *out = fmemopen(text, sizeof(text), "w");
	u64 last = 0;
	long len;

	if (!out)
		return;
	fprintf(out, "lkvm: boot time, in ms from the start, and from the stage before:\n");
	for (unsigned i = 0; i < boot_time->count; i++) {
		const struct boot_stage *stage = &boot_time->stages[i];

		fprintf(out, "lkvm: %10.1f %+9.1f  %s", stage->ns / 1e6, (stage->ns - last) / 1e6,
			stage->name);
		if (stage->kernel_us >= 0)
			fprintf(out, " (kernel's clock: %.1f)", stage->kernel_us / 1e3);
		fprintf(out, "\n");
		last = stage->ns;
	}
	len = ftell(out);
	fclose(out);
	log_block(text, len);
}

void boot_time_finish(struct boot_time *boot_time, int give_up_fd, int patience)
{
	char text[TEXT_SIZE];
	int ret;

	if (!boot_time)
		return;
	boot_time_note(boot_time, "end");
	say_table(boot_time);
	if (boot_time->fd < 0)
		return;
	boot_time_make_drawing(boot_time->stages, boot_time->count, text, sizeof(text));
	ret = report_file_write(boot_time->fd, text, give_up_fd, patience);
	if (ret)
		log_error("--boot-time=%s: %s", boot_time->path, strerror(-ret));
}

void boot_time_add(const struct boot_time *boot_time, json_t *result)
{
	json_t *stages = boot_time && result ? json_array() : NULL;

	if (!stages)
		return;
	for (unsigned i = 0; i < boot_time->count; i++) {
		const struct boot_stage *stage = &boot_time->stages[i];

		json_array_append_new(stages,
				      json_pack("{ss sf so}", "stage", stage->name, "milliseconds",
						stage->ns / 1000 / 1e3, "kernel_milliseconds",
						stage->kernel_us < 0
							? json_null()
							: json_real(stage->kernel_us / 1e3)));
	}
	json_object_set_new(result, "stages", stages);
}

/* ---- life ---- */

int boot_time_create(struct boot_time **out)
{
	struct boot_time *boot_time = calloc(1, sizeof(*boot_time));

	if (!boot_time)
		return -ENOMEM;
	boot_time->start_ns = now_ns();
	boot_time->fd = -1;
	*out = boot_time;
	return 0;
}

int boot_time_draw(struct boot_time *boot_time, const char *path, struct error *err)
{
	boot_time->path = path;
	boot_time->fd = report_file_open("--boot-time", path, BOOT_DRAWING_START, "such a drawing",
					 err);
	return MIN(boot_time->fd, 0);
}

void boot_time_destroy(struct boot_time *boot_time)
{
	if (!boot_time)
		return;
	if (boot_time->fd >= 0)
		close(boot_time->fd);
	free(boot_time);
}
