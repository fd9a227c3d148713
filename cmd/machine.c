/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot_time.h"
#include "confine/confine.h"
#include "machine.h"
#include "util/keeper.h"
#include "util/log.h"
#include "util/reach.h"
#include "vmm/arch.h"
#include "vmm/control.h"
#include "vmm/counters.h"
#include "vmm/events.h"
#include "vmm/firmware.h"
#include "vmm/pci.h"
#include "vmm/terminal.h"
#include "vmm/vcpu.h"
#include "watch.h"

static void on_quit(void *arg)
{
	watch_quit(((const struct machine *)arg)->watch);
}

static void on_panic(void *arg)
{
	vm_panicked(((const struct machine *)arg)->vm, false);
}

static void on_restart(void *arg)
{
	vm_restarting(((const struct machine *)arg)->vm);
}

static int add_terminal(struct machine *machine, struct error *err)
{
	int ret;

	machine->heard = (struct terminal_events){
		.quit = on_quit, .panic = on_panic, .restart = on_restart, .arg = machine
	};
	ret = terminal_create(&machine->terminal, machine->vm->loop, &machine->heard);
	return ret ? error_set(err, ret, "cannot use the terminal: %s", strerror(-ret)) : 0;
}

static int add_pci(struct machine *machine, struct error *err)
{
	struct pci_layout layout;
	int ret;

	if (!devices_want_pci(&machine->options->devices, &machine->places))
		return 0;
	ret = arch_pci_layout(machine->vm, &layout, err);
	if (ret)
		return ret;
	ret = pci_bus_create(&machine->vm->pci, machine->vm, &layout);
	return ret ? error_set(err, ret, "cannot make the PCI bus: %s", strerror(-ret)) : 0;
}

static int add_devices(struct machine *machine, struct error *err)
{
	const struct devices *devices = &machine->options->devices;
	int ret = add_terminal(machine, err);

	if (!ret)
		ret = arch_add_devices(machine->vm, err);
	if (!ret)
		ret = add_pci(machine, err);
	if (!ret)
		ret = devices_connect(devices, machine->vm, err);
	if (ret)
		return ret;
	machine->places.vm = machine->vm;
	machine->places.terminal = machine->terminal;
	machine->places.heard = &machine->heard;
	ret = devices_create(devices, &machine->places, err);
	if (!ret && machine->control)
		control_add(machine->control, terminal_commands, machine->places.console);
	if (!ret && machine->vm->pci)
		ret = pci_bus_place_bars(machine->vm->pci, err);
	return ret;
}

static int write_firmware(struct machine *machine, struct error *err)
{
	struct firmware firmware = {
		.dump_path = machine->options->dump_dtb,
		.console = machine->plan.console_taken ? NULL : "serial",
	};
	int ret = devices_firmware(&machine->options->devices, machine->vm, &firmware, err);

	return ret ? ret : arch_firmware_write(machine->vm, machine->image, &firmware, err);
}

/* A VM that nobody can ask runs all the same. */
static void add_control(struct machine *machine)
{
	int ret;

	machine->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ret = control_create(&machine->control, machine->vm->loop, machine->keeper,
			     machine->options->name, machine->options->is_named);

	if (ret)
		log_warning("no control socket: %s", strerror(-ret));
	else
		machine_add_commands(machine);
}

/* For --debug: what of the time before the guest's first instruction went where. */
static void note_stage(const struct machine *machine, const char *stage)
{
	struct timespec now;

	boot_time_note(machine->options->boot_time, stage);
	clock_gettime(CLOCK_MONOTONIC, &now);
	log_debug("%s after %.1f ms", stage,
		  (now.tv_sec - machine->started.tv_sec) * 1e3 +
			  (now.tv_nsec - machine->started.tv_nsec) / 1e6);
}

int machine_build(struct machine *machine, struct error *err)
{
	int ret;

	if (machine->plan.console_taken)
		machine->config.console = "virtio";
	ret = vm_create(&machine->vm, &machine->host, &machine->config, err);

	/* Loading overlaps with KVM's part of the work. */
	if (!ret)
		ret = machine_load_kernel(machine, err);
	note_stage(machine, "kernel and initrd loaded");
	if (!ret)
		add_control(machine);
	if (!ret)
		ret = vm_wait_kvm(machine->vm, err);
	note_stage(machine, "KVM ready");
	if (!ret)
		ret = add_devices(machine, err);
	if (!ret)
		ret = write_firmware(machine, err);
	if (!ret && machine->control)
		devices_add_commands(&machine->options->devices, machine->control);
	note_stage(machine, "machine complete");
	if (!ret)
		boot_time_listen(machine->options->boot_time, machine->terminal);
	return ret;
}

