/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device as the machine sees it: something that can be torn down, and plain
 * data about where it sits, from which the firmware tables are written. Devices
 * write no firmware; firmware knows no device.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "util/list.h"
#include "util/types.h"
#include "vmm/irq.h"

struct counters;
struct device;

enum device_kind {
	DEVICE_SERIAL,	    /* 16550 */
	DEVICE_PL011,	    /* a serial port of another kind */
	DEVICE_VIRTIO_MMIO, /* a virtio-mmio transport with some device behind it */
	DEVICE_PVPANIC,
	DEVICE_RTC,	     /* a clock in the device tree */
	DEVICE_POWER_BUTTON, /* a GPIO controller in the device tree, with the button on a line */
	DEVICE_FLASH,	     /* of CFI, in the device tree */
	DEVICE_WATCHDOG,     /* Arm's generic one, in the device tree */
	DEVICE_PCI_HOST,     /* the PCI bus itself, vmm/pci.h: resource is its ECAM */
	DEVICE_PCI,	     /* a function on it, found by enumeration; resource is unused */
	DEVICE_LEGACY,	     /* of the architecture's own: described by the architecture */
};

/* Its registers and its interrupt: handed out by the architecture (vmm/arch.h). */
struct device_resource {
	bool port; /* base is a port number, not an MMIO address */
	u64 base;
	u64 size;
	u32 gsi; /* ~0: no interrupt */
	enum irq_trigger trigger;
	bool shared; /* others may have the same interrupt */
};

#define DEVICE_NO_IRQ	   (~0u)
#define DEVICE_NO_ENDPOINT (~0u)

/* What a device publishes. Set before the firmware is written, then constant. */
struct device_info {
	const char *name; /* for people: "virtio-blk 0"; owned by the device */
	enum device_kind kind;
	struct device_resource resource;
	u32 endpoint;  /* the IOMMU's name for it; DEVICE_NO_ENDPOINT: not translated */
	u16 bdf;       /* of DEVICE_PCI */
	bool is_iommu; /* this is the IOMMU that translates all endpoints */
};

/* Platform endpoints are numbered from here; PCI ones are (segment << 16) | BDF, below. */
#define DEVICE_PLATFORM_ENDPOINT 0x80000000u

/*
 * The life of a device: created, sealed, pause and resume any number of times, destroy. A save and
 * a load of its state would go between pause and resume, when it is settled. VM lock held, on any
 * thread, but for destroy.
 */
struct device_ops {
	/*
	 * The machine is complete: open now what may be needed while the guest runs, because
	 * nothing can be opened later. Main thread, before the guest runs. 0 or -errno. NULL:
	 * there is nothing.
	 */
	int (*seal)(struct device *device);
	/*
	 * Begin nothing new: no vCPU runs, and none will before resume(). What was begun goes on.
	 * Must not block. Called also before all devices are destroyed, one after the other. NULL:
	 * it does nothing by itself.
	 */
	void (*pause)(struct device *device);
	/* Go on where pause() came, kicks that were missed included. NULL if pause is. */
	void (*resume)(struct device *device);
	/*
	 * Whether what was begun before pause() is over, so that nothing of the guest's changes
	 * any more. NULL: always.
	 */
	bool (*settled)(const struct device *device);
	/* Tell what was counted (vmm/counters.h). NULL: nothing was. */
	void (*report)(const struct device *device, struct counters *counters);
	/* Stop all activity and free; main thread, after the vCPUs and the loop ended. Never NULL.
	 */
	void (*destroy)(struct device *device);
};

/* Lives inside the device's own structure. */
struct device {
	const struct device_ops *ops;
	struct device_info info;
	struct list_node node; /* vm->devices */
};

#endif
