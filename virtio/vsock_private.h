/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-vsock from within (virtio 1.4, "Socket Device"). A connection is a socket of the host's
 * and what the guest was told of it. The files, of which each calls only those before it:
 *
 *   vsock_buffer      what the guest sent and the host has not read
 *   vsock_connection  connections: their table, life, credit
 *   vsock_receive     packets to the guest: one of a connection's at a time, in turn
 *   vsock_host        the host's sockets: programs that connect, data, their ends
 *   vsock_dial        connecting to the host's sockets
 *   vsock_transmit    packets of the guest's
 *   vsock             the device
 *
 * All under the VM lock.
 */
#ifndef VIRTIO_VSOCK_PRIVATE_H
#define VIRTIO_VSOCK_PRIVATE_H

#include <sys/un.h>

#include <linux/virtio_vsock.h>

#include "util/list.h"
#include "virtio/device.h"
#include "virtio/vsock.h"
#include "vmm/loop.h"
#include "vmm/worker.h"
#include "vsock_buffer.h"

/* "Virtqueues". Nothing is ever put into the event queue: it tells a guest that it was moved. */
enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

#define VSOCK_QUEUE_SIZE 256
#define VSOCK_EVENT_SIZE 16
#define VSOCK_HOST_CID	 2
#define VSOCK_HEADER	 sizeof(struct virtio_vsock_hdr)
#define VSOCK_BUCKETS	 256
#define VSOCK_LINE	 24 /* the longest greeting, "CONNECT 4294967294\n", and more */
/* Programs of the host's that have not said which port: the oldest goes for one more. */
#define VSOCK_GREETERS 32
/* Answers to packets of no connection: with as many the guest's next packets wait. */
#define VSOCK_RESETS 64

/* Not in every host's headers. */
#define VSOCK_F_STREAM		  0
#define VSOCK_F_SEQPACKET	  1
#define VSOCK_F_NO_IMPLIED_STREAM 2

enum vsock_state {
	VSOCK_GREETING, /* a program of the host's has yet to say which port */
	VSOCK_ASKED,	/* the guest has yet to answer a request */
	VSOCK_DIALING,	/* the host has yet to answer one of the guest's */
	VSOCK_OPEN,
	VSOCK_OVER,	/* the guest is to be told so, by a reset */
	VSOCK_DRAINING, /* the guest is done with it; the host has not read everything */
};

/* What the guest is to be told. In this order, with data before SHUTDOWN. */
enum vsock_tell {
	VSOCK_TELL_RST = 1 << 0,
	VSOCK_TELL_REQUEST = 1 << 1,
	VSOCK_TELL_RESPONSE = 1 << 2,
	VSOCK_TELL_CREDIT = 1 << 3,
	VSOCK_TELL_SHUTDOWN = 1 << 4,
	VSOCK_TELL_WANTS_CREDIT = 1 << 5,
};

struct vsock_connection {
	struct vsock *vsock;
	struct list_node node;	 /* vsock->connections or ->greeters */
	struct list_node bucket; /* vsock->buckets: those that the guest knows */
	struct list_node ready;	 /* vsock->ready: those that may have a packet for it */
	enum vsock_state state;
	u32 guest_port, host_port;
	u16 type;		   /* VIRTIO_VSOCK_TYPE_* */
	struct loop_source source; /* the host's socket, owned; fd -1: none */
	bool watched;		   /* the source is in the loop */
	bool hung_up;		   /* EPOLLHUP: it will be there for ever */
	bool readable;		   /* the host may have sent something */
	u8 tell;		   /* VSOCK_TELL_* */
	u8 guest_shut, host_shut;  /* VIRTIO_VSOCK_SHUTDOWN_*: what each will not do any more */
	/* "Buffer Space Management": free-running counters of bytes. */
	u32 guest_alloc, guest_forwarded, sent; /* to the guest */
	u32 received, forwarded, told;		/* from it; @told: @forwarded as it knows it */
	bool asked_for_credit;			/* since it last had some */
	struct vsock_buffer out;		/* to the host */
	/* A message of the host's, of which the first @message_done bytes are the guest's. */
	u8 *message; /* owned; NULL: none */
	u32 message_len, message_done;
	char line[VSOCK_LINE];
	u8 line_len;
	/* vsock_dial.c's. */
	struct worker_job job;
	bool dialing;	/* the job is under way */
	bool abandoned; /* and nobody wants its result */
	int dial_error; /* of the job */
};

/* An answer to a packet that belongs to no connection. */
struct vsock_reset {
	u64 cid; /* as whom */
	u32 guest_port, host_port;
	u16 type;
};

struct vsock_listener {
	struct vsock *vsock;
	u16 type;
	struct loop_source source; /* fd owned */
	bool watched;
};

