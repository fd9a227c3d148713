/* SPDX-License-Identifier: BSD-2-Clause */
/* What a one-shot run's init does with its command, with the test in the part of the host. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init_host.h"
#include "oneshot/initrd.h"
#include "oneshot/protocol.h"
#include "test.h"

#define PATIENCE 20000 /* ms */

struct guest {
	int ends[ONESHOT_CHANNELS];
	pid_t init;
	char said[4096]; /* on standard output */
};

static const char *root_type = "virtiofs";
/* Of who asks for more commands. */
static unsigned exec_cid = 2;

/* @keys: of the configuration, each with its value, ended by NULL. */
static struct guest begin(const char *script, const char *const *keys)
{
	struct initrd_config config = { 0 };
	int theirs[ONESHOT_CHANNELS], file = memfd_create("config", MFD_CLOEXEC);
	struct guest guest = { .init = -1 };

	initrd_config_add(&config, ONESHOT_ROOT, root_type);
	initrd_config_add(&config, ONESHOT_VARIABLE, "PATH=/usr/bin:/bin");
	for (; *keys; keys++)
		initrd_config_add(&config, (*keys)[0], *keys + 1);
	initrd_config_add(&config, ONESHOT_WORD, "sh");
	initrd_config_add(&config, ONESHOT_WORD, "-c");
	initrd_config_add(&config, ONESHOT_WORD, script);
	assert_int_equal(write(file, config.text, config.len), config.len);
	lseek(file, 0, SEEK_SET);
	initrd_config_free(&config);
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		guest.ends[i] = pair[0];
		theirs[i] = pair[1];
	}
	guest.init = fork();
	if (!guest.init) {
		for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
			close(guest.ends[i]);
		init_host_run(file, theirs, exec_cid);
	}
	close(file);
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		close(theirs[i]);
	return guest;
}

static void wait_for_input(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&one, 1, PATIENCE), 1);
}

static unsigned hear(struct guest *guest, unsigned type)
{
	struct oneshot_message message;

	for (size_t at = 0; at < sizeof(message);) {
		ssize_t got;

		wait_for_input(guest->ends[ONESHOT_CONTROL]);
		got = recv(guest->ends[ONESHOT_CONTROL], (char *)&message + at,
			   sizeof(message) - at, 0);
		assert_true(got > 0);
		at += got;
	}
	assert_int_equal(message.type, type);
	return message.value;
}

/* Until @words are there; NULL: to its end. */
static void read_until(struct guest *guest, int fd, const char *words)
{
	size_t len = strlen(guest->said);

	while (!words || !strstr(guest->said, words)) {
		ssize_t got;

		wait_for_input(fd);
		got = recv(fd, guest->said + len, sizeof(guest->said) - 1 - len, 0);
		assert_true(got > 0 || !words);
		if (got <= 0)
			return;
		len += got;
		guest->said[len] = '\0';
	}
}

static void type(struct guest *guest, const char *keys)
{
	assert_int_equal(send(guest->ends[ONESHOT_STDIN], keys, strlen(keys), 0), strlen(keys));
}

/* In two pieces, as a stream may have it. */
static void tell(struct guest *guest, unsigned kind, unsigned value)
{
	const struct oneshot_message message = { .type = kind, .value = value };
	int fd = guest->ends[ONESHOT_CONTROL];

	assert_int_equal(send(fd, &message, 5, 0), 5);
	poll(NULL, 0, 20);
	assert_int_equal(send(fd, (const char *)&message + 5, sizeof(message) - 5, 0),
			 sizeof(message) - 5);
}

static void start(struct guest *guest)
{
	assert_int_equal(hear(guest, ONESHOT_READY), ONESHOT_VERSION);
	hear(guest, ONESHOT_STARTED);
}

/* It is let go, and goes. */
static void finish(struct guest *guest)
{
	int status;

	tell(guest, ONESHOT_BYE, 0);
	assert_int_equal(waitpid(guest->init, &status, 0), guest->init);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		close(guest->ends[i]);
}

