/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of the command's streams, between a channel to the guest, a socket, and a standard stream of
 * ours. Nothing is dropped: a reader that is slow holds its writer back. No call blocks: what could
 * wait for ever, such as a file, is read and written by a relay (util/relay.h).
 *
 * All calls with the VM lock held, or when the VM does not run.
 */
#ifndef ONESHOT_STREAM_H
#define ONESHOT_STREAM_H

#include "util/types.h"
#include "vmm/loop.h"

struct stream;

/*
 * @fd: 0, or 1 and 2 and others for what comes out of the guest; borrowed. @channel: a non-blocking
 * socket, the stream's from here on, also if it is not made. @ended, of output: the guest's end of
 * it has come and all is written, or nobody wants it. -errno.
 */
int stream_create(struct stream **stream, int fd, bool is_input, int channel,
		  void (*ended)(void *arg), void *arg);
/* Move bytes from now on. */
int stream_start(struct stream *stream, struct loop *loop);
bool stream_has_ended(const struct stream *stream);

/*
 * The VM has stopped: write what has come, waiting for a reader at most @timeout_ms (-1: as long as
 * it lives), and not once @give_up is readable. How many bytes were lost, with the reason in @error
 * (-ETIMEDOUT: nobody read them); what a reader that went away does not want is no loss.
 */
u64 stream_finish(struct stream *stream, int give_up, int timeout_ms, int *error);
/* After that: the guest's end of it had not come. */
bool stream_was_cut(const struct stream *stream);
/* NULL is fine; the loop is there still, if it was started. */
void stream_destroy(struct stream *stream);

#endif
