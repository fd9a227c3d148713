/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "run_options.h"
#include "util/log.h"
#include "util/parse.h"
#include "vmm/control.h"
#include "vmm/vm.h"

#define DEFAULT_RAM (256 * MIB)

/* As --kernel, or as a word of its own. */
static int set_kernel(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	if (options->kernel)
		return error_set(err, -EINVAL, "'%s': one kernel is enough (options begin with --)",
				 value);
	options->kernel = value;
	return 0;
}

static int set_initrd(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->initrd = value;
	return 0;
}

static int set_params(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->params = value;
	return 0;
}

static int set_disk_word(struct run_disk *disk, const char *word, const char *value,
			 struct error *err)
{
	struct disk_options *options = &disk->options;

	if (!strcmp(word, "ro") && !value)
		options->read_only = true;
	else if (!strcmp(word, "direct") && !value)
		options->direct = true;
	else if (!strcmp(word, "share") && value && (!strcmp(value, "on") || !strcmp(value, "off")))
		options->share = !strcmp(value, "on");
	else if (!strcmp(word, "format") && value && !strcmp(value, "raw"))
		options->format = DISK_FORMAT_RAW;
	else
		return error_set(err, -EINVAL,
				 "--disk %s: unknown option '%s%s%s': there are ro, direct, "
				 "share=on|off and format=raw",
				 disk->path, word, value ? "=" : "", value ? value : "");
	return 0;
}

static int set_disk(void *target, char *value, struct error *err)
{
	struct run_options *options = target;
	struct run_disk *disk = &options->disks[options->disk_count];
	char *cursor = value, *option, *setting;

	if (options->disk_count == RUN_MAX_DISKS)
		return error_set(err, -EINVAL, "more than %d disks", RUN_MAX_DISKS);
	/* The first item is a path, which may have a '=' in it. */
	disk->path = parse_next_item(&cursor);
	if (!disk->path || !*disk->path)
		return error_set(err, -EINVAL, "--disk needs a file: --disk FILE[,OPTION...]");
	while ((option = parse_next_option(&cursor, &setting))) {
		if (set_disk_word(disk, option, setting, err))
			return -EINVAL;
	}
	options->disk_count++;
	return 0;
}

static int set_cpus(void *target, char *value, struct error *err)
{
	u64 cpus;

	if (parse_u64(value, 1 << 20, &cpus) || !cpus)
		return error_set(err, -EINVAL, "--cpus %s: a number from 1 to %d", value,
				 ARCH_MAX_CPUS);
	((struct run_options *)target)->cpus = cpus;
	return 0;
}

static int set_mem(void *target, char *value, struct error *err)
{
	int ret = parse_size(value, MIB, &((struct run_options *)target)->ram);

	if (ret == -ERANGE)
		return error_set(err, ret, "--mem %s: more than any machine has", value);
	if (ret)
		return error_set(err, ret, "--mem %s: a size in MiB, or with a suffix: 512M, 4G",
				 value);
	return 0;
}

static int set_name(void *target, char *value, struct error *err)
{
	struct error why = { "" };

	((struct run_options *)target)->name = value;
	return control_check_name(value, &why) ? error_set(err, -EINVAL, "--name: %s", why.text)
					       : 0;
}

static int set_console(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	if (!strcmp(value, "serial"))
		options->console = CONSOLE_SERIAL;
	else if (!strcmp(value, "virtio"))
		options->console = CONSOLE_VIRTIO;
	else
		return error_set(err, -EINVAL, "--console %s: there are serial and virtio", value);
	return 0;
}

static int set_rng(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->rng = true;
	return 0;
}

static int set_transport(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	if (!strcmp(value, "mmio"))
		options->transport = TRANSPORT_MMIO;
	else if (!strcmp(value, "pci"))
		options->transport = TRANSPORT_PCI;
	else
		return error_set(err, -EINVAL, "--transport %s: there are mmio and pci", value);
	return 0;
}

static bool same_address(const struct vfio_address *a, const struct vfio_address *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot &&
	       a->function == b->function;
}

static int set_vfio_option(struct vfio_want *want, const char *name, const char *option,
			   const char *setting, struct error *err)
{
	if (!strcmp(option, "auto") && !setting)
		want->auto_bind = true;
	else if (!strcmp(option, "p2p") && setting && !strcmp(setting, "off"))
		want->no_p2p = true;
	else if (!strcmp(option, "p2p") && setting && !strcmp(setting, "on"))
		want->no_p2p = false;
	else
		return error_set(err, -EINVAL,
				 "--vfio-pci %s: unknown option '%s': there are auto and "
				 "p2p=on|off",
				 name, option);
	return 0;
}

static int set_vfio_pci(void *target, char *value, struct error *err)
{
	struct run_options *options = target;
	struct vfio_want *want = &options->passed[options->passed_count];
	char *cursor = value, *option, *setting;
	const char *name = strsep(&cursor, ",");

	if (options->passed_count == VFIO_MAX_DEVICES)
		return error_set(err, -EINVAL, "more than %d passed devices", VFIO_MAX_DEVICES);
	if (vfio_address_parse(&want->address, name, err))
		return -EINVAL;
	for (unsigned i = 0; i < options->passed_count; i++) {
		if (same_address(&options->passed[i].address, &want->address))
			return error_set(err, -EINVAL, "--vfio-pci %s: once is enough", name);
	}
	while ((option = parse_next_option(&cursor, &setting))) {
		int ret = set_vfio_option(want, name, option, setting, err);

		if (ret)
			return ret;
	}
	options->passed_count++;
	return 0;
}

