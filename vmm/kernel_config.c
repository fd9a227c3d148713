/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel_search.h"
#include "util/file.h"
#include "vmm/kernel_config.h"

#define LONGEST_FILE (4u * 1024 * 1024)
/* Of a whole configuration: Linux, scripts/kconfig/confdata.c. A fragment leaves out defaults. */
#define WRITTEN_BY_MAKE "# Automatically generated"

/* Without a module: what is never one. */
static const struct {
	const char *symbol, *module;
} parts[KERNEL_PARTS] = {
	[KERNEL_VIRTIO_FS] = { "\nCONFIG_VIRTIO_FS=", "/fs/fuse/virtiofs.ko" },
	[KERNEL_9P] = { "\nCONFIG_9P_FS=", "/fs/9p/9p.ko" },
	[KERNEL_9P_VIRTIO] = { "\nCONFIG_NET_9P_VIRTIO=", "/net/9p/9pnet_virtio.ko" },
	[KERNEL_VIRTIO_MMIO] = { "\nCONFIG_VIRTIO_MMIO=", "/drivers/virtio/virtio_mmio.ko" },
	[KERNEL_VIRTIO_PCI] = { "\nCONFIG_VIRTIO_PCI=", "/drivers/virtio/virtio_pci.ko" },
	[KERNEL_VSOCK] = { "\nCONFIG_VIRTIO_VSOCKETS=",
			   "/net/vmw_vsock/vmw_vsock_virtio_transport.ko" },
	[KERNEL_VIRTIO_CONSOLE] = { "\nCONFIG_VIRTIO_CONSOLE=", "/drivers/char/virtio_console.ko" },
	[KERNEL_VIRTIO_IOMMU] = { "\nCONFIG_VIRTIO_IOMMU=", "/drivers/iommu/virtio-iommu.ko" },
	[KERNEL_PCI_HOST] = { "\nCONFIG_PCI_HOST_GENERIC=",
			      "/drivers/pci/controller/pci-host-generic.ko" },
	[KERNEL_OVERLAY] = { "\nCONFIG_OVERLAY_FS=", "/fs/overlayfs/overlay.ko" },
	[KERNEL_64BIT] = { "\nCONFIG_64BIT=" },
	[KERNEL_ELF] = { "\nCONFIG_BINFMT_ELF=" },
	[KERNEL_INITRD] = { "\nCONFIG_BLK_DEV_INITRD=" },
	[KERNEL_SIGNALFD] = { "\nCONFIG_SIGNALFD=" },
	[KERNEL_ACPI] = { "\nCONFIG_ACPI=" },
	[KERNEL_SHMEM] = { "\nCONFIG_SHMEM=" },
	[KERNEL_TMPFS] = { "\nCONFIG_TMPFS=" },
	[KERNEL_SYSFS] = { "\nCONFIG_SYSFS=" },
	[KERNEL_PTYS] = { "\nCONFIG_UNIX98_PTYS=" },
	[KERNEL_MULTIUSER] = { "\nCONFIG_MULTIUSER=" },
};

static void read_symbols(struct kernel_config *config, const char *text)
{
	for (unsigned i = 0; i < KERNEL_PARTS; i++) {
		const char *at = strstr(text, parts[i].symbol);
		char value = at ? at[strlen(parts[i].symbol)] : 'n';

		config->has[i] = value == 'y'	? KERNEL_BUILT_IN
				 : value == 'm' ? KERNEL_MODULE
						: KERNEL_ABSENT;
	}
}

static void read_builtin(struct kernel_config *config, const char *text)
{
	for (unsigned i = 0; i < KERNEL_PARTS; i++) {
		bool is_there = !parts[i].module || strstr(text, parts[i].module);

		config->has[i] = is_there ? KERNEL_BUILT_IN : KERNEL_MODULE;
	}
}

