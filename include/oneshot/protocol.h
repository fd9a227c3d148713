/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a one-shot run (lkvm run -- COMMAND) and the init in its guest say to each other, over
 * connections of the guest's to consecutive ports of the host's (virtio-vsock, streams), or over
 * ports of virtio-console, each of which is opened once:
 *
 *   ONESHOT_CONTROL  messages, of struct oneshot_message
 *   ONESHOT_STDIN    bytes to the command; the end of the connection is the end of its input
 *   ONESHOT_STDOUT   bytes of the command's; and ONESHOT_STDERR. The guest ends each when there is
 *                    no more; the host closes one whose reader went away
 *
 * Where the command has a terminal, ONESHOT_STDIN and ONESHOT_STDOUT are what is typed there and
 * what is shown; ONESHOT_STDERR ends at once unless it is to be apart.
 *
 * The guest connects all of them, control last, says READY, and then STARTED, or why not. When the
 * command has ended it says so, and powers off once the host has answered BYE, which it does when
 * it has all of the output. After that, and for what breaks these rules, the host takes no more.
 *
 * Compiles without a C library, as init does.
 */
#ifndef ONESHOT_PROTOCOL_H
#define ONESHOT_PROTOCOL_H

#define ONESHOT_VERSION 2

enum oneshot_channel {
	ONESHOT_CONTROL,
	ONESHOT_STDIN,
	ONESHOT_STDOUT,
	ONESHOT_STDERR,
	ONESHOT_CHANNELS,
};

/* Of ONESHOT_CONTROL; the others follow. */
#define ONESHOT_PORT 0x10000000u
/* Names of virtio-console's ports; the control channel is the last port of its device. */
#define ONESHOT_PORT_STDIN   "lkvm.stdin"
#define ONESHOT_PORT_STDOUT  "lkvm.stdout"
#define ONESHOT_PORT_STDERR  "lkvm.stderr"
#define ONESHOT_PORT_CONTROL "lkvm.control"
/* The guest's address where nobody chose one. */
#define ONESHOT_CID "3"

enum oneshot_type {
	/* From the guest. */
	ONESHOT_READY = 1,  /* value: ONESHOT_VERSION */
	ONESHOT_STARTED,    /* the command runs */
	ONESHOT_FAILED,	    /* init cannot go on; value: errno; text: with what */
	ONESHOT_NO_COMMAND, /* the command cannot be run; value: errno; text: as FAILED */
	ONESHOT_EXITED,	    /* value: its exit status, 0 to 255 */
	ONESHOT_KILLED,	    /* value: the signal that ended it, 1 to 64 */
	/* From the host. */
	ONESHOT_SIGNAL, /* value: a signal for the command */
	ONESHOT_BYE,
	ONESHOT_WINDOW, /* value: ONESHOT_WINDOW_SIZE(), of the command's terminal */
};

#define ONESHOT_WINDOW_SIZE(columns, rows) ((unsigned)(rows) << 16 | (columns))
#define ONESHOT_WINDOW_COLUMNS(value)	   ((value)&0xffff)
#define ONESHOT_WINDOW_ROWS(value)	   ((value) >> 16)

#define ONESHOT_TEXT 128

/* Little endian, which both architectures are. */
struct oneshot_message {
	unsigned int type;
	unsigned int value;
	char text[ONESHOT_TEXT]; /* terminated */
};

/*
 * What init is to do is in a file of the initial RAM disk: strings, each with its NUL, of which the
 * first character says what the rest is.
 */
#define ONESHOT_CONFIG "/lkvm/config"
/* What init has room for: of all of it, with its end, and of ONESHOT_WORD and ONESHOT_VARIABLE. */
#define ONESHOT_CONFIG_SIZE (512 * 1024)
#define ONESHOT_WORDS	    16384

enum oneshot_config {
	ONESHOT_MODULE = 'M', /* the path of one to load */
	ONESHOT_ROOT = 'R', /* the type of the root file system: virtiofs, 9p, or ONESHOT_PACKED */
	ONESHOT_SCRATCH = 'O', /* the root stays as it is: a layer in memory is over it */
	/* Mounted in their order, with those of ONESHOT_TMPFS. */
	ONESHOT_FOLDER = 'F', /* TAG:PATH of a folder that is mounted there, too */
	ONESHOT_TMPFS = 'T',  /* a path where there is an empty file system in memory */
	ONESHOT_HOST_NAME = 'N',
	ONESHOT_UID = 'U', /* of the command: a number; and its group */
	ONESHOT_GID = 'G',
	ONESHOT_PWD = 'W',
	ONESHOT_VARIABLE = 'E', /* NAME=VALUE */
	ONESHOT_WORD = 'A',	/* of the command line */
	ONESHOT_TERMINAL = 'P', /* it has one, of this ONESHOT_WINDOW_SIZE(), decimal */
	ONESHOT_APART = 'S',	/* and standard error is not that */
	ONESHOT_EXEC = 'X',	/* and more commands are taken (below) */
	ONESHOT_PORTS = 'C',	/* the channels are ports of virtio-console, not of vsock */
	ONESHOT_KEEP = 'K', /* of one that failed: this shell has a terminal then, until it ends */
};

/*
 * More commands beside it: init listens at this port of the guest's, for connections of the host's.
 * One is the control channel of a command: the host sends the length of its configuration, 32 bits,
 * less than ONESHOT_EXEC_SIZE, and that, of which ONESHOT_WORD, ONESHOT_TERMINAL and ONESHOT_APART
 * count; all else is as the first command has it. The guest answers with a port, 32 bits, at which
 * it takes the three streams in their order, and then all is as above, but that nothing is switched
 * off.
 */
#define ONESHOT_EXEC_PORT 0x10000010u
#define ONESHOT_EXEC_SIZE (ONESHOT_CONFIG_SIZE / 2)

/* The root is a folder beside init already, and the guest's own. */
#define ONESHOT_PACKED "packed"

/* Tags of the root folder: those of --disk FOLDER. */
#define ONESHOT_FS_TAG "lkvm_root"
#define ONESHOT_9P_TAG "/dev/root"

#endif