struct vsock {
	struct virtio_device device;
	struct virtq queues[VSOCK_QUEUES];
	struct loop *loop;
	u32 cid;
	unsigned limit, count;	      /* of connections, greeters included */
	struct list_node connections; /* but greeters */
	struct list_node greeters;    /* oldest first */
	unsigned greeter_count;
	struct list_node buckets[VSOCK_BUCKETS];
	struct list_node ready; /* in turn */
	struct vsock_reset resets[VSOCK_RESETS];
	unsigned reset_first, reset_count;
	u32 next_port; /* of the host's, for its next program */
	/* The guest's next buffer. */
	bool has_buffer;
	struct virtq_chain buffer;
	u32 written; /* into it */
	struct vsock_listener listeners[2];
	struct loop_timer accept_timer; /* there was no file descriptor */
	loop_handler *on_socket;	/* of a connection's source: vsock_host.c's */
	/* vsock_dial.c's. */
	struct worker *dialer;
	unsigned dials;	 /* jobs under way */
	int dial_fds[2]; /* connected sockets come by it: ours, and the worker's; owned */
	struct sockaddr_un address; /* of the path; "": there is none */
	int given[VSOCK_MAX_GIVEN]; /* owned; -1: none, or it has gone to a connection */
	u32 given_port;
	/* For people. */
	u64 from_guest, from_host, broken;
};

static inline struct vsock *vsock_of(const struct virtio_device *device)
{
	return container_of(device, struct vsock, device);
}

/* ---- vsock_connection.c ---- */

/* NULL: there are too many, or no memory. @fd: the host's socket, the connection's; -1: none yet.
 */
struct vsock_connection *vsock_connection_create(struct vsock *vsock, enum vsock_state state,
						 u16 type, int fd);
/* The guest knows it by these from now on. */
void vsock_connection_name(struct vsock_connection *connection, u32 guest_port, u32 host_port);
struct vsock_connection *vsock_connection_find(struct vsock *vsock, u32 guest_port, u32 host_port);
/* At once, without a word to the guest. While it is dialing its memory stays, abandoned. */
void vsock_connection_drop(struct vsock_connection *connection);
/* The guest is to be told of a reset, and what waits for the host is thrown away. */
void vsock_connection_reset(struct vsock_connection *connection);
/* The guest wants no more of it: it is told that it is over, and the host gets what it sent. */
void vsock_connection_finish(struct vsock_connection *connection);
/* And was told so, or has said it by itself. */
void vsock_connection_forget(struct vsock_connection *connection);
/* Something may be told to the guest: @tell, or data. */
void vsock_connection_tell(struct vsock_connection *connection, u8 tell);
/* The socket of a connection that had none. -errno: the caller's again. */
int vsock_connection_give(struct vsock_connection *connection, int fd);
/* Wait for what can be used now. */
void vsock_connection_watch(struct vsock_connection *connection);
/* Bytes that the guest has room for. */
u32 vsock_connection_credit(const struct vsock_connection *connection);
/* @len bytes of the guest's have gone on their way. */
void vsock_connection_forwarded(struct vsock_connection *connection, u32 len);
/* Its memory. */
void vsock_connection_free(struct vsock_connection *connection);
/* The host has closed its socket, of which nothing more is read. */
void vsock_connection_hung_up(struct vsock_connection *connection);
/* Send what waits for the host. The connection may be dropped. */
void vsock_connection_flush(struct vsock_connection *connection);
/* The host's socket said @error when it was written to. */
void vsock_connection_unwritable(struct vsock_connection *connection, int error);

static inline bool vsock_has_messages(const struct vsock_connection *connection)
{
	return connection->type == VIRTIO_VSOCK_TYPE_SEQPACKET;
}

/* ---- vsock_receive.c ---- */

/* Put into the guest's buffers what there is for it. Any connection may be dropped. */
void vsock_receive(struct vsock *vsock);
/* Whether another reset can be queued, and that. */
bool vsock_has_room_for_reset(const struct vsock *vsock);
void vsock_queue_reset(struct vsock *vsock, const struct vsock_reset *reset);

/* ---- vsock_host.c ---- */

int vsock_host_create(struct vsock *vsock, const struct virtio_vsock_options *options);
void vsock_host_destroy(struct vsock *vsock);
/* What came of vsock_dial(): a socket, or -errno. */
void vsock_host_dialed(struct vsock_connection *connection, int fd);
/* The socket that was given for @port, the caller's now; -1: none, or it has been taken. */
int vsock_host_take_given(struct vsock *vsock, u32 port);
bool vsock_host_is_given(const struct vsock *vsock, u32 port);

/* ---- vsock_dial.c ---- */

/* -errno: nothing was made. */
int vsock_dial_create(struct vsock *vsock);
/* At the end: wait for jobs. False: the host does not finish one, and @vsock must be left as it is.
 */
bool vsock_dial_destroy(struct vsock *vsock);
/* Connect to the socket of connection->host_port: vsock_host_dialed() will be called. -errno: not.
 */
int vsock_dial(struct vsock_connection *connection);

/* ---- vsock_transmit.c ---- */

/* Serve the guest's packets. */
void vsock_transmit(struct vsock *vsock);

#endif
