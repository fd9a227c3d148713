/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that "lkvm run" makes:
 *
 *   machine_prepare()  open and check all that the user named; makes nothing
 *   machine_build()    make it
 *   machine_seal()     after it nothing is opened
 *   vm_run()
 *   machine_destroy()  the reverse, from wherever it got to
 *
 * It knows no device: those that it has are in options->devices, and each is made by its class.
 */
#ifndef CMD_MACHINE_H
#define CMD_MACHINE_H

#include <time.h>

#include "run_options.h"
#include "util/error.h"
#include "vmm/boot_cache.h"
#include "vmm/memory_file.h"
#include "vmm/control.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

struct watch;

struct machine {
	const struct run_options
		*options;	 /* the caller's; the devices' states are ours to change */
	struct timespec started; /* the process */
	struct timespec began;	 /* the guest */
	struct vm_config config;
	cpu_set_t affinity;
	struct range ram[MEMORY_MAX_RANGES];
	struct memory_file ram_file;
	struct vm_host host;
	char cmdline[ARCH_MAX_CMDLINE + 1];
	struct arch_image *image;
	struct boot_cache cache; /* of unpacked kernels */
	int initrd_fd;		 /* -1: none */
	u64 initrd_size;
	struct dma_windows windows; /* where doorbells are, what PROBE answers */
	struct device_plan plan;
	struct device_host places; /* what devices are made with */
	struct watch *watch;	   /* borrowed: Ctrl-A x is told it */
	struct vm *vm;
	struct terminal *terminal; /* standard input and output */
	struct terminal_events heard;
	struct control *control; /* NULL: it could not be made */
	struct keeper *keeper;	 /* of what must be undone at the end; owned */
	int statm;		 /* /proc/self/statm, owned; -1: none */
};

/*
 * -errno with a line in @err; machine_destroy() in any case. @watch: borrowed; once an end
 * is asked for there nothing is waited for any longer.
 */
int machine_prepare(struct machine *machine, const struct run_options *options, struct watch *watch,
		    struct error *err);
/*
 * A part of that: whether it has as many file descriptors as it may come to need. -EMFILE with a
 * line.
 */
int machine_check_fds(const struct machine *machine, struct error *err);
int machine_build(struct machine *machine, struct error *err);

/*
 * machine_boot.c: what the boot cache has to do with it. Whether it has the kernel; a process that
 * puts it there; load it from there, or from its file where that fails (-errno with a line); the
 * guest is about to run; it ran, until @reason.
 */
void machine_find_unpacked(struct machine *machine);
void machine_keep_unpacked(struct machine *machine);
int machine_load_kernel(struct machine *machine, struct error *err);
void machine_begin(struct machine *machine);
void machine_judge(struct machine *machine, enum vm_stop reason);
int machine_plan_kernel(struct machine *machine, struct error *err);

/*
 * The one place between building and running. What the guest may need is open, and what only
 * building needed is closed: kernel, initrd, /dev/kvm. Whatever confines this process belongs here.
 */
int machine_seal(struct machine *machine, struct error *err);
/* Tell what vCPUs, memory and devices counted. VM lock held, or the VM has stopped. */
struct counters;
void machine_count(const struct machine *machine, struct counters *counters);
/* The control socket's commands that need no device: those of the VM, "stat", and those below. */
void machine_add_commands(struct machine *machine);
/* The same as "stat" answers it: a list, of an object for each part and queue. The caller's. */
json_t *machine_stat_json(const struct machine *machine);
/* "registers" and "nmi", called with the struct vm *. */
extern const struct control_command debug_commands[];
/* After the run: tell those who follow the VM that it has ended, and why. */
void machine_finish(struct machine *machine, enum vm_stop reason);
/* After the run: what a user should know whose guest did not use a device. */
void machine_hint(const struct machine *machine);
/* After the run, for --debug: what vCPUs and devices counted. */
void machine_report(const struct machine *machine);
/*
 * False: the host did not finish a disk's I/O in time (loop_set_patience()). What that uses is
 * left as it is, and the process must end without waiting for it.
 */
bool machine_destroy(struct machine *machine);

#endif
