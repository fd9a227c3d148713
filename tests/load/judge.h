/* SPDX-License-Identifier: BSD-2-Clause */
/* What a target and its twin gave: is it the same? load->what and load->why take it down. */
#ifndef TESTS_LOAD_JUDGE_H
#define TESTS_LOAD_JUDGE_H

#include "load.h"

#define LOAD_PATH 1024 /* a path, with its end */

/* The operation under way, in words; nothing differs yet. */
void __attribute__((format(printf, 2, 3))) load_begin(struct load *load, const char *format, ...);
/* Whether they differ. The first difference is why. */
bool load_differs(struct load *load, const char *what, s64 is, s64 twins);
/* The results of both. Whether they are the same and no error, so that more can be compared. */
bool load_both_did(struct load *load, s64 is, s64 twins);

/* Attributes of both, by path and by handle; mtime only @with_time. */
void load_compare_stat(struct load *load, const char *path, bool with_time);
void load_compare_handle(struct load *load, unsigned n);
/* @len bytes of load->got and load->twins. */
void load_compare_data(struct load *load, s64 len);
/* List both folders, into load->names. Whether that is so, and nothing differs. */
bool load_list_both(struct load *load, const char *path);

/* Close handle @n of both, if it is open. */
void load_close_both(struct load *load, unsigned n);

#endif
