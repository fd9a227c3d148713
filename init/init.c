/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first process in the guest of a one-shot run: loads the modules that it was given, connects
 * to the host, mounts the root, runs the command, carries its streams, says how it ended, and
 * switches the machine off. Order and words: oneshot/protocol.h.
 *
 * Its memory is static and its errors end the run: there is nobody else to turn to in here.
 *
 * One file, though long: it is one program that runs once from top to bottom, and small because the
 * compiler sees all of it.
 */
#include "oneshot/protocol.h"
#include "sys.h"

#define CONFIG_SIZE  (512 * 1024)
#define WORDS	     16384
#define STREAM_SIZE  65536
#define RETRIES	     1500 /* of what comes when a driver has found its device */
#define RETRY_MS     20
#define DRAIN_MS     5000 /* the longest that a stream stays open that nobody can write to */
#define NEW_ROOT     "/root"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* From @from to @to, by way of data[start..start + count). -1: there is none any more. */
struct stream {
	int from, to;
	size_t start, count;
	bool stays; /* @to, when @from has ended: end_stream() alone closes it */
	char data[STREAM_SIZE];
};

static char boot_config[CONFIG_SIZE];
static const char *config = boot_config;
static const char *words[WORDS + 1], *variables[WORDS + 1];
static unsigned word_count, variable_count;
static int channels[ONESHOT_CHANNELS] = { -1, -1, -1, -1 };
static struct stream streams[ONESHOT_CHANNELS]; /* but of ONESHOT_CONTROL */
static int terminal = -1;			/* the command's, our end; -1: it has none */
static unsigned window;				/* its ONESHOT_WINDOW_SIZE() */
static int listener = -1;			/* for more commands; -1: none are taken */
static bool is_server;				/* of one of those, and not process 1 */

/* ---- what a C library would have; the compiler calls the first two ---- */

void *memset(void *to, int value, size_t len);
void *memcpy(void *to, const void *from, size_t len);
void init_main(void);

void *memset(void *to, int value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((char *)to)[i] = value;
	return to;
}

void *memcpy(void *to, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((char *)to)[i] = ((const char *)from)[i];
	return to;
}

