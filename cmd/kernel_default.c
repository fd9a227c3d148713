/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file is the kernel. Where none is named: kvmtool's places, in its order. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "oneshot/kernel.h"
#include "run_options.h"
#include "util/log.h"

/* %s: the architecture in a kernel's tree, then the release of the host's kernel. */
static const char *const in_tree[] = {
	"./bzImage",
	"arch/%s/boot/bzImage",
	"../../arch/%s/boot/bzImage",
	/* What arm64's build makes. kvmtool does not look there. */
	"arch/%s/boot/Image",
	"../../arch/%s/boot/Image",
};
static const char *const installed[] = { "/boot/vmlinuz-%s", "/boot/bzImage-%s" };

static bool is_kernel(const char *pattern, const char *word, char *path, size_t size)
{
	struct stat st;

	snprintf(path, size, pattern, word);
	return !stat(path, &st) && S_ISREG(st.st_mode);
}

static bool find(char *path, size_t size)
{
	struct utsname host;

	for (unsigned i = 0; i < ARRAY_SIZE(in_tree); i++) {
		if (is_kernel(in_tree[i], arch_name, path, size))
			return true;
	}
	uname(&host);
	for (unsigned i = 0; i < ARRAY_SIZE(installed); i++) {
		if (is_kernel(installed[i], host.release, path, size))
			return true;
	}
	return false;
}

int run_options_find_kernel(struct run_options *options, struct error *err)
{
	struct error why = { "" };
	int ret;

	/* Of a file that is not found the name stays: whatever opens it says what is wrong. */
	if (options->kernel) {
		ret = kernel_find(options->kernel, arch_name, options->found_kernel, &why);
		if (!ret)
			options->kernel = options->found_kernel;
		return ret == -EISDIR ? error_set(err, ret, "%s", why.text) : 0;
	}
	if (!find(options->found_kernel, sizeof(options->found_kernel)))
		return 0;
	options->kernel = options->found_kernel;
	log_warning("no kernel is named: %s is taken", options->kernel);
	return 0;
}