/* Terminated; the caller frees it. NULL: none that is a configuration. */
static char *read_file(const char *path)
{
	struct stat st;
	int fd = file_open_regular("configuration", path, O_RDONLY, &st, NULL);
	char *text = fd < 0 ? NULL : malloc(LONGEST_FILE + 1);
	ssize_t len = text ? read(fd, text, LONGEST_FILE) : 0;

	if (fd >= 0)
		close(fd);
	if (len <= 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static bool read_one(struct kernel_config *config, const char *path, const char *mark,
		     void (*parse)(struct kernel_config *config, const char *text))
{
	char *text = read_file(path);
	bool good = text && strstr(text, mark);

	if (good) {
		parse(config, text);
		config->is_list = parse == read_builtin;
		config->in_doubt = !config->is_list && !strstr(text, WRITTEN_BY_MAKE);
		snprintf(config->source, sizeof(config->source), "%s", path);
	}
	free(text);
	return good;
}

/* "vmlinuz-6.1.0" is of version "6.1.0". "": its name has none. */
static const char *version_of(const char *name)
{
	const char *dash = strchr(name, '-');

	return dash ? dash + 1 : "";
}

/* Where distributions and the kernel's own build put it. */
static const struct place {
	const char *folder, *name; /* from the kernel's folder on; or of the whole path */
	bool versioned, built;	   /* the version follows the name; the kernel is in a "boot" */
	const char *rest;
	bool is_builtin; /* a list of modules that are built in */
} places[] = {
	{ "", "config-", .versioned = true },
	{ "", "config" },
	{ "", ".config" },
	{ "", "../../../.config", .built = true }, /* of arch/x86/boot */
	{ "", "modules.builtin", .is_builtin = true },
	{ "", "modules/modules.builtin", .is_builtin = true },
	{ "/lib/modules", "", .versioned = true, .rest = "/modules.builtin", .is_builtin = true },
};

/* It says what the next kernel will have. */
static bool is_newer(const char *path, const char *kernel)
{
	struct stat one, two;

	if (stat(path, &one) || stat(kernel, &two))
		return true;
	return one.st_mtim.tv_sec != two.st_mtim.tv_sec ? one.st_mtim.tv_sec > two.st_mtim.tv_sec
							: one.st_mtim.tv_nsec > two.st_mtim.tv_nsec;
}

static bool read_place(struct kernel_config *config, const struct place *place, const char *kernel,
		       const char *folder, const char *version)
{
	const char *last = strrchr(folder, '/');
	char path[2 * PATH_MAX], real[PATH_MAX];
	bool found;

	if ((place->versioned && !*version) ||
	    (place->built && strcmp(last ? last + 1 : folder, "boot")))
		return false;
	snprintf(path, sizeof(path), "%s/%s%s%s", *place->folder ? place->folder : folder,
		 place->name, place->versioned ? version : "", place->rest ? place->rest : "");
	/* For people: without the way back up. */
	if (place->built && realpath(path, real))
		snprintf(path, sizeof(path), "%s", real);
	found = place->is_builtin ? read_one(config, path, "kernel/", read_builtin)
				  : read_one(config, path, "\nCONFIG_", read_symbols);
	if (found && !place->versioned)
		config->in_doubt |= !place->built || is_newer(path, kernel);
	return found;
}

static void read_beside(struct kernel_config *config, const char *kernel)
{
	const char *slash = strrchr(kernel, '/'), *version = version_of(slash ? slash + 1 : kernel);
	char folder[PATH_MAX] = ".";
	bool found = false;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - kernel, 1), kernel);
	for (unsigned i = 0; i < ARRAY_SIZE(places) && !found; i++)
		found = read_place(config, &places[i], kernel, folder, version);
}

void kernel_config_read_beside(struct kernel_config *config, const char *path)
{
	*config = (struct kernel_config){ "" };
	read_beside(config, path);
}

/* @path ends with ".ko". */
static bool is_module(const char *path, const char *name)
{
	const char *at = strrchr(path, '/') + 1;

	while (*name && (*at == '-' ? '_' : *at) == (*name == '-' ? '_' : *name))
		at++, name++;
	return !*name && !strcmp(at, ".ko");
}

bool kernel_config_has_built_in(const struct kernel_config *config, const char *module)
{
	if (!*config->source || config->in_doubt)
		return false;
	for (unsigned i = 0; i < KERNEL_PARTS; i++) {
		if (parts[i].module && is_module(parts[i].module, module))
			return config->has[i] == KERNEL_BUILT_IN;
	}
	return false;
}

const char *kernel_config_name(enum kernel_part part, char *name)
{
	/* It is for a search: a line begins with it, and the value follows. */
	snprintf(name, KERNEL_NAME_SIZE, "%.*s", (int)strcspn(parts[part].symbol + 1, "="),
		 parts[part].symbol + 1);
	return name;
}

void kernel_config_read(struct kernel_config *config, const char *path)
{
	struct stat st;
	int fd = file_open_regular("kernel", path, O_RDONLY, &st, NULL);
	char *text = fd < 0 ? NULL : kernel_search(fd);

	*config = (struct kernel_config){ "" };
	if (fd >= 0)
		close(fd);
	if (text) {
		read_symbols(config, text);
		snprintf(config->source, sizeof(config->source), "%s", path);
	} else {
		read_beside(config, path);
	}
	free(text);
}
