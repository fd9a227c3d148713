/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared folder's messages over queues of the fake driver: for the clients of tests/load. */
#ifndef TESTS_WIRE_FOLDER_ASK_H
#define TESTS_WIRE_FOLDER_ASK_H

#include "wire.h"

#define FOLDER_ASK_IN  0x200000 /* messages, and their answers */
#define FOLDER_ASK_OUT 0x280000

/*
 * Send @message of @len bytes in @queue and wait for its answer, of at most @room bytes: returns
 * how many. Both lie in pages, as a kernel's buffers do.
 */
u32 folder_ask(struct wire_queue *queue, const void *message, u32 len, void *answer, u32 room);

#endif
