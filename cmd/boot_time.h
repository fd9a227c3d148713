/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --boot-time: when each stage of a run was reached, for people, for the result of a command, and
 * as a drawing. Of the guest's console nothing is kept but which of our milestones went by, and the
 * numbers of the kernel's own clock.
 *
 * Main thread, and what the guest prints with the VM lock held. A NULL is fine everywhere: nobody
 * wants to know, and it costs a look at a pointer.
 */
#ifndef CMD_BOOT_TIME_H
#define CMD_BOOT_TIME_H

#include <jansson.h>

#include "util/error.h"
#include "util/types.h"

struct boot_time;
struct terminal;

/* Time begins. -ENOMEM. */
int boot_time_create(struct boot_time **boot_time);
/* Draw it into the file at @path, which is kept, at the end. -errno with a line. */
int boot_time_draw(struct boot_time *boot_time, const char *path, struct error *err);
void boot_time_destroy(struct boot_time *boot_time);

/* @stage, a text that stays, is reached now, if it was not before. */
void boot_time_note(struct boot_time *boot_time, const char *stage);
/* It was at @ns of CLOCK_MONOTONIC; 0: never. */
void boot_time_note_at(struct boot_time *boot_time, const char *stage, u64 ns);
/* Hear the kernel's milestones. */
void boot_time_listen(struct boot_time *boot_time, struct terminal *terminal);
/* Before the terminal goes. */
void boot_time_stop(struct boot_time *boot_time);

/* The end: a table on standard error, and the drawing. As report_file_write(). */
void boot_time_finish(struct boot_time *boot_time, int give_up_fd, int patience);
/* "stages" of a result. */
void boot_time_add(const struct boot_time *boot_time, json_t *result);

#endif
