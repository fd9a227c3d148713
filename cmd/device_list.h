/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every device, a row each: the name of its struct device_class (vmm/device_class.h). The order of
 * the rows is that in which devices are made, and in which guests find them.
 */
#ifndef CMD_DEVICE_LIST_H
#define CMD_DEVICE_LIST_H

#define DEVICE_LIST(DEVICE)                                                                        \
	DEVICE(serial_class)                                                                       \
	DEVICE(pvpanic_class)                                                                      \
	DEVICE(watchdog_class)                                                                     \
	DEVICE(flash_class)                                                                        \
	/* Before all that it translates. */                                                       \
	DEVICE(viommu_class)                                                                       \
	DEVICE(virtio_blk_class)                                                                   \
	DEVICE(virtio_console_class)                                                               \
	DEVICE(virtio_ports_class)                                                                 \
	DEVICE(virtio_rng_class)                                                                   \
	DEVICE(virtio_balloon_class)                                                               \
	DEVICE(virtio_net_class)                                                                   \
	DEVICE(virtio_fs_class)                                                                    \
	DEVICE(virtio_9p_class)                                                                    \
	DEVICE(virtio_vsock_class)                                                                 \
	/* Last: its claim() takes devices from their drivers. */                                  \
	DEVICE(vfio_pci_class)

#endif
