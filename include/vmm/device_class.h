/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device is to the machine that is made of devices: one struct device_class in the device's
 * own file, and one row in cmd/device_list.h. docs/design.md, "A device", builds one.
 *
 * A class has no state. Each device of it that a run asks for is an instance: state_size bytes,
 * zeroed, which the command line fills by the class's options. The members are called
 * in this order, for all instances in the order of the rows:
 *
 *   options     while the command line is read
 *   slots()     how many places the machine must have
 *   prepare()   open and check what was named; nothing is made, nothing of the host's changes
 *   kernel_words()
 *   claim()     take from the host what must be given back. The last step that a user's
 *               mistake can stop
 *   connect()   KVM is up, and no device is there
 *   create()    make the device, at a place from device_place()
 *   firmware()  all devices are there
 *   (the guest runs)
 *   advise(), report()
 *   release()   the devices are destroyed, and so is the VM
 *
 * All on the main thread, before the guest runs or after. Each may be NULL but name and create.
 * Each that returns an int returns 0, or -errno with a line in @err.
 */
#ifndef VMM_DEVICE_CLASS_H
#define VMM_DEVICE_CLASS_H

#include "util/error.h"
#include "util/option.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/device.h"

struct arch_options;
struct control_command;
struct counters;
struct dma_limits;
struct dma_listener;
struct dma_space;
struct dma_windows;
struct firmware;
struct keeper;
struct share;
struct terminal;
struct terminal_events;
struct vm;

/* What a device sits on. */
enum device_bus {
	DEVICE_BUS_NONE, /* at an address of its own, which the architecture has for it */
	DEVICE_BUS_ANY,	 /* where --transport puts virtio devices, or on PCI if MMIO is full */
	DEVICE_BUS_MMIO, /* always on virtio-mmio */
	DEVICE_BUS_PCI,	 /* always on PCI */
};

/* How many devices of a class a run has. */
enum device_count {
	DEVICE_IF_ASKED, /* one, if one of its options is given */
	DEVICE_EACH,	 /* one for each time that its first option is given */
	DEVICE_ALWAYS,	 /* one */
};

/* The machine that will be: for prepare() and claim(), which may add what later ones go by. */
struct device_plan {
	const char *name; /* the VM's */
	const struct arch_options *arch;
	const struct range *ram;
	unsigned ram_count;
	u64 page_size;		     /* of the guest's kernel; 0: it may be any */
	struct dma_windows *windows; /* what is asked (vmm/windows.h): facts of hosts, msi= */
	bool translated;	     /* an IOMMU will be in front of all devices */
	bool bypass;		     /* and lets them reach all RAM until the guest attaches them */
	bool console_taken;	     /* another device than the serial port has the terminal */
	struct share *shares;	/* folders that were prepared, the last one first: virtio/'s own */
	const char *kernel;	/* its file */
	bool initrd, on_pci;	/* there is one; virtio devices are on PCI */
	bool root_taken;	/* a folder is the guest's root file system */
	const char *disk_words; /* what makes the first disk the root; NULL: there is no disk */
	bool overlay;		/* and changes go to a scratch layer over it */
	const char *scratch;	/* the folder that has it; NULL: RAM of the host's */
	/* What claim() does that must be undone is noted there first: util/keeper.h. */
	struct keeper *keeper;
	/* Readable: the run is to end, and claim() waits for nothing any longer; -1: never. */
	int give_up_fd;
	/*
	 * Sockets for the guest's connections to ports of the host's, channel_count from
	 * channel_port on, for the device that serves these; each that is taken is set to -1. NULL:
	 * none. @channels_alone: nobody asked for that device otherwise. @channels_taken: they are
	 * for another device, which found so in its prepare().
	 */
	int *channels;
	unsigned channel_count;
	u32 channel_port;
	bool channels_alone, channels_taken;
	bool pinned; /* the guest's memory stays where it is: a passed device or huge pages hold it
		      */
};

/* The machine that is being made. */
struct device_host {
	struct vm *vm;		   /* with its loop and its lock: vmm/loop.h */
	struct terminal *terminal; /* standard input and output */
	/* The guest's console: that, or what the first serial port has. Set by the serial ports. */
	struct terminal *console;
	const struct terminal_events *heard; /* what a console's words are for */
	const struct device_plan *plan;
	enum device_bus bus; /* of the instance that is being created: never ANY */
	unsigned instance;   /* and its number in its class, from 0 */
	/* Set by the IOMMU when it is created: what is placed from then on is behind it. */
	const struct device_translator *translator;
	void *translator_arg;
	/* Where virtio devices can be: what DEVICE_BUS_ANY means, and arch_virtio_resource(). */
	enum device_bus any;
	bool old_rings; /* they do without the rings and kicks of virtio 1.1 and later */
	int (*mmio_resource)(unsigned n, struct device_resource *resource);
	/* PCI has not a slot for each: those that are not passed are functions of one, 8 in each.
	 */
	bool pci_is_crowded;
	/* device_place()'s own: what is taken; and whether the last PCI slot is one of several. */
	unsigned mmio_slots, pci_slots, pci_functions;
	bool pci_slot_is_shared;
	u32 platform_endpoints;
};

