/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a one-shot run needs of its kernel, so that a kernel that was built without it is refused by
 * the names of its options, and does not hang. What is never a module is known from a configuration
 * alone; docs/lkvm.config has all of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oneshot.h"
#include "oneshot_ways.h"
#include "run_options.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/kernel_config.h"

/* Of what a run uses. */
enum use {
	USE_ALWAYS = 1 << 0,
	USE_PCI = 1 << 1,
	USE_PCI_HOST = 1 << 2, /* what leads to PCI where ACPI does not */
	USE_MMIO = 1 << 3,
	USE_ACPI = 1 << 4, /* what leads to virtio-mmio where no device tree does */
	USE_IOMMU = 1 << 5,
	USE_STREAMS = 1 << 6, /* of which there are none yet */
	USE_PORTS = 1 << 7,
	USE_ROOT = 1 << 8, /* of the host's, for which there is no file system yet */
	USE_SCRATCH = 1 << 9,
	USE_TERMINAL = 1 << 10,
	USE_USER = 1 << 11,
};

static const struct need {
	enum use use;
	enum kernel_part part;
	const char *module;
	bool was_bool; /* before Linux 5.6 it was no module, and so in no modules.builtin */
} needs[] = {
	{ USE_ALWAYS, KERNEL_64BIT },
	{ USE_ALWAYS, KERNEL_ELF },
	{ USE_ALWAYS, KERNEL_INITRD },
	{ USE_ALWAYS, KERNEL_SIGNALFD },
	{ USE_ACPI, KERNEL_ACPI },
	{ USE_PCI_HOST, KERNEL_PCI_HOST, "pci-host-generic", true },
	{ USE_PCI, KERNEL_VIRTIO_PCI, "virtio_pci" },
	{ USE_MMIO, KERNEL_VIRTIO_MMIO, "virtio_mmio" },
	{ USE_IOMMU, KERNEL_VIRTIO_IOMMU, "virtio_iommu", true },
	{ USE_STREAMS, KERNEL_VSOCK, "vmw_vsock_virtio_transport" },
	{ USE_PORTS, KERNEL_SYSFS },
	{ USE_ROOT, KERNEL_VIRTIO_FS, "virtiofs" },
	{ USE_SCRATCH, KERNEL_OVERLAY, "overlay" },
	{ USE_SCRATCH, KERNEL_TMPFS },
	{ USE_TERMINAL, KERNEL_PTYS },
	{ USE_USER, KERNEL_MULTIUSER },
};

static unsigned buses(const struct run_options *options)
{
	bool on_mmio = options->transport == TRANSPORT_MMIO ||
		       (options->transport == TRANSPORT_AUTO &&
			arch_wants_mmio(&options->arch, options->params));
	bool translated = devices_need_driver(&options->devices, "viommu");
	unsigned uses = 0;

	if (!on_mmio)
		uses |= arch_has_device_tree ? USE_PCI | USE_PCI_HOST : USE_PCI;
	/* The IOMMU itself is always there. */
	if (on_mmio || translated)
		uses |= arch_has_device_tree ? USE_MMIO : USE_MMIO | USE_ACPI;
	return translated ? uses | USE_IOMMU : uses;
}

static unsigned uses_of(const struct oneshot *oneshot)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	bool is_packed = oneshot->ways.root == WAYS_PACKED;
	unsigned uses = USE_ALWAYS | buses(oneshot->run);

	if (oneshot->ways.streams == WAYS_NO_STREAMS)
		uses |= USE_STREAMS;
	if (oneshot->ways.streams == WAYS_PORTS)
		uses |= USE_PORTS;
	if (is_packed && !options->root)
		uses |= USE_ROOT;
	if (oneshot->scratch && (!is_packed || !options->root))
		uses |= USE_SCRATCH;
	if (oneshot->is_terminal)
		uses |= USE_TERMINAL;
	return options->user ? uses | USE_USER : uses;
}

/* A list of modules may be older than the kernel. A configuration that is the kernel's is not. */
static bool is_there(const struct oneshot *oneshot, const struct kernel_config *config,
		     const struct need *need)
{
	return ways_has(oneshot->modules, config, need->module, need->part) ||
	       (need->module && kernel_config_has_built_in(config, need->module)) ||
	       (need->was_bool && config->is_list);
}

/* Without CONFIG_SHMEM ramfs goes by the name of tmpfs: Linux, mm/shmem.c. It will do. */
static bool will_do_without(const struct need *need, const struct kernel_config *config)
{
	return need->part == KERNEL_TMPFS && config->has[KERNEL_SHMEM] == KERNEL_ABSENT;
}

/* As a refusal, or where @config may not be the kernel's, as a warning. */
static int say_missing(const struct oneshot *oneshot, const struct kernel_config *config,
		       const char *list, struct error *err)
{
	if (config->in_doubt) {
		log_warning("--kernel %s may have been built without what this command needs: %s "
			    "(by %s, which may be another kernel's)",
			    oneshot->kernel, list, config->source);
		return 0;
	}
	return error_set(err, -ENOENT,
			 "--kernel %s was built without what this command needs: %s (by %s; "
			 "lkvm's docs/lkvm.config has all of it)",
			 oneshot->kernel, list, config->source);
}

int oneshot_check_needs(const struct oneshot *oneshot, const struct kernel_config *config,
			struct error *err)
{
	unsigned uses = uses_of(oneshot);
	char list[sizeof(err->text) / 2] = "", name[KERNEL_NAME_SIZE];
	bool can_run = true;
	size_t len = 0;

	if (!*config->source)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(needs) && len < sizeof(list); i++) {
		const struct need *need = &needs[i];

		if (!(uses & need->use) || is_there(oneshot, config, need))
			continue;
		can_run = can_run && will_do_without(need, config);
		len += snprintf(list + len, sizeof(list) - len, "%s%s%s", len ? ", " : "",
				kernel_config_name(need->part, name),
				need->module && config->has[need->part] == KERNEL_MODULE
					? " (a module that is not found)"
					: "");
	}
	return can_run ? 0 : say_missing(oneshot, config, list, err);
}
