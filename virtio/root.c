/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol is chosen by what the kernel has, and the kernel is told as kvmtool tells it. */
#include <errno.h>
#include <stdio.h>

#include "root.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/kernel_config.h"

/* kvmtool's tag: the kernel mounts it by itself, as no root= names another. */
#define P9_TAG "/dev/root"
#define FS_TAG "lkvm_root"

const char *const root_filesystems[] = {
	[ROOT_AUTO] = "auto",
	[ROOT_9P] = "9p",
	[ROOT_VIRTIOFS] = "virtiofs",
	NULL,
};

/* ---- which protocol ---- */

/* The kernel mounts it by itself, or an initrd does, which may have modules. */
static bool can_use(enum kernel_has has, const struct device_plan *plan)
{
	return has == KERNEL_BUILT_IN || (plan->initrd && has == KERNEL_MODULE);
}

/* As a refusal, or where @config may not be the kernel's, as a warning. */
static int say_lack(const struct root *root, const struct kernel_config *config, const char *what,
		    const char *remedy, struct error *err)
{
	if (config->in_doubt) {
		log_warning("--disk %s: this kernel may have %s (by %s, which may be another "
			    "kernel's): %s",
			    root->share.path, what, config->source, remedy);
		return 0;
	}
	return error_set(err, -EINVAL, "--disk %s: this kernel has %s, by %s: %s", root->share.path,
			 what, config->source, remedy);
}

static int check_transport(const struct root *root, const struct kernel_config *config,
			   const struct device_plan *plan, struct error *err)
{
	bool on_pci = plan->on_pci;
	enum kernel_part here = on_pci ? KERNEL_VIRTIO_PCI : KERNEL_VIRTIO_MMIO;
	enum kernel_part other = on_pci ? KERNEL_VIRTIO_MMIO : KERNEL_VIRTIO_PCI;
	char remedy[80];
	const char *way = "";

	if (can_use(config->has[here], plan))
		return 0;
	if (config->has[other] == KERNEL_BUILT_IN)
		way = on_pci ? "--transport mmio, or " : "--transport pci, or ";
	snprintf(remedy, sizeof(remedy), "give %san initrd that has it", way);
	return say_lack(root, config, on_pci ? "no virtio-pci built in" : "no virtio-mmio built in",
			remedy, err);
}

static int choose_by_kernel(struct root *root, const struct device_plan *plan, struct error *err)
{
	struct kernel_config config;
	enum kernel_has fs, p9;

	kernel_config_read(&config, plan->kernel);
	root->guessed = !*config.source;
	if (root->guessed)
		return 0;
	fs = config.has[KERNEL_VIRTIO_FS];
	p9 = MIN(config.has[KERNEL_9P], config.has[KERNEL_9P_VIRTIO]);
	if (can_use(MAX(fs, p9), plan)) {
		root->share.protocol = fs >= p9 ? SHARE_VIRTIOFS : SHARE_9P;
		return check_transport(root, &config, plan, err);
	}
	/* Where that is not certain it is as if nothing said what the kernel has. */
	root->guessed = true;
	return say_lack(root, &config,
			plan->initrd ? "neither virtiofs nor 9p as a module"
				     : "neither virtiofs nor 9p built in, and there is no initrd",
			"fs=virtiofs or fs=9p does not ask it", err);
}

static int choose_protocol(struct root *root, const struct device_plan *plan, struct error *err)
{
	root->share.protocol = root->fs == ROOT_VIRTIOFS ? SHARE_VIRTIOFS : SHARE_9P;
	return root->fs == ROOT_AUTO ? choose_by_kernel(root, plan, err) : 0;
}

/* ---- the scratch layer ---- */

/* In RAM it may be as large as the guest's. */
static int plan_overlay(struct root *root, const struct device_plan *plan, struct error *err)
{
	struct share *share = &root->share;

	share->overlay |= plan->overlay;
	share->scratch = plan->scratch;
	for (unsigned i = 0; i < plan->ram_count; i++)
		share->scratch_size += plan->ram[i].last - plan->ram[i].start + 1;
	if (share->overlay && share->read_only)
		return error_set(err, -EINVAL,
				 "--disk %s: ro and a scratch layer over it: one of them",
				 share->path);
	return 0;
}

int root_prepare(struct root *root, struct device_plan *plan, struct error *err)
{
	int ret;

	if (plan->root_taken)
		return error_set(
			err, -EINVAL,
			"--disk %s: one folder alone can be the root; that of a command is "
			"named without --disk: lkvm run DIR -- COMMAND",
			root->share.path);
	if (plan->arch->firmware)
		return error_set(
			err, -EINVAL,
			"--disk %s: a folder is the root of a kernel that lkvm starts, and "
			"firmware loads one from a disk: give an image",
			root->share.path);
	plan->root_taken = true;
	ret = choose_protocol(root, plan, err);
	if (!ret)
		ret = plan_overlay(root, plan, err);
	if (ret)
		return ret;
	root->share.tag = root->share.protocol == SHARE_9P ? P9_TAG : FS_TAG;
	/* Nobody else installs into it while it runs, as a rule; and seconds do no harm. */
	root->share.cache = FUSE_CACHE_AUTO;
	return share_prepare(&root->share, plan, err);
}

const char *root_words(const struct root *root)
{
	bool read_only = root->share.read_only;

	if (root->share.protocol == SHARE_VIRTIOFS)
		return read_only ? "ro root=" FS_TAG " rootfstype=virtiofs"
				 : "rw root=" FS_TAG " rootfstype=virtiofs";
#define P9_WORDS " rootflags=trans=virtio,version=9p2000.L,cache=loose rootfstype=9p"
	return read_only ? "ro" P9_WORDS : "rw" P9_WORDS;
}

const char *root_advise(const struct root *root)
{
	if (!root->guessed || share_was_used(&root->share))
		return NULL;
	return "the guest did not mount the folder that is its root, over 9p; this kernel does not "
	       "say whether it has 9p or virtiofs: --disk FOLDER,fs=virtiofs is the other one";
}
