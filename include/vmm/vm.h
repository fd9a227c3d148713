/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine. Made in this order, taken down in the reverse one:
 *
 *   vm_create()     RAM, loop, buses; KVM's VM begins to come up
 *   vm_add_device() each device, in the order in which the guest shall find them
 *   (load the image, write the firmware: vmm/arch.h)
 *   vm_seal()       the devices open what they will need
 *   vm_run()        starts the vCPUs and the loop; returns when the VM stops
 *   vm_destroy()    devices last to first, then the rest
 *
 * KVM's calls for memory and interrupt controllers wait for grace periods of
 * the host's kernel: milliseconds each. vm_create() makes them on the first
 * vCPU's thread, while the main thread opens and loads; vm_wait_kvm() meets it.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "util/error.h"
#include "util/list.h"
#include "util/log.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/arch.h"
#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/dma.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/memory.h"

struct pci_bus;
struct power_button;
struct vm_events;
struct vcpu;

/* Why a VM stopped. The first reason stands. */
enum vm_stop {
	VM_RUNNING = 0,
	VM_POWEROFF,   /* the guest switched itself off */
	VM_REBOOT,     /* the guest asked for a reset: for us an end like the other */
	VM_PANIC,      /* the guest said that it is dead, or a vCPU cannot go on */
	VM_WATCHDOG,   /* its watchdog ran out */
	VM_HANG,       /* it does nothing any more: vmm/hang.h */
	VM_TIMEOUT,    /* --timeout */
	VM_USER,       /* Ctrl-A x, SIGINT, SIGTERM */
	VM_HOST_ERROR, /* KVM or the host failed us */
};

/* The reasons for a pause: the VM goes on when there is none left. */
#define VM_PAUSE_USER (1u << 0) /* somebody who controls it */
#define VM_PAUSE_HOST (1u << 1) /* a device that waits for the host: a disk that is full */

/* Somebody who wants to know when the VM has paused. Lives inside its owner. */
struct vm_pause_watch {
	struct list_node node; /* pause.c's; zeroed or list_init()ed while it is not used */
	/* VM lock held, any thread. @paused false: it was resumed before it came to that. */
	void (*told)(struct vm_pause_watch *watch, bool paused);
};

/* A device that cannot go on before its host can. Lives inside it, zeroed while it does not wait.
 */
struct vm_host_wait {
	struct list_node node; /* pause.c's */
	/* The user resumed the VM: try now. Main thread, VM lock held. */
	void (*retry)(struct vm_host_wait *wait);
};

struct dma_windows;

struct vm_config {
	const char *name;
	unsigned cpus; /* >= 1, within what vm_check_host() found */
	const struct range *ram;
	unsigned ram_count;
	const struct memory_file *ram_file; /* what has its pages; NULL: none, they are anonymous */
	unsigned panic_timeout; /* seconds, >= 1: how long a panicked guest may do nothing */
	unsigned hang_timeout;	/* seconds; 0: it may hang for ever */
	bool hang_idle;		/* one that only waits for interrupts hangs, too */
	bool keep_dead;		/* a guest that died is kept, paused, until somebody else ends it */
	const char *console;	/* what the terminal is in the guest, for people; NULL: nothing */
	const cpu_set_t *affinity; /* where the vCPUs' threads run; NULL: anywhere */
	struct arch_options arch;
	/* Not all of what the guest sees as memory can have tags (MTE): a device's is there, or a
	 * file's. */
	bool no_tags;
	struct dma_windows *windows; /* asked by the caller, decided by arch_vm_create() */
};

/*
 * A contract: devices and the architecture read these. vm_create() sets them, but for @fd, @arch
 * and what is in @vcpus, which are there after vm_wait_kvm(), and @pci, by pci_bus_create().
 * Pointers do not change then; what is behind them has its own rules.
 */
