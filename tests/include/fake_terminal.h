/* SPDX-License-Identifier: BSD-2-Clause */
/* A terminal for serial ports, which can be full, in the place of vmm/terminal.c's. */
#ifndef TESTS_FAKE_TERMINAL_H
#define TESTS_FAKE_TERMINAL_H

#include "vmm/terminal.h"

struct terminal {
	struct terminal_client *client;
	char output[64];
	size_t output_len, room; /* of output: at most its size */
	const char *input;	 /* what the device has not taken */
};

#endif