static const char *const no_keys[] = { NULL };
/* 90 x 30. */
static const char *const terminal_keys[] = { "P1966170", NULL };

static void has_streams_and_a_status(const char *const *keys)
{
	struct guest guest = begin("cat; echo error >&2; exit 7", keys);

	start(&guest);
	type(&guest, "words\n");
	shutdown(guest.ends[ONESHOT_STDIN], SHUT_WR);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(guest.said, "words\n");
	guest.said[0] = '\0';
	read_until(&guest, guest.ends[ONESHOT_STDERR], NULL);
	assert_string_equal(guest.said, "error\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 7);
	finish(&guest);
}

TEST(a_command_has_three_streams_and_a_status)
{
	has_streams_and_a_status(no_keys);
}

static void has_the_signal(const char *const *keys)
{
	struct guest guest = begin("echo ready; exec sleep 100", keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "ready");
	tell(&guest, ONESHOT_SIGNAL, SIGTERM);
	assert_int_equal(hear(&guest, ONESHOT_KILLED), SIGTERM);
	finish(&guest);
}

TEST(a_signal_is_for_the_command)
{
	has_the_signal(no_keys);
}

TEST(a_command_that_is_not_there_says_so_on_a_terminal_too)
{
	struct guest guest = begin("exit 0",
				   (const char *const[]){ "P0", "Ano-such-command", NULL });

	hear(&guest, ONESHOT_READY);
	assert_int_equal(hear(&guest, ONESHOT_NO_COMMAND), 2);
	finish(&guest);
}

TEST(a_command_on_a_terminal_has_it_as_all_three_of_its_size)
{
	struct guest guest = begin("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && "
				   "echo controlling >/dev/tty; exit 3",
				   terminal_keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(guest.said, "30 90\r\ncontrolling\r\n");
	guest.said[0] = '\0';
	read_until(&guest, guest.ends[ONESHOT_STDERR], NULL);
	assert_string_equal(guest.said, "");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 3);
	finish(&guest);
}

TEST(standard_error_can_be_apart_from_the_terminal)
{
	struct guest guest = begin("[ -t 2 ] || echo apart >&2",
				   (const char *const[]){ "P0", "S", NULL });

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDERR], NULL);
	assert_string_equal(guest.said, "apart\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 0);
	finish(&guest);
}

TEST(keys_of_a_terminal_are_signals)
{
	struct guest guest = begin("trap 'echo caught' INT; trap 'echo quit; exit 5' QUIT; "
				   "echo ready; while :; do sleep 0.05; done",
				   terminal_keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "ready");
	type(&guest, "\x03");
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "caught");
	type(&guest, "\x1c");
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "quit");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 5);
	finish(&guest);
}

TEST(a_new_size_of_the_window_is_told_to_the_command)
{
	struct guest guest = begin("trap 'stty size; exit 0' WINCH; echo ready; "
				   "while :; do sleep 0.05; done",
				   terminal_keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "ready");
	tell(&guest, ONESHOT_WINDOW, ONESHOT_WINDOW_SIZE(132, 50));
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "50 132");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 0);
	finish(&guest);
}

static int dial(const struct guest *guest, unsigned port)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "\0init" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path + 8, &guest->init, 4);
	memcpy(at.sun_path + 12, &port, 4);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, 18), 0);
	return fd;
}

/* One more command of @guest's, without its streams: the port for them. As ask(). */
static unsigned ask_for_port(const struct guest *guest, struct guest *more, const char *script,
			     const char *const *keys)
{
	struct initrd_config config = { 0 };
	unsigned len, port;

	for (; *keys; keys++)
		initrd_config_add(&config, (*keys)[0], *keys + 1);
	initrd_config_add(&config, ONESHOT_WORD, "sh");
	initrd_config_add(&config, ONESHOT_WORD, "-c");
	initrd_config_add(&config, ONESHOT_WORD, script);
	len = config.len;
	more->ends[ONESHOT_CONTROL] = dial(guest, ONESHOT_EXEC_PORT);
	assert_int_equal(send(more->ends[ONESHOT_CONTROL], &len, 4, 0), 4);
	assert_int_equal(send(more->ends[ONESHOT_CONTROL], config.text, len, 0), len);
	initrd_config_free(&config);
	wait_for_input(more->ends[ONESHOT_CONTROL]);
	assert_int_equal(recv(more->ends[ONESHOT_CONTROL], &port, 4, 0), 4);
	return port;
}