struct vm {
	int kvm_fd;			/* /dev/kvm; borrowed from struct vm_host */
	int fd;				/* KVM's VM; -1 until it is up; owned */
	const struct vm_config *config; /* the caller's; outlives the VM */
	struct guest_memory *memory;
	struct loop *loop;
	struct bus *mmio;
	struct bus *ports;
	struct irq *irq;
	struct dma_identity identity; /* the untranslated DMA space */
	struct arch_vm *arch;
	pthread_mutex_t lock; /* THE lock: see vmm/loop.h */
	struct list_node devices;
	struct list_node terminals;  /* terminal_node(): those that vm_add_terminal() made; owned */
	struct vm_events *events;    /* NULL: nobody remembers */
	struct list_node page_slots; /* page_slot.node: vmm/slot.h */
	struct pci_bus *pci;	     /* NULL: none. In devices, too */
	struct power_button *power_button; /* vmm/power.h; borrowed; NULL: none */
	struct vcpu **vcpus;		   /* config->cpus of them */
	_Atomic int stop;		   /* enum vm_stop */
	s64 born;			   /* when it was made: seconds of CLOCK_MONOTONIC */
	_Atomic bool panicked; /* vm_panicked() was called: whatever ends the VM, it is a panic */
	u64 activity;	       /* accesses to devices and kicks of queues; VM lock */
	u64 progress;	       /* those of them that are no reads; VM lock */
	struct hang *hang;     /* hang.c's own; NULL: nobody looks */
	char died[96];	       /* why a vCPU could not go on, the first one; ""; VM lock */
	/* panic.c's own: it looks whether a panicked guest still does something. */
	struct loop_timer panic_timer;
	u64 panic_activity;   /* what activity was at the last look */
	unsigned panic_quiet; /* looks since that changed */
	bool kept;	      /* it died, and is kept (config->keep_dead) */
	struct log_limit panic_log;
	struct log_limit watchdog_log; /* watchdog.c's own */
	/* pause.c's own. */
	_Atomic u32 pause_wanted; /* VM_PAUSE_* */
	bool devices_paused;	  /* no vCPU runs, and all devices were told */
	bool paused;		  /* and have settled */
	unsigned vcpus_running;	  /* threads in vcpu_run() that have not parked */
	pthread_cond_t unpark;
	struct loop_timer pause_timer; /* looks whether the devices have settled */
	struct list_node pause_watches;
	struct list_node host_waits;
	struct list_node visits; /* visit.c's own */
	bool restarting;	 /* vm_restarting() was called ... */
	u64 restart_activity;	 /* ... when activity was this */
	struct vm_setup *setup;	 /* vm.c's own */
};

/*
 * The default of vm_config.panic_timeout. Longer than it takes a crash kernel to come up on a slow
 * host, and than the delays that people give with panic=SECONDS.
 */
#define VM_PANIC_TIMEOUT 60

/* What the host can do, asked of /dev/kvm before anything is made. */
struct vm_host {
	int kvm_fd; /* owned */
	unsigned max_cpus;
};

#define VM_KVM_FILE "/dev/kvm"

/*
 * Open KVM's device at @path (VM_KVM_FILE, unless the user has another name for it) and see that
 * it can run us. The error line says which group or mode is missing. Nothing is created.
 */
int vm_check_host(struct vm_host *host, const char *path, struct error *err);
void vm_host_close(struct vm_host *host);

/* 0 or -errno with @err said and nothing left behind. Main thread, once. */
int vm_create(struct vm **vm, const struct vm_host *host, const struct vm_config *config,
	      struct error *err);
/* NULL is fine. Destroys the devices that are still there. */
void vm_destroy(struct vm *vm);
/*
 * The devices alone, last to first: for an owner of what they borrow (a terminal)
 * that itself borrows the loop. vm_run() has returned, or was never called. NULL is fine.
 */
void vm_destroy_devices(struct vm *vm);

/* Wait until KVM's side is up: vm->fd, vm->arch and the vCPUs are there. Idempotent. */
int vm_wait_kvm(struct vm *vm, struct error *err);

/*
 * All devices are there: nothing is opened any more while the guest runs, but what KVM and its
 * interrupts are asked for by eventfds. vm->kvm_fd is not used any more. Main thread, before
 * vm_run(). -errno with a line.
 */
int vm_seal(struct vm *vm, struct error *err);

/* The vm owns @device from here on. */
void vm_add_device(struct vm *vm, struct device *device);

