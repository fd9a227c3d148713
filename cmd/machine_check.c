/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user named, opened and checked before anything is made. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "net/options.h"
#include "util/fds.h"
#include "util/file.h"
#include "util/keeper.h"
#include "util/listener.h"
#include "util/parse.h"
#include "vfio/vfio.h"
#include "vmm/arch.h"
#include "vmm/control.h"
#include "watch.h"

/* One that was made for this run. */
static int take_initrd(struct machine *machine, struct error *err)
{
	struct stat st;

	machine->initrd_fd = fcntl(machine->options->initrd_fd, F_DUPFD_CLOEXEC, 0);
	if (machine->initrd_fd < 0 || fstat(machine->initrd_fd, &st))
		return error_set(err, -errno, "initrd: %s", strerror(errno));
	machine->initrd_size = st.st_size;
	return 0;
}

static int open_initrd(struct machine *machine, struct error *err)
{
	const char *path = machine->options->initrd;
	struct stat st;

	if (machine->options->initrd_fd)
		return take_initrd(machine, err);
	if (!path)
		return 0;
	machine->initrd_fd = file_open_regular("initrd", path, O_RDONLY, &st, err);
	if (machine->initrd_fd < 0)
		return machine->initrd_fd;
	if (!st.st_size)
		return error_set(err, -EINVAL, "initrd %s: empty", path);
	machine->initrd_size = st.st_size;
	return 0;
}

/* A kernel that has neither an initrd nor a root of the user's choice gets the first disk, as in
 * kvmtool. A folder says it by itself. */
static const char *root_words(const struct machine *machine)
{
	const struct run_options *options = machine->options;
	const struct device_plan *plan = &machine->plan;

	if (!plan->disk_words || plan->root_taken || options->initrd ||
	    (options->params && strstr(options->params, "root=")))
		return "";
	return plan->disk_words;
}

/*
 * Our part of the command line comes first, so that the user's can overrule it. A
 * guest that panics shall end: the next boot is another run.
 */
static int write_cmdline(struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	const char *theirs = options->params ? options->params : "";
	const char *more = options->more_words ? options->more_words : "";
	char words[ARCH_MAX_CMDLINE + 1] = "";
	const char *root = root_words(machine);
	int len;

	/* Firmware's kernel has its command line from whoever boots it. */
	if (options->no_defaults || options->firmware) {
		len = snprintf(machine->cmdline, sizeof(machine->cmdline), "%s", theirs);
	} else {
		/* Words that do not fit are cut, and so too long for the command line as well. */
		devices_kernel_words(&options->devices, words, sizeof(words));
		len = snprintf(machine->cmdline, sizeof(machine->cmdline),
			       "%s%s%s%spanic=-1%s%s%s%s", words, *words ? " " : "", more,
			       *more ? " " : "", *root ? " " : "", root, *theirs ? " " : "",
			       theirs);
	}
	if (len >= (int)sizeof(machine->cmdline))
		return error_set(err, -EINVAL, "--params: %d characters, the kernel takes %d", len,
				 ARCH_MAX_CMDLINE);
	return 0;
}

static int open_image(struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;

	if (options->firmware)
		return arch_image_open_firmware(&machine->image, options->firmware,
						options->firmware_address, err);
	if (!options->kernel)
		return error_set(err, -EINVAL, "no kernel: give one: lkvm run --kernel FILE");
	return arch_image_open(&machine->image, options->kernel, err);
}

/* 0 where there is no KVM to ask, which is said later. */
static int check_asked(const struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	const char *path = options->kvm ? options->kvm : VM_KVM_FILE;
	struct vm_host host;
	int ret;

	if (vm_check_host(&host, path, NULL))
		return 0;
	ret = arch_check_host(host.kvm_fd, &options->arch, options->cpus, err);
	vm_host_close(&host);
	return ret;
}

/*
 * Where the kernel is not there, and the host's KVM lacks what was asked for besides, the host is
 * named. kvm-unit-tests' runner tries a command line without a kernel and runs its test if that is
 * all that is wrong; else it skips the test, as one that this host cannot run.
 */
static int open_kernel(struct machine *machine, struct error *err)
{
	struct error said = { "" };
	int ret = open_image(machine, &said);
	int lacks = ret == -ENOENT ? check_asked(machine, err) : 0;

	if (lacks)
		return lacks;
	return ret ? error_set(err, ret, "%s", said.text) : 0;
}

