/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder for hostile guests: a new one for each input, with a secret beside it. */
#ifndef TESTS_FUZZ_FOLDER_BOX_H
#define TESTS_FUZZ_FOLDER_BOX_H

#include "folder/folder.h"
#include "util/types.h"

#define BOX_MESSAGE 4096 /* the longest, and the largest room for an answer */

/*
 * Run @play for the bytes of an input, on a thread of the folder's. Afterwards what is outside is
 * as it was, and nothing of what the guest opened is open.
 */
void box_play(const u8 *data, size_t size,
	      void (*play)(struct folder *folder, const u8 *data, size_t size));

#endif