struct terminal;
struct terminal_target;
/* terminal_create_at() with the VM's loop; the vm owns it. For a device that borrows it. */
int vm_add_terminal(struct vm *vm, const char *name, const struct terminal_target *target,
		    struct terminal **terminal);
/* The devices are gone. NULL is fine. */
void vm_destroy_terminals(struct vm *vm);

/*
 * Boot @image on the first vCPU and serve until somebody calls vm_stop(). When
 * it returns, every vCPU has stopped and the loop is idle. Main thread. Returns
 * the reason; VM_HOST_ERROR with @err said.
 */
enum vm_stop vm_run(struct vm *vm, const struct arch_image *image, struct error *err);

/* End the run. Any thread, lock or not. The first reason stands. */
void vm_stop(struct vm *vm, enum vm_stop reason);

/*
 * The guest resets itself (VM_REBOOT), or cannot go on (VM_PANIC), by a vCPU that can still be
 * visited; or all is done, and it has not switched itself off (VM_POWEROFF); or its watchdog bites.
 * That ends the run, but of a guest that died, in whichever way, with config->keep_dead: it is
 * paused as by its user then, and whoever ends the run later, VM_PANIC is the reason. VM lock held,
 * any thread.
 */
void vm_guest_stop(struct vm *vm, enum vm_stop reason);

/*
 * The guest's kernel died: whatever ends the run, VM_PANIC is the reason (but for VM_USER and
 * VM_HOST_ERROR). It may go on as long as it does something; after config->panic_timeout seconds
 * without, the run ends. @crash_loaded: the guest said that a crash kernel takes over, and the
 * run has no such end, until the next call without. VM lock held.
 */
void vm_panicked(struct vm *vm, bool crash_loaded);

/*
 * Pause at a consistent point: each vCPU has finished its exit, and no device has anything under
 * way. @why: one of VM_PAUSE_*. Returns at once; @watch, if not NULL, is told, perhaps before this
 * returns. VM lock held, any thread; also before vm_run(), whose vCPUs then do not start. Time goes
 * on for the guest, and so does --timeout. What passed devices do by themselves goes on.
 */
void vm_pause(struct vm *vm, u32 why, struct vm_pause_watch *watch);
/* @why: reasons that are none any more. It runs when none is left. VM lock held, any thread. */
void vm_resume(struct vm *vm, u32 why);
bool vm_is_paused(const struct vm *vm);
/* @watch will not be told. */
void vm_pause_forget(struct vm_pause_watch *watch);

/*
 * @wait begins: the VM pauses (VM_PAUSE_HOST) until each that has begun has ended. vm_resume() by
 * the user has it try again at once. Nothing where it waits already, or does not. VM lock held; the
 * end on the main thread.
 */
void vm_host_wait_begin(struct vm *vm, struct vm_host_wait *wait);
void vm_host_wait_end(struct vm *vm, struct vm_host_wait *wait);
/* Whether the user wants it paused: then nothing of the guest's may change. VM lock held. */
bool vm_is_held(const struct vm *vm);

/* The guest said that it restarts the machine, which its kernel does at once. VM lock held. */
void vm_restarting(struct vm *vm);
/* Whether that was just now: the guest has done next to nothing since. VM lock held. */
bool vm_is_restarting(const struct vm *vm);

static inline void vm_lock(struct vm *vm)
{
	loop_lock(vm->loop);
}

static inline void vm_unlock(struct vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

/*
 * For a register whose write is over when the host's I/O is: a reset. With the VM lock held, on
 * the vCPU's thread: give the lock up until the loop has handled something, and have it back. The
 * caller looks whether what it waits for has come, and waits again if not. False: the VM stops,
 * and it may never come: leave the device as it is; its destroy(), on the main thread, can block.
 *
 * Meanwhile other vCPUs and the loop do as they like: regions move on their bus, the same
 * device is written to, another wait may begin and end. Only devices stay, as they live as long as
 * the VM. So it is for the last thing that a register's write does, when nobody on the stack
 * (bus.c, vcpu.c, a PCI function's config_written) does more than return; and never for a loop
 * handler or a read, which has a value to return. On the main thread, where tests play the
 * guest, the loop is served meanwhile.
 */
static inline bool vm_wait(struct vm *vm)
{
	return loop_wait(vm->loop);
}

#endif
