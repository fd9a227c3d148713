/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many files the machine will have open: a guest whose device has no eventfd left for an
 * interrupt fails much later, and nobody would know why.
 */
#include "machine.h"
#include "util/fds.h"

/* Measured, and rounded up: KVM, loop, timers, terminal, control socket with all its clients. */
#define FDS_MACHINE 32

/* vCPUs have one each. What has been opened already is counted by fds_check(). */
int machine_check_fds(const struct machine *machine, struct error *err)
{
	return fds_check(FDS_MACHINE + machine->options->cpus +
				 devices_count_fds(&machine->options->devices),
			 err);
}