/* One more command of @guest's. @keys, @script: as of begin(). */
static struct guest ask(const struct guest *guest, const char *script, const char *const *keys)
{
	struct guest more = { .init = -1 };
	unsigned port = ask_for_port(guest, &more, script, keys);

	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		more.ends[i] = dial(guest, port);
	return more;
}

static void close_all(struct guest *guest)
{
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		close(guest->ends[i]);
}

TEST(more_commands_run_beside_the_first)
{
	struct guest guest = begin("echo ready; read word; exit 9",
				   (const char *const[]){ "X", "EFIRST=yes", NULL });
	struct guest one, two;

	start(&guest);
	one = ask(&guest, "echo $FIRST; cat; exit 4", no_keys);
	two = ask(&guest, "stty size; kill -9 $$", terminal_keys);
	start(&one);
	start(&two);
	read_until(&two, two.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(two.said, "30 90\r\n");
	assert_int_equal(hear(&two, ONESHOT_KILLED), SIGKILL);
	tell(&two, ONESHOT_BYE, 0);
	type(&one, "words\n");
	shutdown(one.ends[ONESHOT_STDIN], SHUT_WR);
	read_until(&one, one.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(one.said, "yes\nwords\n");
	assert_int_equal(hear(&one, ONESHOT_EXITED), 4);
	tell(&one, ONESHOT_BYE, 0);
	close_all(&one);
	close_all(&two);
	/* The first one has not noticed. */
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "ready");
	type(&guest, "on\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 9);
	finish(&guest);
}

TEST(a_process_of_the_guests_gets_no_command)
{
	struct guest guest;
	char byte;
	int fd;

	exec_cid = 1;
	guest = begin("read word", (const char *const[]){ "X", NULL });
	exec_cid = 2;
	start(&guest);
	fd = dial(&guest, ONESHOT_EXEC_PORT);
	wait_for_input(fd);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	type(&guest, "on\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 0);
	finish(&guest);
}

/* A server that looked for its caller's words for ever would be seen by its processor time alone.
 */
TEST(one_whose_caller_has_gone_is_hung_up)
{
	struct guest guest = begin("echo ready; read word; exit 9",
				   (const char *const[]){ "X", NULL });
	struct guest more;

	start(&guest);
	more = ask(&guest, "trap 'echo hung up; exit 3' HUP; echo on; while :; do sleep 0.05; done",
		   no_keys);
	start(&more);
	read_until(&more, more.ends[ONESHOT_STDOUT], "on");
	close(more.ends[ONESHOT_CONTROL]);
	more.ends[ONESHOT_CONTROL] = -1;
	read_until(&more, more.ends[ONESHOT_STDOUT], NULL);
	assert_non_null(strstr(more.said, "hung up"));
	close_all(&more);
	type(&guest, "on\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 9);
	finish(&guest);
}

static unsigned count_children(pid_t pid)
{
	unsigned count = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (!file)
		skip();
	while (fscanf(file, "%*d") != EOF)
		count++;
	fclose(file);
	return count;
}

TEST(one_whose_caller_has_gone_before_its_streams_came_ends)
{
	struct guest guest = begin("echo ready; read word; exit 9",
				   (const char *const[]){ "X", NULL });
	struct guest more;

	start(&guest);
	ask_for_port(&guest, &more, "exit 0", no_keys);
	assert_int_equal(count_children(guest.init), 2);
	close(more.ends[ONESHOT_CONTROL]);
	for (unsigned ms = 0; count_children(guest.init) > 1; ms += 10) {
		assert_true(ms < PATIENCE);
		poll(NULL, 0, 10);
	}
	type(&guest, "on\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 9);
	finish(&guest);
}

TEST(a_shell_stays_where_a_command_failed)
{
	struct guest guest = begin("echo before; exit 9",
				   (const char *const[]){ "P1966170", "K/bin/sh", NULL });

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "a shell in its guest");
	assert_non_null(strstr(guest.said, "before\r\n"));
	type(&guest, "stty size; echo $((40 + 2)); exit 3\n");
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "30 90\r\n42");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 9);
	finish(&guest);
}

TEST(no_shell_stays_where_a_command_ended_well)
{
	struct guest guest = begin("echo before", (const char *const[]){ "P0", "K/bin/sh", NULL });

	start(&guest);
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 0);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(guest.said, "before\r\n");
	finish(&guest);
}

TEST(jobs_of_a_terminal_can_be_stopped_and_go_on)
{
	struct guest guest = begin("set -m; sh -c 'echo ready; kill -STOP $$; echo again'; "
				   "fg >/dev/null; echo over",
				   terminal_keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "over");
	assert_non_null(strstr(guest.said, "again"));
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 0);
	finish(&guest);
}