struct device_class {
	const char *name;   /* for people: "virtio-blk" */
	const char *module; /* Linux's driver, which may be a module; NULL: none */
	/* Whether a guest without that driver has nothing of its other devices. NULL: no. */
	bool (*needs_driver)(const void *state);
	const struct option_spec *options; /* ended by an entry without a name */
	enum device_count count;
	enum device_bus bus;
	size_t state_size;
	/*
	 * Of DEVICE_EACH: a run that asks for none by the first option has one all the same, if
	 * this says so for its state, which has the presets and what other options set. NULL: none.
	 */
	bool (*unasked)(void *state);
	/* The machine has no place for one that nobody asked for: its slots() are 0 from now on. */
	void (*give_way)(void *state);
	/* Places on @bus; NULL: one, or none with DEVICE_BUS_NONE. */
	unsigned (*slots)(const void *state);
	/*
	 * File descriptors that it may come to need: asked for before prepare() and after claim(),
	 * when more may be known. NULL or 0: as many as a virtio device has in each of its places.
	 */
	unsigned (*fds)(const void *state);
	/* For the guest's command line, in front of --params: "console=hvc0". NULL: nothing. */
	const char *(*kernel_words)(const void *state);
	int (*prepare)(void *state, struct device_plan *plan, struct error *err);
	/*
	 * Whether claim() will take what only release() gives back: then a signal that comes
	 * before the guest runs does not end the process at once. NULL: no.
	 */
	bool (*gives_back)(const void *state);
	int (*claim)(void *state, struct device_plan *plan, struct error *err);
	int (*connect)(void *state, struct vm *vm, struct error *err);
	int (*create)(void *state, struct device_host *host, struct error *err);
	/* Add to what the firmware says. What is pointed to stays until release(). */
	int (*firmware)(void *state, struct vm *vm, struct firmware *firmware, struct error *err);
	/*
	 * Commands of the control socket (vmm/control.h), ended by an entry without a name. They
	 * are called with what command_arg() gives for the last instance, with NULL if there is
	 * none.
	 */
	const struct control_command *commands;
	void *(*command_arg)(void *state);
	/* A sentence for the user whose guest did not do what was hoped for; NULL: none. */
	const char *(*advise)(const void *state);
	/*
	 * Tell what it counted (vmm/counters.h): of the device by the name that it has in
	 * vm->devices, of what else it has by another. VM lock held, or the VM has stopped.
	 */
	void (*report)(const void *state, struct counters *counters);
	/*
	 * Undo whatever was done so far, be it nothing: close what was opened, unless a device
	 * owned it; give back what was claimed.
	 */
	void (*release)(void *state);
};

/* ---- places ---- */

/* What a device asks for. */
struct device_want {
	const char *name; /* the endpoint's, for people; copied */
	bool is_iommu;	  /* it translates, and is not translated */
	bool physical;	  /* it uses the guest's physical addresses, whatever the IOMMU says */
	bool old_rings;	  /* as host->old_rings, for this device alone */
	/* PCI: the next function of the slot that was given out last, and not a slot of its own. */
	bool same_slot;
	/* Of a passed device: what can be translated for it, and who follows its domain. */
	const struct dma_limits *limits;
	struct dma_listener *listener;
};

/* What it gets: where it sits, and how it reaches memory. */
struct device_place {
	struct vm *vm;
	enum device_bus bus;	     /* MMIO or PCI */
	struct device_resource mmio; /* MMIO */
	unsigned pci_slot, pci_function;
	u32 endpoint; /* DEVICE_NO_ENDPOINT: not translated */
	bool is_iommu;
	bool old_rings;		 /* as of the host or of what was wanted */
	struct dma_space *space; /* borrowed; lives as long as the VM */
};

/* The IOMMU's part in it. */
struct device_translator {
	/* A DMA space for @endpoint: -errno with a line. */
	int (*add)(void *arg, struct vm *vm, u32 endpoint, const struct device_want *want,
		   struct dma_space **space, struct error *err);
};

/*
 * Take a place: bus, slot, endpoint ID and DMA space at once. Nothing gives it back but the end of
 * the VM. -ENOSPC: no slot is left; all with a line that names the device.
 */
int device_place(struct device_host *host, const struct device_want *want,
		 struct device_place *place, struct error *err);
/* How many places there are on @bus, in a machine of which nothing is taken yet. */
unsigned device_places(const struct device_host *host, enum device_bus bus);

#endif
