/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounts the root and what is in it, and moves there. */
#include "init.h"

static bool root_is_own; /* what is made in it is nobody else's */
static bool run_is_own;	 /* so is what is made in /run */

/* There is no such tag yet: virtio-fs says EINVAL, 9p ENOENT. ENODEV: no such file system. */
static bool folder_will_come(long error)
{
	return error == -EINVAL || error == -ENOENT || error == -ENXIO;
}

static long mount_when_there(const char *tag, const char *path, const char *type,
			     unsigned long flags)
{
	const char *data = *type == '9' ? "trans=virtio,version=9p2000.L,cache=loose" : "";
	unsigned tries = 0;
	long ret;

	while (folder_will_come(ret = sys_mount(tag, path, type, flags, data)) && tries++ < RETRIES)
		sys_sleep(RETRY_MS);
	return ret;
}

static const struct type {
	const char *name, *tag, *failure;
} types[] = {
	{ "virtiofs", ONESHOT_FS_TAG,
	  "cannot mount the root over virtio-fs: the kernel needs virtiofs" },
	{ "9p", ONESHOT_9P_TAG,
	  "cannot mount the root over 9p: the kernel needs 9p and 9pnet_virtio" },
	/* It needs no mount, but that what is moved is one. */
	{ ONESHOT_PACKED },
};

static const struct type *find_type(void)
{
	const char *name = config_next(ONESHOT_ROOT, NULL);

	for (unsigned i = 0; name && i < sizeof(types) / sizeof(*types); i++) {
		if (text_begins(name, types[i].name))
			return &types[i];
	}
	host_fail("no root in the configuration", -EINVAL);
}

static void mount_scratch(void)
{
	long ret = sys_mount("scratch", "/scratch", "tmpfs", 0, "mode=755");

	sys_mkdir("/scratch/upper", 0755);
	sys_mkdir("/scratch/work", 0755);
	if (!ret)
		ret = sys_mount("root", NEW_ROOT, "overlay", 0,
				"lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work");
	if (ret)
		host_fail("cannot mount the scratch layer: the kernel needs overlay and tmpfs, or "
			  "give --rw",
			  ret);
}

static void mount_root(const struct type *type, bool scratch)
{
	long ret = type->tag ? mount_when_there(type->tag, scratch ? "/lower" : NEW_ROOT,
						type->name, scratch ? MS_RDONLY : 0)
			     : sys_mount(NEW_ROOT, NEW_ROOT, NULL, MS_BIND, NULL);

	if (ret)
		host_fail(type->tag ? type->failure : "cannot bind the root", ret);
	if (scratch)
		mount_scratch();
}

/* Where there is no such place, and none can be made, there is no such file system. */
static long mount_own(const char *type, const char *path, const char *data, unsigned long flags)
{
	char place[4096];

	text_join(place, sizeof(place), NEW_ROOT, path);
	if (root_is_own)
		sys_mkdir(place, 0755);
	return sys_mount(type, place, type, flags, data);
}

/* Linux, Documentation/admin-guide/devices.txt. */
static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned char major, minor;
	} nodes[] = {
		{ NEW_ROOT "/dev/null", 1, 3 },	   { NEW_ROOT "/dev/zero", 1, 5 },
		{ NEW_ROOT "/dev/full", 1, 7 },	   { NEW_ROOT "/dev/random", 1, 8 },
		{ NEW_ROOT "/dev/urandom", 1, 9 }, { NEW_ROOT "/dev/tty", 5, 0 },
		{ NEW_ROOT "/dev/console", 5, 1 },
	};
	int mask = sys_set_umask(0);

	for (unsigned i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		sys_make_node(nodes[i].path, 0666, nodes[i].major, nodes[i].minor);
	sys_set_umask(mask);
}

/* What udev makes beside them, and where the others are mounted. */
static void make_names(void)
{
	sys_mkdir(NEW_ROOT "/dev/pts", 0755);
	sys_mkdir(NEW_ROOT "/dev/shm", 01777);
	sys_symlink("/proc/self/fd", NEW_ROOT "/dev/fd");
	sys_symlink("/proc/self/fd/0", NEW_ROOT "/dev/stdin");
	sys_symlink("/proc/self/fd/1", NEW_ROOT "/dev/stdout");
	sys_symlink("/proc/self/fd/2", NEW_ROOT "/dev/stderr");
}

/* In a folder of the host's nothing is made: it has what it has. */
static void mount_devices(void)
{
	bool is_there = !mount_own("devtmpfs", "/dev", "mode=755", MS_NOSUID);

	if (!is_there && root_is_own)
		make_devices();
	if (is_there || root_is_own)
		make_names();
	mount_own("devpts", "/dev/pts", "mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC);
	mount_own("tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV);
}

static void go_to_root(void)
{
	long ret;

	sys_unlink("/init");
	sys_unlink(ONESHOT_CONFIG);
	ret = sys_chdir(NEW_ROOT);
	if (!ret)
		ret = sys_mount(".", "/", NULL, MS_MOVE, NULL);
	if (!ret)
		ret = sys_chroot(".");
	if (!ret)
		ret = sys_chdir("/");
	if (ret)
		host_fail("cannot change to the root", ret);
}

/* @path, and what leads there. */
static void make_folders(const char *path)
{
	char folder[4096];

	for (const char *at = text_find(path + 1, '/'); at; at = text_find(at + 1, '/')) {
		text_cut(folder, sizeof(folder), path, at - path);
		sys_mkdir(folder, 0755);
	}
	sys_mkdir(path, 0755);
}

/* Of a folder that the user asked for: its place is made where that is nobody else's. */
static void mount_asked(const char *source, const char *path, const char *type, const char *data,
			unsigned long flags)
{
	long ret;
	int fd;

	if (root_is_own || (run_is_own && text_begins(path, "/run/")))
		make_folders(path);
	/* A file system that has not come yet has the same error. It need not be readable. */
	fd = sys_open(path, O_PATH | O_DIRECTORY);
	ret = fd < 0 ? fd : 0;
	sys_close(fd);
	if (!ret)
		ret = data ? sys_mount(source, path, type, flags, data)
			   : mount_when_there(source, path, type, flags);
	if (ret)
		host_fail(path, ret);
}

/* In the configuration's order, and from within the root, whose links may lead anywhere in it. */
static void mount_places(const char *type)
{
	for (const char *at = config_text(); *at; at += text_length(at) + 1) {
		const char *path = text_find(at, ':');
		char tag[32];

		if (*at == ONESHOT_TMPFS)
			mount_asked("tmpfs", at + 1, "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV);
		if (*at != ONESHOT_FOLDER || !path)
			continue;
		text_cut(tag, sizeof(tag), at + 1, path - at - 1);
		mount_asked(tag, path + 1, type, NULL, 0);
	}
}

void root_mount(void)
{
	const struct type *type = find_type();
	bool scratch = config_next(ONESHOT_SCRATCH, NULL);

	root_is_own = scratch || !type->tag;
	mount_root(type, scratch);
	mount_own("proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_own("sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_devices();
	run_is_own = !mount_own("tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV);
	go_to_root();
	mount_places(type->name);
}
