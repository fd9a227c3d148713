/* SPDX-License-Identifier: BSD-2-Clause */
/* A one-shot run's kernel: what it has, how the run reaches its guest by that, what it loads. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "oneshot.h"
#include "oneshot_ways.h"
#include "run_options.h"
#include "util/aside.h"
#include "vmm/arch.h"
#include "vmm/kernel_config.h"

/* What the guest needs beside a packed root: its kernel, and what a command needs to run. */
#define RESERVE (96 * MIB)

/* ---- the kernel and its modules ---- */

enum part_use { PART_NEEDED, PART_EITHER, PART_OPTIONAL };

/* What leads to all devices, in the order in which it is loaded. */
static const struct part {
	const char *module;
	enum part_use use;
} parts[] = {
	{ "pci-host-generic", PART_OPTIONAL },
	{ "virtio_mmio", PART_EITHER },
	{ "virtio_pci", PART_EITHER },
};

static enum modules_has has(const struct oneshot *oneshot, const char *name)
{
	return oneshot->modules ? modules_find(oneshot->modules, name) : MODULES_UNKNOWN;
}

static int want(struct oneshot *oneshot, const char *name, enum part_use use, struct error *err)
{
	if (!oneshot->modules || !modules_want(oneshot->modules, name))
		return 0;
	if (use != PART_NEEDED || has(oneshot, name) != MODULES_ABSENT ||
	    kernel_config_has_built_in(&oneshot->kernel_config, name))
		return 0;
	return error_set(err, -ENOENT,
			 "--kernel %s has no %s, neither built in nor in %s, which a command needs",
			 oneshot->kernel, name, oneshot->module_folder);
}

static int choose(struct oneshot *oneshot, struct error *err)
{
	struct kernel_config *config = &oneshot->kernel_config;
	int ret;

	if (!oneshot->modules || !modules_knows_all(oneshot->modules))
		kernel_config_read(config, oneshot->kernel);
	else
		kernel_config_read_beside(config, oneshot->kernel);
	oneshot->ways = ways_choose(oneshot->modules, config);
	ret = oneshot_check_needs(oneshot, config, err);
	if (ret || oneshot->ways.streams != WAYS_NO_STREAMS)
		return ret;
	return error_set(err, -ENOENT,
			 "--kernel %s has no vmw_vsock_virtio_transport, neither built in nor in "
			 "%s, and no virtio_console: a command's streams need one of them",
			 oneshot->kernel,
			 *oneshot->module_folder ? oneshot->module_folder : "modules");
}

/* Before their buses are there: so the IOMMU, an earlier row, is there before what it translates.
 */
static int want_drivers(struct oneshot *oneshot, struct error *err)
{
	int ret = 0;

	for (unsigned row = 0; !ret && device_classes[row]; row++) {
		const struct device_class *class = device_classes[row];

		if (class->module &&
		    devices_asked_for(&oneshot->run->devices, class->options->name))
			ret = want(oneshot, class->module,
				   devices_need_driver(&oneshot->run->devices, class->options->name)
					   ? PART_NEEDED
					   : PART_OPTIONAL,
				   err);
	}
	return ret;
}

static const char *const streams[] = {
	[WAYS_VSOCK] = "vmw_vsock_virtio_transport",
	[WAYS_PORTS] = "virtio_console",
};

static const char *const roots[][2] = {
	[WAYS_VIRTIO_FS] = { "virtiofs" },
	[WAYS_9P] = { "9pnet_virtio", "9p" },
	[WAYS_PACKED] = { NULL },
};

static int want_modules(struct oneshot *oneshot, struct error *err)
{
	int ret = want_drivers(oneshot, err);

	for (unsigned i = 0; !ret && i < ARRAY_SIZE(parts); i++)
		ret = want(oneshot, parts[i].module, parts[i].use, err);
	if (!ret)
		ret = want(oneshot, streams[oneshot->ways.streams], PART_NEEDED, err);
	for (unsigned i = 0; !ret && i < 2 && roots[oneshot->ways.root][i]; i++)
		ret = want(oneshot, roots[oneshot->ways.root][i], PART_NEEDED, err);
	if (!ret && oneshot->scratch)
		ret = want(oneshot, "overlay", PART_NEEDED, err);
	return ret;
}

static int find_kernel(struct oneshot *oneshot, struct run_options *options, struct error *err)
{
	const char *modules = options->oneshot.modules;
	int ret;

	ret = options->kernel ? 0 : run_options_find_kernel(options, err);
	if (!ret)
		ret = kernel_find(options->kernel, arch_name, oneshot->kernel, err);
	if (ret)
		return ret;
	options->kernel = oneshot->kernel;
	if (modules)
		snprintf(oneshot->module_folder, PATH_MAX, "%s", modules);
	else
		kernel_find_modules(oneshot->kernel, oneshot->module_folder);
	return *oneshot->module_folder
		       ? modules_open(&oneshot->modules, oneshot->module_folder, err)
		       : 0;
}

/* ---- a root that is packed ---- */

static u64 room_of(const struct oneshot *oneshot)
{
	return oneshot->run->ram - MIN(oneshot->run->ram, RESERVE);
}

static bool is_hosts_root(const char *folder)
{
	struct stat st, root;

	return !stat(folder, &st) && !stat("/", &root) && st.st_dev == root.st_dev &&
	       st.st_ino == root.st_ino;
}