/* The control socket is removed at the end. */
static int keep_socket_in_reach(const struct machine *machine)
{
	const unsigned rights = REACH_REMOVE;
	char folder[PATH_MAX];

	if (!machine->control || control_folder(0, folder))
		return 0;
	/* Its folder may be being made just now. */
	return access(folder, F_OK) ? reach_add_folder_of(folder, rights)
				    : reach_add(folder, rights);
}

/* No socket is made once the machine is sealed. @pending: the host still is at it. */
static int settle_control(const struct machine *machine, bool *pending, struct error *err)
{
	int ret = 0;

	*pending = false;
	if (machine->control && !machine->options->no_confine)
		ret = control_settle(machine->control);
	if (ret && machine->options->run_as.wanted)
		return error_set(err, ret,
				 "--run-as: the file system of the control socket does not answer");
	*pending = ret;
	return 0;
}

/* Why this run goes on to need the user who started it; NULL: it does not. */
static const char *needs_user(const struct machine *machine, bool pending)
{
	const struct run_options *options = machine->options;

	/* Clients would not trust a socket at which another user begins to listen. */
	if (pending)
		return "the file system of the control socket does not answer";
	if (options->dump || reach_user_needed())
		return options->dump ? "--dump-on-crash" : reach_user_needed();
	return options->run_as.wanted ? NULL : reach_user_preferred();
}

/* With --run-as the keeper has it all: no thread is another's. */
static int stay(void *arg)
{
	const struct machine *machine = arg;

	return machine->options->run_as.wanted ? 0 : keeper_stay(machine->keeper);
}

static int confine(struct machine *machine, bool pending, struct error *err)
{
	const struct confine_options options = {
		.has_folders = machine->plan.shares,
		.report = machine->options->sandbox_report,
		.user_needed = needs_user(machine, pending),
		.stay = stay,
		.arg = machine,
	};
	int ret;

	if (machine->options->no_confine)
		return 0;
	ret = keep_socket_in_reach(machine);
	if (ret)
		return error_set(err, ret, "cannot confine lkvm: the control socket: %s",
				 strerror(-ret));
	return confine_seal(&options, err);
}

int machine_seal(struct machine *machine, struct error *err)
{
	int ret = vm_seal(machine->vm, err);
	bool pending = false;

	if (!ret)
		ret = settle_control(machine, &pending, err);
	if (ret)
		return ret;
	log_seal();
	keeper_seal(machine->keeper);
	arch_image_close_file(machine->image);
	boot_cache_close_files(&machine->cache);
	if (machine->initrd_fd >= 0)
		close(machine->initrd_fd);
	machine->initrd_fd = -1;
	memory_file_close(&machine->ram_file);
	vm_host_close(&machine->host);
	ret = confine(machine, pending, err);
	if (!ret)
		note_stage(machine, "sealed");
	return ret;
}

/* ---- afterwards ---- */

static const char *const reasons[] = {
	[VM_POWEROFF] = "power-off", [VM_REBOOT] = "reset",
	[VM_PANIC] = "panic",	     [VM_WATCHDOG] = "watchdog",
	[VM_HANG] = "hang",	     [VM_TIMEOUT] = "timeout",
	[VM_USER] = "signal",	     [VM_HOST_ERROR] = "host error",
};

void machine_finish(struct machine *machine, enum vm_stop reason)
{
	struct vm *vm = machine->vm;

	vm_lock(vm);
	if (reason == VM_REBOOT)
		vm_event(vm, "reset", NULL, "%s", "");
	vm_event(vm, "stopped", NULL, "%s", reasons[reason]);
	vm_unlock(vm);
	control_finish(machine->control);
}

void machine_hint(const struct machine *machine)
{
	devices_advise(&machine->options->devices);
}

static void log_line(struct counters_text *text, const char *line)
{
	log_debug("%s", line);
}

void machine_report(const struct machine *machine)
{
	struct counters_text text = { .line = log_line };

	counters_text_begin(&text);
	machine_count(machine, &text.counters);
	counters_text_end(&text);
}

bool machine_destroy(struct machine *machine)
{
	bool gave_up;

	control_destroy(machine->control);
	vm_destroy_devices(machine->vm);
	vm_destroy_terminals(machine->vm);
	terminal_destroy(machine->terminal);
	/* What the host still writes to is the guest's memory: it goes with the process. */
	gave_up = machine->vm && loop_gave_up(machine->vm->loop);
	if (!gave_up)
		vm_destroy(machine->vm);
	devices_release(&machine->options->devices);
	keeper_destroy(machine->keeper);
	if (machine->statm >= 0)
		close(machine->statm);
	if (gave_up)
		return false;
	boot_cache_close(&machine->cache);
	arch_image_close(machine->image);
	memory_file_close(&machine->ram_file);
	if (machine->initrd_fd >= 0)
		close(machine->initrd_fd);
	vm_host_close(&machine->host);
	return true;
}