/* ---- ports of virtio-console in the place of vsock ---- */

static const char *const ports_keys[] = { "C", NULL };

TEST(over_ports_a_command_has_three_streams_and_a_status_too)
{
	has_streams_and_a_status(ports_keys);
}

TEST(over_ports_a_signal_is_for_the_command_too)
{
	has_the_signal(ports_keys);
}

TEST(over_ports_a_terminal_is_one_too)
{
	struct guest guest = begin("stty size; exit 3",
				   (const char *const[]){ "C", "P1966170", NULL });

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], NULL);
	assert_string_equal(guest.said, "30 90\r\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 3);
	finish(&guest);
}

/* A port says no error of it: the command's pipe is closed all the same. */
TEST(over_ports_a_command_whose_reader_went_away_hears_of_it)
{
	struct guest guest = begin("trap '' PIPE; while echo y; do :; done 2>/dev/null; exit 6",
				   ports_keys);

	start(&guest);
	read_until(&guest, guest.ends[ONESHOT_STDOUT], "y\n");
	close(guest.ends[ONESHOT_STDOUT]);
	guest.ends[ONESHOT_STDOUT] = -1;
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 6);
	finish(&guest);
}

/* All of it is written before the command ends, so it is init that finds nobody. */
TEST(over_ports_output_that_nobody_wants_any_more_holds_no_end_up)
{
	struct guest guest = begin("read word; echo late; exit 6", ports_keys);

	start(&guest);
	close(guest.ends[ONESHOT_STDOUT]);
	guest.ends[ONESHOT_STDOUT] = -1;
	type(&guest, "on\n");
	assert_int_equal(hear(&guest, ONESHOT_EXITED), 6);
	finish(&guest);
}

/* ---- the root ---- */

/* What init mounts for a root of @type, up to the moment at which it is moved. */
static void mounts(const char *type, const char *const *keys, char *text, size_t size)
{
	int log = memfd_create("mounts", MFD_CLOEXEC);
	struct guest guest;
	ssize_t len;

	init_host_mounts = log;
	root_type = type;
	guest = begin("exit 0", keys);
	init_host_mounts = -1;
	root_type = "virtiofs";
	start(&guest);
	hear(&guest, ONESHOT_EXITED);
	finish(&guest);
	len = pread(log, text, size - 1, 0);
	assert_true(len > 0);
	text[len] = '\0';
	close(log);
}

static void begins_with(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)))
		fail_msg("%s", text);
}

TEST(a_root_over_virtio_fs_or_9p_is_mounted_by_its_tag)
{
	char text[4096];

	mounts("virtiofs", no_keys, text, sizeof(text));
	begins_with(text, "virtiofs lkvm_root /root\nproc proc /root/proc\n");
	mounts("9p", no_keys, text, sizeof(text));
	begins_with(text, "9p /dev/root /root\nproc proc /root/proc\n");
	assert_non_null(strstr(text, "none . /\n"));
}