static size_t length(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

static const char *find_char(const char *text, char c)
{
	while (*text && *text != c)
		text++;
	return *text ? text : NULL;
}

static bool begins_with(const char *text, const char *start)
{
	while (*start && *text == *start)
		text++, start++;
	return !*start;
}

static unsigned number(const char *text)
{
	unsigned value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}

/* Into @to of @size, with @more behind it; cut if it is too long. */
static void join(char *to, size_t size, const char *text, const char *more)
{
	size_t len = 0;

	for (; *text && len < size - 1; text++)
		to[len++] = *text;
	for (; *more && len < size - 1; more++)
		to[len++] = *more;
	to[len] = '\0';
}

/* The first @len characters of @text. */
static void cut(char *to, size_t size, const char *text, size_t len)
{
	join(to, len < size ? len + 1 : size, text, "");
}

/* ---- messages ---- */

static void tell(enum oneshot_type type, unsigned value, const char *text)
{
	struct oneshot_message message = { .type = type, .value = value };
	const char *at = (const char *)&message;
	size_t left = sizeof(message);

	join(message.text, sizeof(message.text), text, "");
	while (left) {
		long done = sys_write(channels[ONESHOT_CONTROL], at, left);

		if (done <= 0)
			return;
		at += done;
		left -= done;
	}
}

static void power_off(void) __attribute__((noreturn));
static void power_off(void)
{
	sys_sync();
	while (is_server)
		sys_exit(0);
	for (;;) {
		sys_power_off();
		sys_sleep(1000);
	}
}

static struct {
	struct oneshot_message message;
	size_t len; /* of what has come of it */
} heard;

/* Waits for some more of a message: 1, it is whole; 0, not yet; -1, nothing comes any more. */
static int hear_some(void)
{
	long got;

	heard.len %= sizeof(heard.message);
	got = sys_read(channels[ONESHOT_CONTROL], (char *)&heard.message + heard.len,
		       sizeof(heard.message) - heard.len);
	if (got == -EINTR || got == -EAGAIN)
		return 0;
	if (got <= 0)
		return -1;
	heard.len += got;
	return heard.len == sizeof(heard.message);
}

/* Wait until the host has heard everything, and end the machine. */
static void leave(void) __attribute__((noreturn));
static void leave(void)
{
	int ret;

	while ((ret = hear_some()) >= 0) {
		if (ret && heard.message.type == ONESHOT_BYE)
			break;
	}
	power_off();
}

/* @what failed with @error, a -errno. */
static void fail(const char *what, long error) __attribute__((noreturn));
static void fail(const char *what, long error)
{
	sys_write(2, "lkvm's init: ", 13);
	sys_write(2, what, length(what));
	sys_write(2, "\n", 1);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		sys_close(channels[i]);
	tell(ONESHOT_FAILED, -error, what);
	leave();
}

/* ---- the configuration ---- */

static void read_config(void)
{
	int fd = sys_open(ONESHOT_CONFIG, O_RDONLY);
	size_t len = 0;
	long got;

	while ((got = sys_read(fd, boot_config + len, CONFIG_SIZE - 1 - len)) > 0)
		len += got;
	sys_close(fd);
	boot_config[len] = '\0';
}

/* The next value of @key after @last (NULL: the first); NULL: none. */
static const char *next_value(enum oneshot_config key, const char *last)
{
	const char *at = last ? last + length(last) + 1 : config;

	while (*at && *at != (char)key)
		at += length(at) + 1;
	return *at ? at + 1 : NULL;
}

#define for_each_value(value, key)                                                                 \
	for (const char *value = next_value(key, NULL); value; value = next_value(key, value))

/* ---- the machine ---- */

static void load_modules(void)
{
	for_each_value(path, ONESHOT_MODULE)
	{
		int fd = sys_open(path, O_RDONLY);

		/* One that does not fit this kernel shows in what is then missing. */
		sys_load_module(fd, "");
		sys_close(fd);
		sys_unlink(path);
	}
}

/* The driver has not found its device yet. Without any driver there is no such family. */
static bool vsock_will_come(long error)
{
	return error == -ENODEV || error == -ENXIO || error == -ENETUNREACH ||
	       error == -EADDRNOTAVAIL;
}

/* There is no such tag yet: virtio-fs says EINVAL, 9p ENOENT. ENODEV: no such file system. */
static bool folder_will_come(long error)
{
	return error == -EINVAL || error == -ENOENT || error == -ENXIO;
}

static long connect_once(unsigned channel)
{
	const struct sys_vsock_address address = {
		.family = SYS_AF_VSOCK,
		.port = ONESHOT_PORT + channel,
		.cid = SYS_CID_HOST,
	};
	int fd = sys_socket(SYS_AF_VSOCK, SYS_SOCK_STREAM | O_CLOEXEC);
	long ret = fd < 0 ? fd : sys_connect(fd, &address, sizeof(address));

	if (ret) {
		sys_close(fd);
		return ret;
	}
	channels[channel] = fd;
	return 0;
}

static void connect_channels(void)
{
	for (unsigned i = 1; i <= ONESHOT_CHANNELS; i++) {
		unsigned channel = i % ONESHOT_CHANNELS; /* control is the last */
		unsigned tries = 0;
		long ret;

		while (vsock_will_come(ret = connect_once(channel)) && tries++ < RETRIES)
			sys_sleep(RETRY_MS);
		if (ret)
			fail("no vsock to the host: the kernel needs vsock and "
			     "vmw_vsock_virtio_transport",
			     ret);
	}
	tell(ONESHOT_READY, ONESHOT_VERSION, "");
}

/* ---- the file systems ---- */

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

static void mount_root(const char *type, bool scratch)
{
	long ret = mount_when_there(*type == '9' ? ONESHOT_9P_TAG : ONESHOT_FS_TAG,
				    scratch ? "/lower" : NEW_ROOT, type, scratch ? MS_RDONLY : 0);

	if (ret)
		fail(*type == '9' ? "cannot mount the root over 9p: the kernel needs 9p and "
				    "9pnet_virtio"
				  : "cannot mount the root over virtio-fs: the kernel needs "
				    "virtiofs",
		     ret);
	if (!scratch)
		return;
	ret = sys_mount("scratch", "/scratch", "tmpfs", 0, "mode=755");
	sys_mkdir("/scratch/upper", 0755);
	sys_mkdir("/scratch/work", 0755);
	if (!ret)
		ret = sys_mount("root", NEW_ROOT, "overlay", 0,
				"lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work");
	if (ret)
		fail("cannot mount the scratch layer: the kernel needs overlay and tmpfs, or give "
		     "--rw",
		     ret);
}

/* Where there is no such place, and none can be made, there is no such file system. */
static void mount_own(const char *type, const char *path, const char *data, unsigned long flags)
{
	char place[4096];

	join(place, sizeof(place), NEW_ROOT, path);
	if (next_value(ONESHOT_SCRATCH, NULL))
		sys_mkdir(place, 0755);
	sys_mount(type, place, type, flags, data);
}

static void mount_folders(const char *type)
{
	for_each_value(value, ONESHOT_FOLDER)
	{
		const char *path = find_char(value, ':');
		char tag[32], place[4096];
		long ret;

		if (!path)
			continue;
		cut(tag, sizeof(tag), value, path - value);
		join(place, sizeof(place), NEW_ROOT, path + 1);
		ret = mount_when_there(tag, place, type, 0);
		if (ret)
			fail(path + 1, ret);
	}
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
		fail("cannot change to the root", ret);
}

static void mount_all(void)
{
	const char *type = next_value(ONESHOT_ROOT, NULL);

	if (!type)
		fail("no root in the configuration", -EINVAL);
	mount_root(type, next_value(ONESHOT_SCRATCH, NULL));
	mount_folders(type);
	mount_own("proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_own("sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_own("devtmpfs", "/dev", "mode=755", MS_NOSUID);
	mount_own("tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV);
	sys_mkdir(NEW_ROOT "/dev/pts", 0755);
	sys_mkdir(NEW_ROOT "/dev/shm", 01777);
	mount_own("devpts", "/dev/pts", "mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC);
	mount_own("tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV);
	sys_symlink("/proc/self/fd", NEW_ROOT "/dev/fd");
	sys_symlink("/proc/self/fd/0", NEW_ROOT "/dev/stdin");
	sys_symlink("/proc/self/fd/1", NEW_ROOT "/dev/stdout");
	sys_symlink("/proc/self/fd/2", NEW_ROOT "/dev/stderr");
	for_each_value(path, ONESHOT_TMPFS)
		mount_own("tmpfs", path, "mode=1777", MS_NOSUID | MS_NODEV);
	go_to_root();
}

/* ---- the command ---- */

struct failure {
	int error; /* a -errno */
	char text[ONESHOT_TEXT];
};

/* In the child: @what failed, and the parent reads of it. */
static void child_fails(int report, const char *what, const char *name, long error)
{
	struct failure failure = { .error = error };

	join(failure.text, sizeof(failure.text), what, name);
	sys_write(report, &failure, sizeof(failure));
	sys_exit(127);
}

/* A file without a first line is the shell's, as execvp(3) has it. */
static long execute(const char *path)
{
	static const char *shell[WORDS + 2];
	long ret = sys_execute(path, words, variables);

	if (ret != -ENOEXEC)
		return ret;
	shell[0] = "/bin/sh";
	shell[1] = path;
	for (unsigned i = 1; i < word_count; i++)
		shell[i + 1] = words[i];
	return sys_execute(shell[0], shell, variables);
}

/* The PATH of the command's environment is looked through: the first error that says more than that
 * there is no such file. */
static long execute_by_path(void)
{
	const char *path = DEFAULT_PATH;
	long error = -ENOENT;

	for (unsigned i = 0; i < variable_count; i++) {
		if (begins_with(variables[i], "PATH="))
			path = variables[i] + 5;
	}
	for (;;) {
		const char *end = find_char(path, ':');
		size_t len = end ? (size_t)(end - path) : length(path);
		char folder[2048], file[4096];
		long ret;

		cut(folder, sizeof(folder), path, len);
		join(file, sizeof(file), len ? folder : ".", "/");
		join(file + length(file), sizeof(file) - length(file), words[0], "");
		ret = execute(file);
		if (ret != -ENOENT && ret != -ENOTDIR)
			error = ret;
		if (!end)
			return error;
		path = end + 1;
	}
}

static void run_command(int report) __attribute__((noreturn));
static void run_command(int report)
{
	const char *uid = next_value(ONESHOT_UID, NULL), *gid = next_value(ONESHOT_GID, NULL);
	const char *pwd = next_value(ONESHOT_PWD, NULL);
	long ret;

	sys_setsid();
	sys_block_signals(0);
	if (terminal >= 0)
		sys_control(0, TIOCSCTTY, NULL);
	ret = pwd ? sys_chdir(pwd) : 0;
	if (ret)
		child_fails(report, "cannot change to ", pwd, ret);
	ret = uid ? sys_set_user(number(uid), gid ? number(gid) : 0) : 0;
	if (ret)
		child_fails(report, "cannot become user ", uid, ret);
	ret = find_char(words[0], '/') ? execute(words[0]) : execute_by_path();
	child_fails(report, "cannot run ", words[0], ret);
	for (;;)
		sys_exit(127);
}

static void collect_words(void)
{
	for_each_value(word, ONESHOT_WORD)
	{
		if (word_count < WORDS)
			words[word_count++] = word;
	}
	for_each_value(variable, ONESHOT_VARIABLE)
	{
		if (variable_count < WORDS)
			variables[variable_count++] = variable;
	}
	if (!word_count)
		fail("no command in the configuration", -EINVAL);
}

/* Of its streams: the command's ends, and ours; -1: there is none. */
struct ends {
	int theirs[ONESHOT_CHANNELS], ours[ONESHOT_CHANNELS];
};

static void make_pipe(struct ends *ends, unsigned n)
{
	bool is_input = n == ONESHOT_STDIN;
	int fds[2];

	if (sys_pipe(fds, O_CLOEXEC))
		fail("no pipes", -EMFILE);
	ends->theirs[n] = fds[!is_input];
	ends->ours[n] = fds[is_input];
}

static void set_window(unsigned size)
{
	struct winsize winsize = { .ws_col = ONESHOT_WINDOW_COLUMNS(size),
				   .ws_row = ONESHOT_WINDOW_ROWS(size) };

	window = size;
	sys_control(terminal, TIOCSWINSZ, &winsize);
}

/* Like a terminal at which the command's user has logged in. */
static int make_terminal(unsigned size)
{
	const char *uid = next_value(ONESHOT_UID, NULL), *gid = next_value(ONESHOT_GID, NULL);
	int locked = 0, theirs;

	terminal = sys_open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	if (terminal < 0)
		fail("no terminal: the kernel needs UNIX98_PTYS, or give the command a pipe",
		     terminal);
	sys_control(terminal, TIOCSPTLCK, &locked);
	theirs = syscall6(__NR_ioctl, terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0, 0,
			  0);
	if (theirs < 0)
		fail("no terminal", theirs);
	if (uid)
		sys_change_owner(theirs, number(uid), gid ? number(gid) : 0);
	set_window(size);
	return theirs;
}

static void make_ends(struct ends *ends)
{
	const char *size = next_value(ONESHOT_TERMINAL, NULL);
	int theirs = size ? make_terminal(number(size)) : -1;

	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		bool apart = i == ONESHOT_STDERR && next_value(ONESHOT_APART, NULL);

		if (theirs < 0 || apart) {
			make_pipe(ends, i);
			continue;
		}
		ends->theirs[i] = sys_copy(theirs);
		ends->ours[i] = i == ONESHOT_STDERR ? -1 : sys_copy(terminal);
	}
	sys_close(theirs);
}

/* The command's PID, with its ends in its hands; what it says of a failure is in @report. */
static int start_command(const struct ends *ends, int *report)
{
	int reports[2], pid;

	if (sys_pipe(reports, O_CLOEXEC))
		fail("no pipes", -EMFILE);
	pid = sys_fork();
	if (pid < 0)
		fail("cannot make a process", pid);
	if (!pid) {
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			sys_dup(ends->theirs[i], i - ONESHOT_STDIN);
		run_command(reports[1]);
	}
	sys_close(reports[1]);
	*report = reports[0];
	return pid;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

/* Both ends of a stream whose reader is gone: the writer hears of it by SIGPIPE. */
static void end_stream(struct stream *stream)
{
	close_end(&stream->from);
	close_end(&stream->to);
	stream->count = 0;
}

static void begin_stream(unsigned n, const struct ends *ends)
{
	int ours = ends->ours[n], channel = channels[n];

	sys_close(ends->theirs[n]);
	if (ours < 0) {
		sys_close(channel);
		channel = -1;
	}
	sys_set_flags(ours, O_NONBLOCK);
	sys_set_flags(channel, O_NONBLOCK);
	streams[n].from = n == ONESHOT_STDIN ? channel : ours;
	streams[n].to = n == ONESHOT_STDIN ? ours : channel;
}

static int begin(void)
{
	struct ends ends;
	struct failure failure;
	int report, pid;

	make_ends(&ends);
	pid = start_command(&ends, &report);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		begin_stream(i, &ends);
	if (sys_read(report, &failure, sizeof(failure)) == sizeof(failure)) {
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			end_stream(&streams[i]);
		tell(ONESHOT_NO_COMMAND, -failure.error, failure.text);
		leave();
	}
	sys_close(report);
	/* The terminal ends with its command, and a shell may come. */
	streams[ONESHOT_STDOUT].stays = terminal >= 0 && next_value(ONESHOT_KEEP, NULL);
	tell(ONESHOT_STARTED, 0, "");
	return pid;
}

/* ---- its streams ---- */

static void fill_stream(struct stream *stream)
{
	long got = sys_read(stream->from, stream->data, STREAM_SIZE);

	if (got == -EAGAIN || got == -EINTR)
		return;
	stream->start = 0;
	stream->count = got > 0 ? got : 0;
	if (got <= 0)
		close_end(&stream->from);
}

static void empty_stream(struct stream *stream)
{
	long done = sys_write(stream->to, stream->data + stream->start, stream->count);

	if (done == -EAGAIN || done == -EINTR)
		return;
	if (done <= 0) {
		end_stream(stream);
		return;
	}
	stream->start += done;
	stream->count -= done;
}

/* Once more of what can be done at once. True: there is nothing left to come. */
static bool move(struct stream *stream)
{
	if (stream->to < 0)
		return true;
	if (!stream->count && stream->from >= 0)
		fill_stream(stream);
	if (stream->count)
		empty_stream(stream);
	if (stream->count || stream->from >= 0)
		return false;
	if (stream->stays)
		return true;
	/* Of a socket the end is told by closing it: what was sent goes first. */
	close_end(&stream->to);
	return true;
}

static void watch(const struct stream *stream, struct pollfd *poll)
{
	/* A reader that goes away is seen even while there is nothing for it. */
	*poll = (struct pollfd){ .fd = stream->count ? stream->to : stream->from,
				 .events = stream->count ? POLLOUT : POLLIN };
	if (stream->to < 0)
		poll->fd = -1;
}

/* ---- while it runs ---- */

/* -1: it runs still. Other processes that ended are init's to collect. */
static int collect(int command)
{
	int status, pid;

	while ((pid = sys_wait(-1, &status, SYS_WNOHANG)) > 0) {
		if (pid == command)
			return status;
	}
	return -1;
}

static void hear(int command)
{
	const struct oneshot_message *message = &heard.message;

	if (hear_some() != 1)
		return;
	if (message->type == ONESHOT_SIGNAL)
		sys_kill(-command, message->value);
	else if (message->type == ONESHOT_WINDOW && terminal >= 0)
		set_window(message->value);
}

static void serve(int fd) __attribute__((noreturn));

/* The host alone may: another process of the guest's would become root by it. */
static int accept_host(int fd)
{
	struct sys_vsock_address who;
	int peer = sys_accept(fd, &who);

	if (peer < 0 || who.cid == SYS_CID_HOST)
		return peer;
	sys_close(peer);
	return -EPERM;
}

/* A process for each command, with streams of its own. */
static void take_command(int children)
{
	int peer = accept_host(listener), pid;

	if (peer < 0)
		return;
	pid = sys_fork();
	if (!pid) {
		sys_close(children);
		serve(peer);
	}
	sys_close(peer);
}

/* Its wait status. */
static int attend(int command, int children)
{
	struct pollfd polls[ONESHOT_CHANNELS + 2];
	int status;

	while ((status = collect(command)) < 0) {
		char info[128];

		polls[ONESHOT_CONTROL] = (struct pollfd){ .fd = channels[ONESHOT_CONTROL],
							  .events = POLLIN };
		polls[ONESHOT_CHANNELS] = (struct pollfd){ .fd = children, .events = POLLIN };
		polls[ONESHOT_CHANNELS + 1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			watch(&streams[i], &polls[i]);
		sys_poll(polls, ONESHOT_CHANNELS + 2, -1);
		if (polls[ONESHOT_CHANNELS + 1].revents)
			take_command(children);
		if (polls[ONESHOT_CHANNELS].revents)
			sys_read(children, info, sizeof(info));
		if (polls[ONESHOT_CONTROL].revents)
			hear(command);
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
			if (polls[i].revents)
				move(&streams[i]);
		}
	}
	return status;
}

/* The command is over, and whatever it left running goes with it: what is in the pipes is all. */
static void drain(void)
{
	struct pollfd polls[ONESHOT_CHANNELS];
	bool done;

	/* The others' commands are not a server's. */
	if (!is_server)
		sys_kill(-1, SIGKILL);
	end_stream(&streams[ONESHOT_STDIN]);
	do {
		bool waits = false;

		done = true;
		for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++) {
			done &= move(&streams[i]);
			watch(&streams[i], &polls[i]);
			waits |= streams[i].count;
		}
		/* A slow reader is waited for as long as the run lasts. */
		if (!done && !sys_poll(polls + ONESHOT_STDOUT, 2, waits ? -1 : DRAIN_MS))
			break;
		collect(0);
	} while (!done);
	for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++)
		end_stream(&streams[i]);
}

/* What is in the old terminal is shown, and the streams are those of a new one. */
static void change_terminals(struct ends *ends)
{
	struct stream *typed = &streams[ONESHOT_STDIN], *shown = &streams[ONESHOT_STDOUT];
	struct pollfd poll;

	close_end(&terminal);
	for (;;) {
		if (move(shown))
			break;
		watch(shown, &poll);
		if (!sys_poll(&poll, 1, shown->count ? -1 : DRAIN_MS))
			break;
	}
	close_end(&shown->from);
	close_end(&typed->to);
	typed->count = 0;
	ends->theirs[ONESHOT_STDERR] = ends->theirs[ONESHOT_STDOUT] = ends->theirs[ONESHOT_STDIN] =
		make_terminal(window);
	sys_set_flags(terminal, O_NONBLOCK);
	shown->from = sys_copy(terminal);
	typed->to = sys_copy(terminal);
}

static const char kept[] = "\r\nlkvm: the command failed: this is a shell in its guest; its end is "
			   "the run's\r\n";

/* Only whoever sits there can look around: without a terminal nothing is kept. */
static void run_shell(const char *shell, int children)
{
	struct stream *shown = &streams[ONESHOT_STDOUT];
	struct ends ends;
	int report, pid;

	change_terminals(&ends);
	if (shown->to < 0)
		return;
	words[0] = shell;
	words[1] = NULL;
	word_count = 1;
	memcpy(shown->data, kept, sizeof(kept) - 1);
	shown->start = 0;
	shown->count = sizeof(kept) - 1;
	pid = start_command(&ends, &report);
	sys_close(ends.theirs[ONESHOT_STDIN]);
	sys_close(report);
	attend(pid, children);
}

static void say_end(int status)
{
	unsigned signal = status & 0x7f;

	/* What the command wrote to disks and folders is there before anybody hears of its end. */
	sys_sync();
	if (signal)
		tell(ONESHOT_KILLED, signal, "");
	else
		tell(ONESHOT_EXITED, status >> 8 & 0xff, "");
}

static bool read_whole(int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		long got = sys_read(fd, (char *)data + at, len - at);

		if (got <= 0)
			return false;
		at += got;
	}
	return true;
}

/* The words are in the place of the first command's; its variables stay where they are. */
static void read_command(int fd)
{
	static char asked[CONFIG_SIZE];
	unsigned len = 0;
	size_t end;

	if (!read_whole(fd, &len, sizeof(len)) || len >= CONFIG_SIZE / 2 ||
	    !read_whole(fd, asked, len))
		sys_exit(1);
	end = len;
	asked[end] = '\0';
	for (const char *at = config; *at && end < CONFIG_SIZE - 4096; at += length(at) + 1) {
		if (*at != ONESHOT_UID && *at != ONESHOT_GID && *at != ONESHOT_PWD)
			continue;
		join(asked + end, CONFIG_SIZE - end, at, "");
		end += length(at) + 1;
		asked[end] = '\0';
	}
	config = asked;
	word_count = 0;
	for_each_value(word, ONESHOT_WORD)
	{
		if (word_count < WORDS)
			words[word_count++] = word;
	}
	words[word_count] = NULL;
	if (!word_count)
		sys_exit(1);
}

static void take_streams(void)
{
	struct sys_vsock_address address = { .family = SYS_AF_VSOCK,
					     .port = SYS_PORT_ANY,
					     .cid = SYS_CID_ANY };
	int fd = sys_listen(&address);

	if (fd < 0 || sys_write(channels[ONESHOT_CONTROL], &address.port, 4) != 4)
		sys_exit(1);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		while ((channels[i] = accept_host(fd)) == -EPERM)
			;
	}
	sys_close(fd);
}

/* In a process of its own, from the control channel @fd on. */
static void serve(int fd)
{
	int command, children, status;

	is_server = true;
	close_end(&listener);
	close_end(&terminal);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		end_stream(&streams[i]);
		streams[i].stays = false;
	}
	sys_close(channels[ONESHOT_CONTROL]);
	channels[ONESHOT_CONTROL] = fd;
	heard.len = 0;
	read_command(fd);
	take_streams();
	tell(ONESHOT_READY, ONESHOT_VERSION, "");
	children = sys_signal_fd(1ul << (SIGCHLD - 1), O_NONBLOCK | O_CLOEXEC);
	command = begin();
	status = attend(command, children);
	drain();
	say_end(status);
	leave();
}