static int set_viommu(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	options->viommu = true;
	return viommu_parse_options(&options->viommu_config, value, err);
}

/* A kernel in a file of such a name is written ./bypass=on. */
static bool is_viommu_value(const char *word)
{
	static const char *const names[] = { "bypass=", "max-mappings=", "msi=" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strncmp(word, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

static int set_irqchip(void *target, char *value, struct error *err)
{
	return arch_irqchip_parse(value, &((struct run_options *)target)->arch.irqchip, err);
}

static int set_dump_dtb(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->dump_dtb = value;
	return 0;
}

static int set_nodefaults(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->no_defaults = true;
	return 0;
}

static int set_loglevel(void *target, char *value, struct error *err)
{
	enum log_level level;

	if (log_level_parse(value, &level))
		return error_set(err, -EINVAL,
				 "--loglevel %s: there are error, warning, info and debug", value);
	log_set_level(level);
	return 0;
}

static int set_debug(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->debug = true;
	log_set_level(LOG_DEBUG);
	return 0;
}

static int set_timeout(void *target, char *value, struct error *err)
{
	u64 seconds;

	if (parse_u64(value, 1000000, &seconds) || !seconds)
		return error_set(err, -EINVAL, "--timeout %s: seconds, from 1 to 1000000", value);
	((struct run_options *)target)->timeout = seconds;
	return 0;
}

static int set_panic_timeout(void *target, char *value, struct error *err)
{
	u64 seconds;

	if (parse_u64(value, 1000000, &seconds) || !seconds)
		return error_set(err, -EINVAL, "--panic-timeout %s: seconds, from 1 to 1000000",
				 value);
	((struct run_options *)target)->panic_timeout = seconds;
	return 0;
}

static int set_help(void *target, char *value, struct error *err)
{
	((struct run_options *)target)->help = true;
	return 0;
}

static const struct option_spec specs[] = {
	{ 'k', "kernel", OPTION_VALUE, "FILE",
	  "kernel: bzImage, ELF vmlinux, arm64 Image[.gz] or EFI zboot", set_kernel },
	{ 'i', "initrd", OPTION_VALUE, "FILE", "initial RAM disk", set_initrd },
	{ 'p', "params", OPTION_VALUE, "TEXT", "kernel command line, after lkvm's own part",
	  set_params },
	{ 'd', "disk", OPTION_VALUE, "FILE[,OPTION...]",
	  "raw image or block device as virtio-blk; again for more; OPTION:\n"
	  "                                 ro, direct, share=on|off, format=raw",
	  set_disk, .many = true },
	{ 'c', "cpus", OPTION_VALUE, "N", "virtual CPUs (1)", set_cpus },
	{ 'm', "mem", OPTION_VALUE, "SIZE", "RAM in MiB, or with K, M, G, T (256)", set_mem },
	{ 0, "name", OPTION_VALUE, "NAME", "the VM's name (guest-PID)", set_name },
	{ 0, "console", OPTION_VALUE, "serial|virtio", "what the terminal is to the guest (serial)",
	  set_console },
	{ 0, "rng", OPTION_FLAG, NULL, "virtio-rng", set_rng },
	{ 0, "viommu", OPTION_OPTIONAL, "OPTIONS",
	  "virtio-iommu in front of all devices; OPTIONS: bypass=on|off,\n"
	  "                                 max-mappings=N, msi=window|map",
	  set_viommu, is_viommu_value },
	{ 0, "vfio-pci", OPTION_VALUE, "[DOMAIN:]BUS:DEV.FN[,auto][,p2p=off]",
	  "pass a PCI device of the host's; auto: take it from its driver\n"
	  "                                 for this run; p2p=off: no device reaches its\n"
	  "                                 registers by DMA; again for more",
	  set_vfio_pci, .many = true },
	{ 0, "transport", OPTION_VALUE, "mmio|pci", "what virtio devices sit on (mmio)",
	  set_transport },
	{ 0, "irqchip", OPTION_VALUE, "NAME", "interrupt controller (the best the host has)",
	  set_irqchip },
	{ 0, "dump-dtb", OPTION_VALUE, "FILE", "write the guest's device tree here (arm64)",
	  set_dump_dtb },
	{ 0, "nodefaults", OPTION_FLAG, NULL, "no command line but that of --params",
	  set_nodefaults },
	{ 0, "loglevel", OPTION_VALUE, "LEVEL", "error, warning, info or debug (warning)",
	  set_loglevel },
	{ 0, "debug", OPTION_FLAG, NULL, "--loglevel debug, and counters at the end", set_debug },
	{ 0, "timeout", OPTION_VALUE, "SECONDS", "end the guest after this long, with status 4",
	  set_timeout },
	{ 0, "panic-timeout", OPTION_VALUE, "SECONDS",
	  "end a guest that panicked and does nothing for so long (60)", set_panic_timeout },
	{ 'h', "help", OPTION_FLAG, NULL, "this text", set_help },
	{ 0 },
};

int run_options_parse(struct run_options *options, int argc, char **argv, struct error *err)
{
	memset(options, 0, sizeof(*options));
	options->ram = DEFAULT_RAM;
	options->cpus = 1;
	options->panic_timeout = VM_PANIC_TIMEOUT;
	return options_parse(specs, argc, argv, options, set_kernel, err);
}

void run_options_print(void)
{
	options_print(specs);
}