TEST(one_that_stays_as_it_is_has_a_layer_over_it)
{
	char text[4096];

	mounts("virtiofs", (const char *const[]){ "O", NULL }, text, sizeof(text));
	begins_with(text, "virtiofs lkvm_root /lower\ntmpfs scratch /scratch\n"
			  "overlay root /root\nproc proc /root/proc\n");
}

/* It is in the first file system, and must be a mount to be moved. */
TEST(one_that_is_packed_is_bound_where_it_is)
{
	char text[4096];

	mounts("packed", no_keys, text, sizeof(text));
	begins_with(text, "none /root /root\nproc proc /root/proc\n");
	assert_non_null(strstr(text, "none . /\n"));
}

TEST(a_kernel_without_devtmpfs_has_the_devices_that_everybody_needs_where_the_root_is_the_guests)
{
	char text[4096];

	init_host_has_devtmpfs = false;
	mounts("packed", no_keys, text, sizeof(text));
	assert_non_null(strstr(text, "node /root/dev/null\n"));
	assert_non_null(strstr(text, "node /root/dev/urandom\n"));
	mounts("virtiofs", (const char *const[]){ "O", NULL }, text, sizeof(text));
	assert_non_null(strstr(text, "node /root/dev/tty\n"));
	assert_non_null(strstr(text, "folder /root/dev/pts\n"));
	assert_non_null(strstr(text, "link /root/dev/fd\n"));
	/* In the host's folder nothing is made. */
	mounts("virtiofs", no_keys, text, sizeof(text));
	assert_null(strstr(text, "node"));
	assert_null(strstr(text, "folder"));
	assert_null(strstr(text, "link"));
	init_host_has_devtmpfs = true;
	mounts("virtiofs", no_keys, text, sizeof(text));
	assert_null(strstr(text, "node"));
	assert_non_null(strstr(text, "link /root/dev/fd\n"));
	mounts("packed", no_keys, text, sizeof(text));
	assert_null(strstr(text, "node"));
}

/* ---- folders in it ---- */

TEST(folders_that_were_asked_for_are_mounted_in_the_order_of_the_configuration)
{
	char text[4096];

	mounts("virtiofs",
	       (const char *const[]){ "O", "T/usr", "Flkvm_0:/usr/bin", "T/usr/bin/.", NULL }, text,
	       sizeof(text));
	assert_non_null(strstr(text, "tmpfs tmpfs /root/run\nnone . /\n"
				     "tmpfs tmpfs /usr\nvirtiofs lkvm_0 /usr/bin\n"
				     "tmpfs tmpfs /usr/bin/.\n"));
}

TEST(a_place_for_one_is_made_with_what_leads_there_where_the_root_is_the_guests)
{
	char text[4096];

	mounts("virtiofs", (const char *const[]){ "O", "Flkvm_0:/made/a/b", NULL }, text,
	       sizeof(text));
	assert_non_null(strstr(text, "folder /made/a\nfolder /made/a/b\n"
				     "virtiofs lkvm_0 /made/a/b\n"));
	mounts("9p", (const char *const[]){ "T/made/a", NULL }, text, sizeof(text));
	assert_null(strstr(text, "folder /made"));
	assert_non_null(strstr(text, "tmpfs tmpfs /made/a\n"));
}

/* As the folder is the host's nothing is made in it, and nothing comes that could be waited for. */
static void is_missing(const char *key)
{
	struct guest guest;

	root_type = "9p";
	guest = begin("exit 0", (const char *const[]){ key, NULL });
	root_type = "virtiofs";
	assert_int_equal(hear(&guest, ONESHOT_READY), ONESHOT_VERSION);
	assert_int_equal(hear(&guest, ONESHOT_FAILED), ENOENT);
	finish(&guest);
}

TEST(a_folder_without_a_place_in_the_hosts_root_ends_the_run_at_once)
{
	is_missing("T/no/such/place");
	is_missing("Flkvm_0:/no/such/place");
}