static void listen_for_commands(void)
{
	struct sys_vsock_address address = { .family = SYS_AF_VSOCK,
					     .port = ONESHOT_EXEC_PORT,
					     .cid = SYS_CID_ANY };

	if (next_value(ONESHOT_EXEC, NULL))
		listener = sys_listen(&address);
}

/* A kernel without a network has none to bring up. */
static void bring_loopback_up(void)
{
	struct sys_interface interface = { .name = "lo", .flags = SYS_IF_UP };
	int fd = sys_socket(SYS_AF_INET, SYS_SOCK_DGRAM | O_CLOEXEC);

	sys_control(fd, SYS_SET_IF_FLAGS, &interface);
	sys_close(fd);
}

void init_main(void)
{
	const char *name;
	int command, children, status;

	sys_block_signals(~0ul);
	sys_mkdir(NEW_ROOT, 0755);
	sys_mkdir("/lower", 0755);
	sys_mkdir("/scratch", 0755);
	read_config();
	load_modules();
	connect_channels();
	mount_all();
	name = next_value(ONESHOT_HOST_NAME, NULL);
	if (name)
		sys_host_name(name, length(name));
	bring_loopback_up();
	collect_words();
	children = sys_signal_fd(1ul << (SIGCHLD - 1), O_NONBLOCK | O_CLOEXEC);
	listen_for_commands();
	command = begin();
	status = attend(command, children);
	name = next_value(ONESHOT_KEEP, NULL);
	if (status && name && terminal >= 0)
		run_shell(name, children);
	drain();
	say_end(status);
	leave();
}
