/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CMD_JSON_NAME_H
#define CMD_JSON_NAME_H

#include <jansson.h>

/*
 * A file's name is bytes, and JSON has text: where @name, or a line with one in it, is no UTF-8
 * each byte that is no ASCII becomes a question mark. NULL: out of memory.
 */
json_t *json_name(const char *name);

#endif
