/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many files the machine will have open: a guest whose device has no eventfd left for an
 * interrupt fails much later, and nobody would know why.
 */
#include "machine_parts.h"
#include "util/fds.h"
#include "vfio/vfio.h"

/* Measured, and rounded up: KVM, loop, timers, terminal, control socket with all its clients. */
#define FDS_MACHINE 32
/* A virtio device's image, AIO, worker; an eventfd for each queue and each vector. */
#define FDS_VIRTIO 12
/* A passed device's container, group and device; its INTx and the host's notices. */
#define FDS_PASSED 7

/* vCPUs have one each. What has been opened already is counted by fds_check(). */
int machine_check_fds(const struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	unsigned virtio = options->disk_count + options->rng + options->viommu +
			  (options->console == CONSOLE_VIRTIO);
	unsigned need = FDS_MACHINE + options->cpus + FDS_VIRTIO * virtio +
			FDS_PASSED * options->passed_count;

	if (machine->vfio)
		need += vfio_vectors(machine->vfio);
	return fds_check(need, err);
}