static int check_kernel(struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	int ret = arch_ram_layout(&options->arch, options->ram, options->ram_base, machine->ram,
				  ARRAY_SIZE(machine->ram), err);

	if (ret < 0)
		return ret;
	machine->config.ram = machine->ram;
	machine->config.ram_count = ret;
	ret = open_kernel(machine, err);
	if (ret)
		return ret;
	machine_find_unpacked(machine);
	return open_initrd(machine, err);
}

/* When the devices know what they want the kernel to be told. */
static int plan_kernel(struct machine *machine, struct error *err)
{
	int ret = write_cmdline(machine, err);

	return ret ? ret : machine_plan_kernel(machine, err);
}

/* The devices are told what else the command line says about the kernel and the root folder. */
static int prepare_devices(struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	struct device_plan *plan = &machine->plan;
	int ret;

	plan->name = options->name;
	plan->arch = &options->arch;
	plan->ram = machine->ram;
	plan->ram_count = machine->config.ram_count;
	plan->page_size = arch_image_page_size(machine->image);
	plan->kernel = options->kernel;
	plan->initrd = options->initrd || options->initrd_fd;
	plan->channels = options->channels;
	plan->channel_count = ONESHOT_CHANNELS;
	plan->channel_port = ONESHOT_PORT;
	plan->channels_alone = options->channels_alone;
	plan->on_pci = machine->places.any == DEVICE_BUS_PCI;
	plan->pinned = options->hugetlbfs;
	plan->overlay = options->overlay;
	plan->scratch = options->scratch;
	ret = devices_prepare(&options->devices, plan, err);
	if (!ret && options->overlay && !plan->root_taken)
		ret = error_set(err, -EINVAL,
				"--overlay: there is no root folder: give --disk FOLDER");
	return ret;
}

static int check_affinity(struct machine *machine, struct error *err)
{
	const char *list = machine->options->affinity;
	cpu_set_t allowed;

	if (!list)
		return 0;
	if (parse_cpus(list, &machine->affinity))
		return error_set(err, -EINVAL, "--vcpu-affinity %s: a list of CPUs, such as 0-3,5",
				 list);
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return error_set(err, -errno, "--vcpu-affinity: %s", strerror(errno));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &machine->affinity) && !CPU_ISSET(cpu, &allowed))
			return error_set(err, -EINVAL,
					 "--vcpu-affinity %s: lkvm may not run on CPU %u, or there "
					 "is none",
					 list, cpu);
	}
	machine->config.affinity = &machine->affinity;
	return 0;
}

static int check_host(struct machine *machine, struct error *err)
{
	const char *path = machine->options->kvm;
	int ret = vm_check_host(&machine->host, path ? path : VM_KVM_FILE, err);

	if (ret)
		return ret;
	if (machine->options->cpus > machine->host.max_cpus)
		return error_set(err, -EINVAL, "--cpus %u: this host's KVM runs at most %u",
				 machine->options->cpus, machine->host.max_cpus);
	return 0;
}

/* Late: it takes time and the host's memory, and a mistake elsewhere is seen before. */
static int take_memory(struct machine *machine, struct error *err)
{
	const char *folder = machine->options->hugetlbfs;

	if (!folder)
		return 0;
	machine->config.ram_file = &machine->ram_file;
	return memory_file_create(&machine->ram_file, folder, machine->ram,
				  machine->config.ram_count, err);
}

/* Without making the file: that comes when there is something to write. */
static int check_dump(const struct machine *machine, struct error *err)
{
	static const struct file_start start = ARCH_DTB_START;
	const char *path = machine->options->dump_dtb;
	char folder[PATH_MAX];
	int ret;

	if (!path)
		return 0;
	if (!arch_has_device_tree)
		return error_set(
			err, -EINVAL,
			"--dump-dtb: %s guests are described by ACPI, not by a device tree",
			arch_name);
	ret = file_check_anew("--dump-dtb", path, &start, err);
	if (ret)
		return ret;
	snprintf(folder, sizeof(folder), "%s", path);
	ret = access(path, F_OK) ? access(dirname(folder), W_OK) : access(path, W_OK);
	if (ret)
		return error_set(err, -errno, "--dump-dtb %s: cannot be written: %s", path,
				 strerror(errno));
	return 0;
}

/*
 * A look, not a promise: the name is taken when the guest runs. A name that the user chose is for
 * the socket; a VM without a name of its own runs as well without one.
 */
