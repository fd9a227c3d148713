/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core asks of an architecture: link-time functions of x86/ or arm/,
 * of which a binary has one. In the order in which they are called.
 */
#ifndef VMM_ARCH_H
#define VMM_ARCH_H

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/device.h"
#include "vmm/watchdog.h"

struct vm;
struct vcpu;
struct guest_memory;
struct arch_vm;	   /* the architecture's part of a struct vm */
struct arch_image; /* a kernel, opened and checked */
struct firmware;

/* ---- before anything exists: what the user gave is checked ---- */

/* "x86" or "arm64". */
extern const char *const arch_name;
/* Guests are described by a device tree (and not by ACPI). */
extern const bool arch_has_device_tree;
/* A struct file_start: Devicetree Specification, "Header", magic. */
#define ARCH_DTB_START                                                                             \
	{                                                                                          \
		"a device tree", "\xd0\x0d\xfe\xed", 4                                             \
	}

#define ARCH_MAX_CPUS	 255
#define ARCH_MAX_CMDLINE 2047

/* Options that only an architecture understands. Zero, each: as if it had not been given. */
struct arch_options {
	int irqchip; /* of arch_irqchip_parse(); 0: the best that the host has */
	/* arm64's alone */
	bool firmware; /* the machine is one for firmware, which differs in where things are */
	bool pmu, nested, e2h0;
	bool no_sve, no_mte, no_stolen_time;
	unsigned sve_bits;  /* the longest vector; 0: the host's */
	u64 kaslr_seed;	    /* 0: a random one */
	u64 counter_offset; /* of the guest's counter behind the host's, in ticks; 0: as KVM has it
			     */
	unsigned timer_frequency; /* Hz; 0: as the firmware set it */
};

/*
 * --irqchip NAME. -EINVAL with a line that lists the names. Whether the host
 * has it shows only with a VM: arch_vm_create() says so.
 */
int arch_irqchip_parse(const char *name, int *irqchip, struct error *err);
/*
 * Whether the host's KVM has what was asked for, before there is a VM: -ENODEV with the line that
 * making one would end in. 0 also where that cannot be told beforehand.
 */
int arch_check_host(int kvm_fd, const struct arch_options *options, unsigned cpus,
		    struct error *err);

/*
 * Where @size bytes of RAM go, from @base on (0: where the architecture has it). Returns the
 * number of ranges (<= @max), or -EINVAL with a line: not page-aligned, too small to hold anything,
 * too large, no place for RAM.
 */
int arch_ram_layout(const struct arch_options *options, u64 size, gpa_t base, struct range *ranges,
		    unsigned max, struct error *err);

/*
 * A file without any header is started as it is, if its name ends so: by its content alone, any
 * file would be a kernel. kvm-unit-tests' programs are called so.
 */
#define ARCH_IMAGE_FLAT ".flat"
/*
 * How a file that cannot be opened is said, which is kvmtool's way: kvm-unit-tests' runner tries a
 * command line without a kernel, and knows by it that all options were understood.
 */
#define ARCH_IMAGE_UNOPENED "Fatal: Unable to open kernel"

/*
 * Open the kernel at @path and read all of its headers. -EINVAL (empty,
 * truncated, no kernel, of another architecture: the line says which), -errno
 * of open(). The file stays open until arch_image_close(); no memory of its size.
 */
int arch_image_open(struct arch_image **image, const char *path, struct error *err);
/*
 * The firmware at @path in a kernel's stead: what follows goes for it as well. @address: of RAM,
 * where it goes and begins; 0: it goes where firmware is without it. -EINVAL with a line: it does
 * not fit there, or the architecture starts none.
 */
int arch_image_open_firmware(struct arch_image **image, const char *path, gpa_t address,
			     struct error *err);
void arch_image_close(struct arch_image *image);

struct boot_image;
struct boot_entry;
/* Whether it is packed, so that what vmm/boot_cache.h keeps saves time. *fd, borrowed, and *size:
 * its file. */
bool arch_image_is_packed(const struct arch_image *image, int *fd, u64 *size);
/*
 * What is in it, as it lies in memory. -EOPNOTSUPP: packed in a way that is not known here;
 * -EINVAL: damaged, or of no shape that could be run without its own code that unpacks it; -ENOMEM,
 * -errno.
 */
int arch_image_unpack(const struct arch_image *image, struct boot_image *out);
/*
 * Load @entry in the file's stead; NULL: load the file, after all. Before arch_image_plan(), which
 * is to be called again where it was called. -EINVAL: it cannot be this kernel's. @entry is
 * borrowed until the image is loaded.
 */
int arch_image_use(struct arch_image *image, const struct boot_entry *entry);

/*
 * Decide where kernel, @initrd_size bytes of initrd (0: none) and @cmdline go
 * in RAM. -EINVAL with a line if they do not fit or the command line is longer
 * than the kernel takes. @cmdline is borrowed and outlives the image.
 */
int arch_image_plan(struct arch_image *image, const struct range *ram, unsigned ram_count,
		    u64 initrd_size, const char *cmdline, struct error *err);

/* ---- the machine's map ---- */

/* Of the @n-th place for a virtio-mmio device; -ENOSPC after the last. Lower ones probe first. */
int arch_virtio_resource(unsigned n, struct device_resource *resource);
/*
 * Of serial port @n, below ARCH_SERIAL_PORTS: the addresses and interrupts that guests know without
 * being told (PC), or that kvmtool or, with firmware, QEMU has (arm64).
 */
#define ARCH_SERIAL_PORTS 4
void arch_serial_resource(const struct arch_options *options, unsigned n,
			  struct device_resource *resource);
/*
 * Of CFI flash: the most that there is room for. False: the architecture has none.
 */
