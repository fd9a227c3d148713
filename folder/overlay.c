/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scratch layer over a folder, by the host's overlayfs: every kernel of a guest's can use it, and
 * whiteouts, renames and hard links are the host's business. The mount is detached: nothing of the
 * host's sees it, and it ends with the last descriptor of it, however we end.
 *
 * The layers must be in the mount namespace of the process that mounts, so a child with one of its
 * own does it and sends the descriptor. An ordinary user's child has a user namespace as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "private.h"
#include "util/fds.h"

/* Of a scratch folder. */
#define CHANGES "changes"
#define WORK	"work"

/* The child's one descriptor. */
#define OUR_FD 0

/* What the child sends, with the descriptor if there is one. */
struct result {
	int error; /* errno; 0: a descriptor comes along */
	bool is_user;
	char text[200];
};

struct layer {
	const char *path;
	const struct folder_options *options;
	int lower, over; /* O_PATH: the folder; what has the changes and overlayfs's work in it */
	struct result *result;
};

static int fail(struct layer *layer, const char *what, const char *why)
{
	struct result *result = layer->result;

	result->error = errno;
	snprintf(result->text, sizeof(result->text), "%s: %s", what, why ? why : strerror(errno));
	return -1;
}

/* ---- in the child ---- */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return len < 0 ? -1 : 0;
}

static int map_id(const char *path, unsigned id)
{
	char text[32];

	snprintf(text, sizeof(text), "%u %u 1", id, id);
	return write_text(path, text);
}

static int leave_namespaces(struct layer *layer)
{
	unsigned uid = geteuid(), gid = getegid();

	layer->result->is_user = unshare(CLONE_NEWNS);
	if (layer->result->is_user &&
	    (unshare(CLONE_NEWUSER | CLONE_NEWNS) || write_text("/proc/self/setgroups", "deny") ||
	     map_id("/proc/self/uid_map", uid) || map_id("/proc/self/gid_map", gid)))
		return fail(layer, "user namespaces",
			    "this host has none for us; it can be done by root");
	/* Else what is mounted here is mounted for all. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return fail(layer, "a mount namespace", NULL);
	return 0;
}

static int set_option(int fs, const char *key, const char *value)
{
	return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

/* Takes @fs. */
static int finish_mount(int fs)
{
	int fd = -1, error;

	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = fsmount(fs, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	error = errno;
	close(fs);
	errno = error;
	return fd;
}

/* RAM is mounted on the folder, where we alone see it; @lower is what is below. */
static int mount_ram(struct layer *layer)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	char size[32];

	snprintf(size, sizeof(size), "%llu", (unsigned long long)layer->options->scratch_size);
	if (fs < 0 || set_option(fs, "size", size))
		return fail(layer, "tmpfs", NULL);
	layer->over = finish_mount(fs);
	if (layer->over < 0 || move_mount(layer->over, "", layer->lower, "",
					  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		return fail(layer, "tmpfs", NULL);
	return 0;
}

/* The root of the mount is the upper layer's: it has to look as the folder does. */
static int make_alike(struct layer *layer)
{
	struct fd_name from, to;
	char belief[80], path[40];
	struct stat st;
	ssize_t len;
	int fd;

	fd = openat(layer->over, CHANGES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(layer->lower, &st))
		return -1;
	/* Whom it belongs to is root's to say. */
	if (fchown(fd, st.st_uid, st.st_gid) && errno != EPERM && errno != EINVAL)
		return -1;
	fchmod(fd, st.st_mode & 07777);
	snprintf(path, sizeof(path), "/proc/self/fd/%s", fd_name(&from, layer->lower));
	len = getxattr(path, FOLDER_XATTR_STAT, belief, sizeof(belief));
	snprintf(path, sizeof(path), "/proc/self/fd/%s", fd_name(&to, fd));
	if (len > 0)
		setxattr(path, FOLDER_XATTR_STAT, belief, len, 0);
	futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim });
	close(fd);
	return 0;
}

static int prepare_layer(struct layer *layer)
{
	umask(0);
	if (mkdirat(layer->over, WORK, 0700) && errno != EEXIST)
		return fail(layer, "the scratch layer", NULL);
	if (!mkdirat(layer->over, CHANGES, 0755))
		return make_alike(layer) ? fail(layer, "the scratch layer", NULL) : 0;
	return errno == EEXIST ? 0 : fail(layer, "the scratch layer", NULL);
}

/* Without attributes a directory that takes a removed one's place cannot be told from it. */
static int check_attributes(struct layer *layer)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/" WORK, layer->over);
	if (!layer->result->is_user || !setxattr(path, "user.lkvm.try", "", 0, 0))
		return 0;
	return fail(layer, "the scratch layer",
		    layer->options->scratch
			    ? NULL
			    : "this host's tmpfs keeps no attributes for an ordinary user (Linux "
			      "6.6 does): give a folder for it, --overlay=FOLDER");
}

/*
 * xino and index: an inode that is copied up keeps its number and its hard links. For an ordinary
 * user the kernel has neither index nor redirect_dir: a hard link of the folder's is a file of its
 * own once it is written, and to rename a directory of the folder's gives EXDEV, at which programs
 * copy.
 */