static int check_name(const struct machine *machine, struct error *err)
{
	const char *name = machine->options->name;
	struct error why = { "" };
	int fd = control_connect(name, NULL);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return error_set(err, -EADDRINUSE,
				 "--name %s is in use: 'lkvm list' lists the names", name);
	if (machine->options->is_named && control_check_place(name, &why))
		return error_set(err, -EINVAL, "--name %s: no socket of that name can be made: %s",
				 name, why.text);
	return 0;
}

/* What virtio devices sit on. Of places there are more where they leave PCI to passed devices. */
static void choose_bus(struct machine *machine)
{
	const struct run_options *options = machine->options;
	struct device_host *places = &machine->places;
	bool mmio = options->transport == TRANSPORT_MMIO;

	places->any = DEVICE_BUS_PCI;
	if (options->transport == TRANSPORT_AUTO) {
		mmio = arch_wants_mmio(&options->arch, options->params);
		mmio |= !devices_fit(&options->devices, places);
	}
	if (mmio)
		places->any = DEVICE_BUS_MMIO;
}

/* All that there may be to undo at the end. */
static const struct keeper_kind *const keeper_kinds[] = {
	&listener_file_kind, &listener_file_along_kind, &net_scripts_kind, &vfio_auto_kind, NULL,
};

static int make_keeper(struct machine *machine, struct error *err)
{
	int ret = keeper_create(&machine->keeper, keeper_kinds);

	machine->plan.keeper = machine->keeper;
	if (!ret && machine->options->run_as.wanted) {
		ret = keeper_begin(machine->keeper);
		if (ret)
			return error_set(err, ret, "--run-as: no process that stays root's: %s",
					 strerror(-ret));
	}
	return ret ? error_set(err, ret, "%s", strerror(-ret)) : 0;
}

int machine_prepare(struct machine *machine, const struct run_options *options, struct watch *watch,
		    struct error *err)
{
	const struct devices *devices = &options->devices;
	int ret;

	memset(machine, 0, sizeof(*machine));
	clock_gettime(CLOCK_MONOTONIC, &machine->started);
	machine->options = options;
	machine->initrd_fd = machine->host.kvm_fd = machine->statm = -1;
	machine->ram_file.fd = machine->cache.folder = machine->cache.filler_fd = -1;
	machine->cache.entry.fd = -1;
	machine->config.name = options->name;
	machine->config.cpus = options->cpus;
	machine->config.panic_timeout = options->panic_timeout;
	machine->config.keep_dead = options->oneshot.keep;
	machine->config.hang_timeout = options->hang;
	machine->config.hang_idle = options->hang_idle;
	machine->config.console = "serial";
	machine->config.arch = options->arch;
	machine->config.windows = machine->plan.windows = &machine->windows;
	machine->windows.usual = arch_doorbells;
	machine->windows.usual_count = arch_doorbell_count;
	machine->watch = watch;
	machine->plan.give_up_fd = watch_give_up_fd(watch);
	machine->places.plan = &machine->plan;
	machine->places.mmio_resource = arch_virtio_resource;
	choose_bus(machine);
	machine->places.old_rings = options->packed == PACKED_OFF;
	fds_raise_limit();
	ret = machine_check_fds(machine, err);
	if (!ret)
		ret = check_name(machine, err);
	if (!ret)
		ret = check_dump(machine, err);
	if (!ret)
		ret = check_affinity(machine, err);
	if (!ret)
		ret = check_kernel(machine, err);
	if (!ret)
		ret = devices_check_places(devices, &machine->places, err);
	if (!ret)
		ret = prepare_devices(machine, err);
	machine->config.no_tags = machine->plan.pinned;
	if (!ret)
		ret = run_as_check_needs(options, err);
	if (!ret)
		ret = plan_kernel(machine, err);
	if (!ret)
		ret = check_host(machine, err);
	if (!ret)
		ret = make_keeper(machine, err);
	if (!ret)
		ret = take_memory(machine, err);
	if (!ret)
		ret = devices_claim(devices, &machine->plan, err);
	/*
	 * A look for now, so that a host that fits no guest is refused before anything is made: the
	 * doorbell is not known before there is an interrupt controller.
	 */
	if (!ret)
		ret = dma_windows_decide(&machine->windows, NULL, err);
	/* Once more: what is passed has as many interrupts as its hardware says. */
	if (!ret)
		ret = machine_check_fds(machine, err);
	if (!ret)
		machine_keep_unpacked(machine);
	return ret;
}