bool arch_flash_resource(const struct arch_options *options, struct device_resource *resource);
void arch_pvpanic_resource(struct device_resource *resource);

struct pci_layout;
/* Where a PCI bus goes; vm_wait_kvm() has returned. -ENOSPC with a line: RAM leaves no room. */
int arch_pci_layout(const struct vm *vm, struct pci_layout *layout, struct error *err);

/*
 * Whether virtio devices are better on virtio-mmio: the interrupt controller that is wanted, or the
 * words @params of the kernel's command line (may be NULL), leave PCI without MSIs.
 */
bool arch_wants_mmio(const struct arch_options *options, const char *params);

/* The page size that the kernel was built for, if its header says so; 0: it may be any. */
u64 arch_image_page_size(const struct arch_image *image);

/* ---- making the machine ---- */

/* What KVM_CREATE_VM is asked for: 0, or the address width that the RAM needs. */
unsigned long arch_vm_type(int kvm_fd, const struct range *ram, unsigned ram_count);

/* KVM_IRQ_LINE's name for @gsi. */
u32 arch_irq_line_number(u32 gsi);

/* Whether KVM wants to know which device an MSI comes from (an ITS does). */
extern const bool arch_msi_has_device_id;
/* Whether guests can map a doorbell in their IOMMU's tables; x86's never do. */
extern const bool arch_maps_doorbells;
/* Where doorbells of this architecture are if they can be: of all its controllers. */
extern const struct range arch_doorbells[];
extern const unsigned arch_doorbell_count;

struct msi_message;
/*
 * Whether @msi raises a pin of the controllers and is unknown to KVM as a message: a write to
 * a v2m frame. *gsi: the pin's.
 */
bool arch_msi_pin(const struct vm *vm, const struct msi_message *msi, u32 *gsi);

/*
 * The routes of all pins of the controllers, as KVM's default table has them:
 * at most @max into @entries; returns how many there are. NULL: just count.
 */
struct kvm_irq_routing_entry;
u32 arch_irq_pins(struct kvm_irq_routing_entry *entries, u32 max);

/*
 * vm->fd is there, vCPUs are not: make the interrupt controller and the like, its doorbell where
 * dma_windows_decide() puts it for vm->config->windows.
 * On the first vCPU's thread; must not touch guest memory, devices or buses.
 * The error line names what the host lacks; -ENODEV: of what the user asked for.
 */
int arch_vm_create(struct vm *vm, struct error *err);
/* All vCPUs are there. Same thread. */
int arch_vm_finish(struct vm *vm, struct error *err);
void arch_vm_destroy(struct vm *vm); /* vm->arch may be NULL */

/* vcpu->fd and vcpu->run are there: features, CPUID. On the first vCPU's thread. */
int arch_vcpu_create(struct vcpu *vcpu);

/*
 * Whether the architecture has a watchdog of its own, which arch_watchdog_create() makes: @vm owns
 * it. -errno. vm_wait_kvm() has returned. Main thread.
 */
extern const bool arch_has_watchdog;
int arch_watchdog_create(struct vm *vm, enum watchdog_action action);

struct terminal;
/* Serial port @n, of the kind that its guests know, as serial_create() (vmm/serial.h) has it. */
int arch_serial_create(struct vm *vm, unsigned n, struct terminal *terminal);

/* Devices of the architecture's own (RTC, keyboard controller, power button). Main thread. */
int arch_add_devices(struct vm *vm, struct error *err);

/* ---- boot; vm_wait_kvm() has returned ---- */

/* Bits of a guest physical address, as the vCPUs have them. */
unsigned arch_address_bits(const struct vm *vm);

/* Copy kernel and initrd (from @initrd_fd, -1: none) to where they were planned. May run before
 * vm_wait_kvm(). -EILSEQ: the boot cache's entry is damaged. */
int arch_image_load(struct arch_image *image, struct guest_memory *memory, int initrd_fd,
		    struct error *err);
/* It is loaded: close its file. Where the guest begins is still known. */
void arch_image_close_file(struct arch_image *image);
/*
 * Describe the machine to the guest: ACPI tables, boot parameters, device tree;
 * for vm->devices and @firmware's extras. All devices have been added.
 */
int arch_firmware_write(struct vm *vm, const struct arch_image *image,
			const struct firmware *firmware, struct error *err);

/* The registers with which @vcpu starts; called on its own thread before its first KVM_RUN. */
int arch_vcpu_boot(struct vcpu *vcpu, const struct arch_image *image);

/* ---- running ---- */

/*
 * An exit that the core does not know (it knows MMIO, ports, system events,
 * shutdown, internal errors). 0: handled, go on; -errno: the vCPU cannot go on.
 */
int arch_vcpu_exit(struct vcpu *vcpu);

/* It was paused and goes on: tell the guest's clock. On its own thread. */
void arch_vcpu_resumed(struct vcpu *vcpu);

/*
 * Whether a guest that shuts its processor down (KVM_EXIT_SHUTDOWN) had handed the machine over to
 * firmware before: then it is a reset.
 */
bool arch_vcpu_handed_over(const struct vcpu *vcpu);

/*
 * Whether it is by the guest's own doing, and not by the host's fault, that @vcpu cannot go on.
 * @error: errno of KVM_RUN; 0: the exit is KVM_EXIT_FAIL_ENTRY.
 */
bool arch_vcpu_blames_guest(const struct vcpu *vcpu, int error);

/* One line on where @vcpu is, for the message about a dead vCPU. */
void arch_vcpu_describe(struct vcpu *vcpu, char *line, size_t size);
/* Its registers, as lines of the debug log. Both on its own thread. */
void arch_vcpu_dump(const struct vcpu *vcpu);

#endif