static int set_options(const struct layer *layer, int fs)
{
	char lower[40], upper[40], work[40];

	snprintf(lower, sizeof(lower), "/proc/self/fd/%d", layer->lower);
	snprintf(upper, sizeof(upper), "/proc/self/fd/%d/" CHANGES, layer->over);
	snprintf(work, sizeof(work), "/proc/self/fd/%d/" WORK, layer->over);
	if (set_option(fs, "lowerdir", lower) || set_option(fs, "upperdir", upper) ||
	    set_option(fs, "workdir", work) || set_option(fs, "xino", "on") ||
	    set_option(fs, "index", "on"))
		return -1;
	return layer->result->is_user ? set_option(fs, "userxattr", NULL)
				      : set_option(fs, "redirect_dir", "on");
}

static int try_overlay(struct layer *layer)
{
	int fs = fsopen("overlay", FSOPEN_CLOEXEC), error;

	if (fs < 0)
		return fail(layer, "this host has no overlayfs", NULL);
	if (!set_options(layer, fs))
		return finish_mount(fs);
	error = errno;
	close(fs);
	errno = error;
	return -1;
}

static int mount_overlay(struct layer *layer)
{
	int fd = try_overlay(layer);

	/* The root of a container is an ordinary user. */
	if (fd < 0 && errno == EPERM && !layer->result->is_user) {
		layer->result->is_user = true;
		fd = check_attributes(layer) ? -1 : try_overlay(layer);
	}
	if (fd < 0)
		return layer->result->error
			       ? -1
			       : fail(layer, "overlayfs",
				      errno == ESTALE ? "the scratch folder is another folder's: "
							"give an empty one"
						      : NULL);
	/* An ordinary user could not remove it later. */
	if (fchmodat(layer->over, WORK "/" WORK, 0700, 0))
		return fd; /* the overlay is whole all the same */
	return fd;
}

static int make_mount(struct layer *layer)
{
	const char *scratch = layer->options->scratch;

	if (leave_namespaces(layer))
		return -1;
	layer->lower = open(layer->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (layer->lower < 0)
		return fail(layer, layer->path, NULL);
	if (!scratch && mount_ram(layer))
		return -1;
	if (scratch)
		layer->over = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (layer->over < 0)
		return fail(layer, scratch, NULL);
	if (prepare_layer(layer) || check_attributes(layer))
		return -1;
	return mount_overlay(layer);
}

static void send_result(int socket, const struct result *result, int fd)
{
	struct iovec iov = { (void *)result, sizeof(*result) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	sendmsg(socket, &message, MSG_NOSIGNAL);
}

static void be_child(const char *path, const struct folder_options *options, int socket)
{
	struct result result = { 0 };
	struct layer layer = {
		.path = path, .options = options, .lower = -1, .over = -1, .result = &result
	};
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/*
	 * A file system that hangs may keep this process after lkvm's end. What it had of lkvm's
	 * open would keep disks locked, and readers of lkvm's output waiting.
	 */
	dup3(socket, OUR_FD, O_CLOEXEC);
	fds_close(OUR_FD + 1, ~0u);
	fd = make_mount(&layer);
	send_result(OUR_FD, &result, fd);
	/* Not the C library's way: what it does is the parent's to do. */
	syscall(SYS_exit_group, 0);
}

/* ---- in the parent ---- */

static int receive_result(int socket, struct result *result)
{
	struct iovec iov = { result, sizeof(*result) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *head;
	ssize_t len;
	int fd = -1;

	do
		len = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len != sizeof(*result))
		*result = (struct result){ EIO, false, "the process that mounts it ended" };
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

static int run_child(struct folder *folder, const char *path, struct error *err)
{
	struct result result = { 0 };
	int sockets[2], fd;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return error_set(err, -errno, "folder %s: %s", path, strerror(errno));
	child = fork();
	if (!child)
		be_child(path, &folder->options, sockets[1]);
	close(sockets[1]);
	if (child < 0)
		fail(&(struct layer){ .result = &result }, "no process for it",
		     errno == EAGAIN ? "the kernel starts none; " THREADS_REMEDY : NULL);
	fd = child < 0 ? -1 : receive_result(sockets[0], &result);
	close(sockets[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (fd < 0)
		return error_set(err, -result.error, "--overlay over %s: %s", path, result.text);
	folder->splits_links = result.is_user;
	return fd;
}

/* What a scratch folder may have in it: what an earlier run left, and nothing of anybody else's. */
static bool is_scratch(int fd)
{
	DIR *dir = fdopendir(fd);
	bool ours = dir;

	for (const struct dirent *entry; ours && (entry = readdir(dir));) {
		const char *name = entry->d_name;

		ours = !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, CHANGES) ||
		       !strcmp(name, WORK);
	}
	if (dir)
		closedir(dir);
	else
		close(fd);
	return ours;
}

/* *@lock: the scratch folder with a lock, for as long as the layer is in use; -1 in RAM. */
static int lock_scratch(const char *path, int *lock, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "--overlay=%s: %s", path, strerror(errno));
	*lock = fd;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return error_set(err, -EBUSY, "--overlay=%s: another run uses this scratch folder",
				 path);
	if (!is_scratch(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
		return error_set(err, -ENOTEMPTY,
				 "--overlay=%s: has files of others in it: give an empty folder, "
				 "or one that --overlay has filled",
				 path);
	return 0;
}

int overlay_mount(struct folder *folder, const char *path, struct error *err)
{
	const char *scratch = folder->options.scratch;
	int ret = scratch ? lock_scratch(scratch, &folder->scratch, err) : 0;

	return ret ? ret : run_child(folder, path, err);
}
