/* SPDX-License-Identifier: BSD-2-Clause */
/* Which way a run for a command takes, by what its kernel has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oneshot/ways.h"
#include "test.h"

/* The modules of a kernel: files, and what is built in (NULL: no list of it). */
static struct ways choose_by_modules(const char *files, const char *builtin,
				     const struct kernel_config *config)
{
	char folder[] = "/tmp/lkvm-test.XXXXXX", path[64];
	struct error err = { "" };
	struct modules *modules;
	struct ways ways;
	FILE *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	file = fopen(path, "w");
	fputs(files, file);
	fclose(file);
	if (builtin) {
		snprintf(path, sizeof(path), "%s/modules.builtin", folder);
		file = fopen(path, "w");
		fputs(builtin, file);
		fclose(file);
	}
	assert_int_equal(modules_open(&modules, folder, &err), 0);
	ways = ways_choose(modules, config);
	modules_close(modules);
	unlink(path);
	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	unlink(path);
	rmdir(folder);
	return ways;
}

static void are(struct ways ways, enum ways_streams streams, enum ways_root root)
{
	assert_int_equal(ways.streams, streams);
	assert_int_equal(ways.root, root);
}

static const struct kernel_config silent = { "" };

TEST(what_nobody_knows_of_a_kernel_is_taken_to_be_there)
{
	are(ways_choose(NULL, &silent), WAYS_VSOCK, WAYS_VIRTIO_FS);
	are(choose_by_modules("", NULL, &silent), WAYS_VSOCK, WAYS_VIRTIO_FS);
}

TEST(a_kernel_with_all_of_them_has_vsock_and_virtio_fs)
{
	are(choose_by_modules("a/vmw_vsock_virtio_transport.ko.xz:\nvirtiofs.ko:\n9p.ko:\n"
			      "9pnet_virtio.ko:\nvirtio_console.ko:\n",
			      "", &silent),
	    WAYS_VSOCK, WAYS_VIRTIO_FS);
	are(choose_by_modules("",
			      "kernel/net/vmw_vsock/vmw_vsock_virtio_transport.ko\n"
			      "kernel/fs/fuse/virtiofs.ko\n",
			      &silent),
	    WAYS_VSOCK, WAYS_VIRTIO_FS);
}

TEST(without_vsock_the_streams_are_ports_and_without_those_there_are_none)
{
	are(choose_by_modules("virtio-console.ko:\nvirtiofs.ko:\n", "", &silent), WAYS_PORTS,
	    WAYS_VIRTIO_FS);
	are(choose_by_modules("virtiofs.ko:\n", "kernel/drivers/char/virtio_console.ko\n", &silent),
	    WAYS_PORTS, WAYS_VIRTIO_FS);
	are(choose_by_modules("virtiofs.ko:\n", "", &silent), WAYS_NO_STREAMS, WAYS_VIRTIO_FS);
}

TEST(without_virtio_fs_the_root_is_9p_and_without_either_it_is_packed)
{
	are(choose_by_modules("vmw_vsock_virtio_transport.ko:\n9p.ko:\n9pnet_virtio.ko:\n", "",
			      &silent),
	    WAYS_VSOCK, WAYS_9P);
	/* 9p over what? */
	are(choose_by_modules("vmw_vsock_virtio_transport.ko:\n9p.ko:\n", "", &silent), WAYS_VSOCK,
	    WAYS_PACKED);
	are(choose_by_modules("vmw_vsock_virtio_transport.ko:\n", "", &silent), WAYS_VSOCK,
	    WAYS_PACKED);
}

/* A kernel that was built without modules has a configuration, and no folder of them. */
TEST(where_no_folder_of_modules_is_known_the_configuration_tells)
{
	struct kernel_config config = { "/boot/config",
					{ [KERNEL_VSOCK] = KERNEL_BUILT_IN,
					  [KERNEL_9P] = KERNEL_BUILT_IN,
					  [KERNEL_9P_VIRTIO] = KERNEL_BUILT_IN } };

	are(ways_choose(NULL, &config), WAYS_VSOCK, WAYS_9P);
	config.has[KERNEL_9P_VIRTIO] = KERNEL_MODULE;
	are(ways_choose(NULL, &config), WAYS_VSOCK, WAYS_PACKED);
	config.has[KERNEL_VIRTIO_FS] = KERNEL_BUILT_IN;
	config.has[KERNEL_VSOCK] = KERNEL_MODULE;
	are(ways_choose(NULL, &config), WAYS_NO_STREAMS, WAYS_VIRTIO_FS);
	config.has[KERNEL_VIRTIO_CONSOLE] = KERNEL_BUILT_IN;
	are(ways_choose(NULL, &config), WAYS_PORTS, WAYS_VIRTIO_FS);
}

TEST(the_configuration_tells_too_where_modules_do_not_say_what_is_built_in)
{
	const struct kernel_config config = { "/boot/config",
					      { [KERNEL_VIRTIO_CONSOLE] = KERNEL_BUILT_IN } };

	are(choose_by_modules("virtiofs.ko:\n", NULL, &config), WAYS_PORTS, WAYS_VIRTIO_FS);
	/* It is not asked where they do. */
	are(choose_by_modules("virtiofs.ko:\n", "", &config), WAYS_NO_STREAMS, WAYS_VIRTIO_FS);
}