/* Each says what would help. */
static int refuse_host(const struct oneshot *oneshot, struct error *err)
{
	return error_set(err, -EINVAL,
			 "--kernel %s has neither virtiofs nor 9p with 9pnet_virtio, and all of "
			 "this host is not packed for it: name a folder with what the command "
			 "needs, or the kernel's --modules",
			 oneshot->kernel);
}

static int check_packed(const struct oneshot *oneshot, struct error *err)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	const char *kept = options->rw ? "rw" : oneshot->run->overlay ? "overlay" : "rwdir";

	if (!options->root)
		return refuse_host(oneshot, err);
	if (options->rw || oneshot->run->overlay || options->folders.count)
		return error_set(
			err, -EINVAL,
			"--%s: --kernel %s has neither virtiofs nor 9p with "
			"9pnet_virtio: %s is packed into its initrd, and changes cannot be "
			"kept",
			kept, oneshot->kernel, options->root);
	return 0;
}

struct packing {
	struct oneshot *oneshot;
	struct error *err;
	u64 unread;
	int ret;
};

static void measure(void *arg)
{
	struct packing *packing = arg;
	struct oneshot *oneshot = packing->oneshot;

	if (is_hosts_root(oneshot->run->oneshot.root))
		packing->ret = refuse_host(oneshot, packing->err);
	else
		packing->ret = pack_measure(oneshot->run->oneshot.root, &oneshot->packed,
					    packing->err);
}

static int plan_packed(struct oneshot *oneshot, struct error *err)
{
	struct packing packing = { .oneshot = oneshot, .err = err, .ret = -EIO };
	u64 needed;
	int ret = check_packed(oneshot, err);

	if (ret)
		return ret;
	/* What it is unpacked to is the guest's own, so it needs no layer. */
	oneshot->scratch = false;
	aside_call("lkvm-pack", measure, &packing);
	needed = (oneshot->packed.memory + RESERVE) / MIB + 1;
	if (packing.ret || oneshot->packed.memory <= room_of(oneshot))
		return packing.ret;
	return error_set(err, -E2BIG,
			 "%s is packed into the initrd, as --kernel %s has neither virtiofs nor 9p "
			 "with 9pnet_virtio: its %llu MiB need -m %llu",
			 oneshot->run->oneshot.root, oneshot->kernel,
			 (unsigned long long)(oneshot->packed.archive / MIB),
			 (unsigned long long)needed);
}

static void pack(void *arg)
{
	struct packing *packing = arg;
	struct oneshot *oneshot = packing->oneshot;

	packing->ret = pack_folder(oneshot->run->oneshot.root, room_of(oneshot), oneshot->initrd_fd,
				   &packing->unread, packing->err);
}

int oneshot_pack_root(struct oneshot *oneshot, struct error *err)
{
	struct packing packing = { .oneshot = oneshot, .err = err, .ret = -EIO };

	if (oneshot->ways.root != WAYS_PACKED)
		return 0;
	aside_call("lkvm-pack", pack, &packing);
	if (!packing.ret && packing.unread)
		log_warning("%s: %llu files and folders cannot be read, and are empty in the guest",
			    oneshot->run->oneshot.root, (unsigned long long)packing.unread);
	return packing.ret;
}

/* ---- all of it ---- */

int oneshot_choose_ways(struct oneshot *oneshot, struct run_options *options, struct error *err)
{
	int ret = find_kernel(oneshot, options, err);

	if (!ret)
		ret = choose(oneshot, err);
	if (!ret && oneshot->ways.root == WAYS_PACKED)
		ret = plan_packed(oneshot, err);
	return ret ? ret : want_modules(oneshot, err);
}

void oneshot_print(const struct oneshot *oneshot)
{
	const struct oneshot_options *options = &oneshot->run->oneshot;
	const char *changes = oneshot->scratch	      ? "forgotten"
			      : oneshot->run->overlay ? "in a layer of the host's"
						      : "kept";
	char path[PATH_MAX], version[KERNEL_VERSION_SIZE];

	kernel_version(oneshot->kernel, version);
	printf("kernel   %s%s%s\n", oneshot->kernel, *version ? ", " : "", version);
	printf("modules  %s\n", *oneshot->module_folder ? oneshot->module_folder : "none");
	for (unsigned i = 0; oneshot->modules && i < modules_count(oneshot->modules); i++) {
		modules_path(oneshot->modules, i, path, sizeof(path));
		printf("load     %s\n", path);
	}
	printf("streams  %s\n",
	       oneshot->ways.streams == WAYS_PORTS ? "ports of virtio-console" : "vsock");
	if (oneshot->ways.root == WAYS_PACKED)
		printf("root     %s packed into the initrd, %llu MiB, changes are forgotten\n",
		       options->root, oneshot->packed.archive / MIB);
	else
		printf("root     %s over %s, changes are %s\n", options->root ? options->root : "/",
		       oneshot->ways.root == WAYS_9P ? "9p" : "virtio-fs", changes);
	for (unsigned i = 0; i < options->folders.count; i++)
		printf("folder   %s, changes are kept\n", options->folders.items[i]);
	printf("memory   %llu MiB\ncpus     %u\ncommand ",
	       (unsigned long long)(oneshot->run->ram / MIB), oneshot->run->cpus);
	for (char **word = options->command; *word; word++)
		printf(" %s", *word);
	printf("\n");
}
