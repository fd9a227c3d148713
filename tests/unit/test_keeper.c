/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * util/keeper.h: what is undone, and by whom, however the owner of a keeper ends.
 *
 * One file, though long: all ends are tried on the same owner and the same few notes.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../util/keeper_private.h"
#include "test.h"

/* Whatever takes longer than this, in ms, on the busiest host, has failed. */
#define LONG 20000

static char folder[] = "/tmp/lkvm-keeper-XXXXXX";

static char release[64]; /* a file: while it is not there, what is endless is so */

/* ---- what is undone: a mark of its number is made in a file ---- */

struct mark {
	char path[64]; /* in this file */
	char letter;
	bool endless;
	int fails; /* -errno of undo(), until there are @turns marks */
	unsigned turns;
	int begins; /* -errno of begin() */
	bool waits; /* begin() does, until it is stopped */
};

static void put_mark(const struct mark *mark)
{
	int fd = open(mark->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, &mark->letter, 1) != 1)
		abort();
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_size;
}

static int undo(const void *data, const int *fds, struct error *err)
{
	const struct mark *mark = data;

	while (mark->endless && access(release, F_OK))
		usleep(1000);
	if (mark->endless)
		return 0;
	put_mark(mark);
	if (mark->fails && size_of(mark->path) < mark->turns)
		return error_set(err, mark->fails, "not yet");
	return 0;
}

static int begin(const void *data, const int *fds, int stop_fd, struct error *err)
{
	const struct mark *mark = data;
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };

	if (mark->waits) {
		poll(&stop, 1, -1);
		put_mark(mark);
		return error_set(err, -EINTR, "stopped");
	}
	return mark->begins ? error_set(err, mark->begins, "does not begin") : 0;
}

#define KIND(of, called)                                                                           \
	.name = called, .worth = of, .size = sizeof(struct mark), .begin_ms = LONG,                \
	.undo_ms = LONG, .undo = undo

static const struct keeper_kind along = { KIND(KEEPER_ALONG, "along") };
static const struct keeper_kind wanted = { KIND(KEEPER_WANTED, "wanted") };
static const struct keeper_kind needed = { KIND(KEEPER_NEEDED, "needed") };
static const struct keeper_kind begun = { KIND(KEEPER_NEEDED, "begun"), .begin = begin };
static const struct keeper_kind brief = { .name = "brief",
					  .worth = KEEPER_NEEDED,
					  .size = sizeof(struct mark),
					  .undo_ms = 200,
					  .undo = undo };

static bool is_quick(const void *data)
{
	return true;
}

static const struct keeper_kind quick = { KIND(KEEPER_WANTED, "quick"), .is_quick = is_quick };
static const struct keeper_kind *const kinds[] = { &along, &wanted, &needed, &begun,
						   &brief, &quick,  NULL };

/* ---- the owner of a keeper: this process, or another one that dies ---- */

static struct error err;
static char marks[64];

static struct mark mark(char letter)
{
	struct mark mark = { .letter = letter };

	snprintf(mark.path, sizeof(mark.path), "%s", marks);
	return mark;
}

static int add_mark(struct keeper *keeper, const struct keeper_kind *kind, const struct mark *mark)
{
	const struct keeper_note note = { .kind = kind, .data = mark, .give_up_fd = -1 };

	err.text[0] = '\0';
	return keeper_add(keeper, &note, &err);
}

static int add(struct keeper *keeper, const struct keeper_kind *kind, char letter)
{
	const struct mark one = mark(letter);

	return add_mark(keeper, kind, &one);
}

static struct keeper *create(void)
{
	struct keeper *keeper;

	assert_int_equal(keeper_create(&keeper, kinds), 0);
	return keeper;
}

/* What was undone so far, in its order. */
static const char *undone(void)
{
	static char text[64];
	int fd = open(marks, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[MAX(len, 0)] = '\0';
	return text;
}

/* The processes that are ours, dead ones too; those that lose their parent become so. */
static unsigned count_children(void)
{
	char path[64], line[256] = "";
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	for (char *at = line; *at; at++)
		count += *at == ' ';
	return count;
}

static s64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* All that we have inherited has ended: the keepers of those that died too. */
static void assert_all_end(void)
{
	s64 end = now_ms() + LONG;

	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
		if (now_ms() > end)
			fail_msg("a process is left");
		usleep(1000);
	}
}

/* Calls @play in a process that it does not outlive. */
static void play_and_die(void (*play)(struct keeper *keeper))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		play(create());
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void must(bool condition)
{
	if (!condition)
		_exit(1);
}

static int clean(void **state)
{
	unlink(marks);
	return 0;
}

/* ---- kill -9 ---- */

static void add_three(struct keeper *keeper)
{
	must(add(keeper, &needed, '1') == 0);
	must(add(keeper, &wanted, '2') == 1);
	must(add(keeper, &quick, '3') == 2);
}

TEST_WITH(what_was_noted_is_undone_after_a_kill_the_last_first, clean, clean)
{
	play_and_die(add_three);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

static void seal(struct keeper *keeper)
{
	add_three(keeper);
	keeper_seal(keeper);
}

TEST_WITH(so_it_is_after_the_seal, clean, clean)
{
	play_and_die(seal);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

static void undo_one(struct keeper *keeper)
{
	seal(keeper);
	must(!keeper_undo(keeper, 1, NULL) && !keeper_undo(keeper, 1, NULL));
}

TEST_WITH(what_was_undone_before_is_not_undone_again, clean, clean)
{
	play_and_die(undo_one);
	assert_all_end();
	assert_string_equal(undone(), "231");
}

static void drop_one(struct keeper *keeper)
{
	seal(keeper);
	keeper_drop(keeper, 0);
	keeper_drop(keeper, 0);
	must(!keeper_undo(keeper, 0, NULL));
}

TEST_WITH(what_was_dropped_is_not_undone, clean, clean)
{
	play_and_die(drop_one);
	assert_all_end();
	assert_string_equal(undone(), "32");
}

static void destroy(struct keeper *keeper)
{
	add_three(keeper);
	keeper_destroy(keeper);
}

TEST_WITH(what_is_left_when_the_keeper_is_destroyed_is_undone_after_our_end, clean, clean)
{
	play_and_die(destroy);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

static pid_t the_owner;

static void add_one_that_is_busy(struct keeper *keeper)
{
	struct mark slow = mark('1');

	must(add(keeper, &needed, '2') == 0);
	slow.fails = -EBUSY;
	slow.turns = 3;
	must(add_mark(keeper, &needed, &slow) == 1);
}

TEST_WITH(what_is_busy_is_tried_again_after_a_kill, clean, clean)
{
	play_and_die(add_one_that_is_busy);
	assert_all_end();
	assert_string_equal(undone(), "1112");
}

TEST_WITH(what_is_busy_is_tried_again_while_its_owner_waits, clean, clean)
{
	struct keeper *keeper = create();

	add_one_that_is_busy(keeper);
	assert_int_equal(keeper_undo(keeper, 1, &err), 0);
	assert_int_equal(keeper_undo(keeper, 0, &err), 0);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "1112");
	assert_all_end();
}

static void add_along(struct keeper *keeper)
{
	must(add(keeper, &along, '1') == 0);
	must(count_children() == 0);
	must(add(keeper, &wanted, '2') == 1);
	must(count_children() == 1);
	must(add(keeper, &along, '3') == 2);
}

TEST_WITH(what_is_not_worth_a_process_is_undone_by_one_that_is_there, clean, clean)
{
	play_and_die(add_along);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

/* Killed while the keeper is at work for it. */
static void undo_and_be_killed(struct keeper *keeper)
{
	struct mark slow = mark('1');

	the_owner = getpid();
	must(add(keeper, &needed, '2') == 0);
	slow.waits = true;
	if (!fork()) {
		usleep(100000);
		kill(the_owner, SIGKILL);
		_exit(0);
	}
	add_mark(keeper, &begun, &slow);
}

TEST_WITH(what_is_begun_when_its_owner_is_killed_is_stopped_and_not_undone, clean, clean)
{
	play_and_die(undo_and_be_killed);
	assert_all_end();
	assert_string_equal(undone(), "12");
}

/* At any moment between its first note and its end. */
TEST_WITH(whenever_its_owner_is_killed_all_is_undone_once, clean, clean)
{
	for (unsigned us = 0; us < 4000; us += 100) {
		pid_t pid = fork();
		const char *seen;

		if (!pid) {
			struct keeper *keeper = create();

			undo_one(keeper);
			keeper_undo(keeper, 2, NULL);
			keeper_undo(keeper, 0, NULL);
			keeper_destroy(keeper);
			pause();
		}
		usleep(us);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_all_end();
		seen = undone();
		/* As many as were noted: the last first, but for the one that was undone before. */
		if (strcmp(seen, "") && strcmp(seen, "1") && strcmp(seen, "21") &&
		    strcmp(seen, "321") && strcmp(seen, "231"))
			fail_msg("after %u us: %s", us, seen);
		unlink(marks);
	}
}

/* ---- signals ---- */

/* An owner in a process group of its own, which waits to be killed. */
static pid_t start_owner(int *terminal)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		setsid();
		if (terminal) {
			must(!ioctl(open(ptsname(*terminal), O_RDWR), TIOCSCTTY, 0));
			close(*terminal);
		}
		if (!terminal)
			for (int signal = 1; signal < 32; signal++)
				if (signal != SIGCHLD)
					sigaction(signal,
						  &(struct sigaction){ .sa_handler = SIG_IGN },
						  NULL);
		seal(create());
		must(write(ready[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

TEST_WITH(a_keeper_survives_the_signals_of_its_owner_s_group, clean, clean)
{
	static const int signals[] = {
		SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTSTP, SIGUSR1, SIGPIPE
	};
	pid_t pid = start_owner(NULL);

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		assert_int_equal(kill(-pid, signals[i]), 0);
	usleep(20000);
	assert_string_equal(undone(), "");
	kill(-pid, SIGKILL);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

static pid_t child_of(pid_t pid)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &child), 1);
	fclose(file);
	return child;
}

TEST_WITH(a_keeper_that_is_asked_to_end_stays, clean, clean)
{
	pid_t pid = start_owner(NULL), keeper = child_of(pid);

	kill(keeper, SIGTERM);
	kill(keeper, SIGINT);
	kill(keeper, SIGHUP);
	usleep(20000);
	assert_string_equal(undone(), "");
	kill(pid, SIGKILL);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

TEST_WITH(a_terminal_that_hangs_up_ends_the_owner_and_not_the_keeper, clean, clean)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(terminal >= 0 && !grantpt(terminal) && !unlockpt(terminal));
	start_owner(&terminal);
	close(terminal);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

/* ---- hosts that do not answer ---- */

/* What did not end by then, nor keeps the keeper from ending, does. */
static void end_the_endless(void)
{
	close(open(release, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_all_end();
	unlink(release);
}

static void add_endless(struct keeper *keeper)
{
	struct mark endless = mark('x');

	endless.endless = true;
	must(add(keeper, &needed, '1') == 0);
	must(add_mark(keeper, &brief, &endless) == 1);
	must(add(keeper, &needed, '2') == 2);
}

TEST_WITH(what_never_ends_keeps_nothing_else_from_being_undone, clean, clean)
{
	s64 end = now_ms() + LONG;

	play_and_die(add_endless);
	while (strcmp(undone(), "21") && now_ms() < end)
		usleep(1000);
	assert_string_equal(undone(), "21");
	end_the_endless();
}

TEST_WITH(its_owner_waits_for_what_never_ends_no_longer_than_it_may_take, clean, clean)
{
	struct keeper *keeper = create();
	s64 began = now_ms();

	add_endless(keeper);
	assert_int_equal(keeper_undo(keeper, 1, &err), -ETIMEDOUT);
	assert_string_equal(err.text, "it does not come to an end");
	assert_true(now_ms() - began < LONG);
	/* And the rest as ever. */
	assert_int_equal(keeper_undo(keeper, 0, &err), 0);
	assert_int_equal(keeper_undo(keeper, 2, &err), 0);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "12");
	end_the_endless();
}

/* A reader of what the owner had open sees its end with the owner's, whatever the keeper does. */
static int pipe_end;

static void hold_pipe(struct keeper *keeper)
{
	must(pipe_end >= 0);
	add_endless(keeper);
}

TEST_WITH(what_the_owner_had_open_is_closed_with_its_end, clean, clean)
{
	struct pollfd reader = { .events = POLLIN };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	reader.fd = ends[0];
	pipe_end = ends[1];
	play_and_die(hold_pipe);
	close(ends[1]);
	assert_int_equal(poll(&reader, 1, 0), 1);
	assert_true(reader.revents & POLLHUP);
	close(ends[0]);
	for (s64 end = now_ms() + LONG; strcmp(undone(), "21") && now_ms() < end;)
		usleep(1000);
	end_the_endless();
}

/* ---- descriptors ---- */

/* How many it has open that are not the standard streams, which are /dev/null. */
static unsigned count_fds(pid_t pid)
{
	char path[300], target[64];
	unsigned count = 0;
	struct dirent *entry;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		assert_true(len > 0);
		target[len] = '\0';
		if (strcmp(target, "/dev/null"))
			count++;
	}
	closedir(dir);
	return count;
}

TEST_WITH(a_keeper_has_no_descriptors_but_its_own_and_those_of_notes, clean, clean)
{
	struct keeper *keeper = create();
	const struct mark one = mark('1');
	struct keeper_note note = {
		.kind = &needed, .data = &one, .fd_count = 2, .give_up_fd = -1
	};
	pid_t pid;

	/* Only root may look at it. */
	if (geteuid()) {
		keeper_destroy(keeper);
		skip();
		return;
	}
	assert_int_equal(pipe(note.fds), 0);
	assert_int_equal(add(keeper, &needed, '0'), 0);
	pid = child_of(getpid());
	/* The socket, and what tells it of our end. */
	assert_int_equal(count_fds(pid), 2);
	assert_int_equal(keeper_add(keeper, &note, &err), 1);
	assert_int_equal(count_fds(pid), 4);
	assert_int_equal(keeper_undo(keeper, 1, &err), 0);
	assert_int_equal(count_fds(pid), 2);
	keeper_drop(keeper, 0);
	keeper_destroy(keeper);
	close(note.fds[0]);
	close(note.fds[1]);
	assert_all_end();
}

/* ---- messages that no honest owner sends ---- */

/* As the socket to the keeper is the only one that the process has. */
static int find_socket(void)
{
	struct stat st;

	for (int fd = 3; fd < 100; fd++)
		if (!fstat(fd, &st) && S_ISSOCK(st.st_mode))
			return fd;
	return -1;
}

static void send_raw(int fd, u32 order, u32 id, u32 kind, u32 size)
{
	struct keeper_message message = { .order = order, .id = id, .kind = kind, .size = size };
	const struct mark one = mark('x');

	memcpy(message.data, &one, sizeof(one));
	must(send(fd, &message, sizeof(message), 0) == sizeof(message));
}

static void misbehave(struct keeper *keeper)
{
	const u32 size = sizeof(struct mark);
	char byte = 0;
	int fd;

	add_three(keeper);
	fd = find_socket();
	must(fd >= 0);
	send_raw(fd, KEEPER_ADD, 0, 0, size); /* a place that is taken */
	send_raw(fd, KEEPER_ADD, KEEPER_NOTES, 0, size);
	send_raw(fd, KEEPER_ADD, ~0u, 0, size);
	send_raw(fd, KEEPER_ADD, 3, ARRAY_SIZE(kinds) - 1, size);
	send_raw(fd, KEEPER_ADD, 3, ~0u, size);
	send_raw(fd, KEEPER_ADD, 3, 0, size - 1);
	send_raw(fd, KEEPER_ADD, 3, 0, ~0u);
	send_raw(fd, KEEPER_UNDO, 3, 0, 0);
	send_raw(fd, KEEPER_UNDO, ~0u, 0, 0);
	send_raw(fd, KEEPER_DROP, KEEPER_NOTES, 0, 0);
	send_raw(fd, 77, 0, 0, 0);
	must(send(fd, &byte, 1, 0) == 1);
	send_raw(fd, KEEPER_SEAL, 0, 0, 0);
	send_raw(fd, KEEPER_ADD, 3, 0, size);
}

TEST_WITH(a_message_that_makes_no_sense_changes_nothing, clean, clean)
{
	play_and_die(misbehave);
	assert_all_end();
	assert_string_equal(undone(), "321");
}

TEST_WITH(after_the_seal_no_note_is_taken, clean, clean)
{
	struct keeper *keeper = create();

	assert_int_equal(add(keeper, &needed, '1'), 0);
	keeper_seal(keeper);
	assert_int_equal(add(keeper, &needed, '2'), -ENOSPC);
	assert_int_equal(keeper_undo(keeper, 0, &err), 0);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "1");
}

TEST_WITH(more_notes_than_there_can_be_are_refused, clean, clean)
{
	struct keeper *keeper = create();

	for (int i = 0; i < KEEPER_NOTES; i++)
		assert_int_equal(add(keeper, &quick, '1'), i);
	assert_int_equal(add(keeper, &quick, '1'), -ENOSPC);
	assert_non_null(strstr(err.text, "too much to be undone"));
	for (int i = 0; i < KEEPER_NOTES; i++)
		keeper_drop(keeper, i);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "");
}

/* ---- beginning ---- */

TEST_WITH(what_does_not_begin_is_not_undone, clean, clean)
{
	struct keeper *keeper = create();
	struct mark bad = mark('1');

	bad.begins = -ENODEV;
	assert_int_equal(add_mark(keeper, &begun, &bad), -ENODEV);
	assert_string_equal(err.text, "does not begin");
	assert_int_equal(add(keeper, &begun, '2'), 0);
	assert_int_equal(keeper_undo(keeper, 0, &err), 0);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "2");
	assert_all_end();
}

TEST_WITH(what_begins_for_too_long_can_be_given_up, clean, clean)
{
	struct keeper *keeper = create();
	struct mark slow = mark('1');
	struct keeper_note note = { .kind = &begun, .data = &slow };
	int ends[2];

	slow.waits = true;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	note.give_up_fd = ends[0];
	err.text[0] = '\0';
	assert_int_equal(keeper_add(keeper, &note, &err), -EINTR);
	assert_string_equal(err.text, "stopped");
	keeper_destroy(keeper);
	assert_string_equal(undone(), "1");
	close(ends[0]);
	close(ends[1]);
	assert_all_end();
}

/* ---- without a keeper ---- */

static bool no_process;

/* Takes the C library's place in this program. */
pid_t fork(void)
{
	pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");

	errno = EAGAIN;
	return no_process ? -1 : real();
}

TEST_WITH(where_there_is_no_process_what_needs_one_is_refused_and_the_rest_is_undone_at_the_end,
	  clean, clean)
{
	struct keeper *keeper = create();
	const struct mark known = mark('3');

	no_process = true;
	assert_int_equal(add(keeper, &needed, '1'), -EAGAIN);
	assert_non_null(strstr(err.text, "needed: no process for it"));
	assert_non_null(strstr(err.text, THREADS_REMEDY));
	assert_int_equal(add(keeper, &wanted, '2'), 0);
	assert_int_equal(add(keeper, &along, '0'), 1);
	no_process = false;
	keeper_amend(keeper, 1, &known);
	assert_int_equal(keeper_undo(keeper, 1, &err), 0);
	assert_int_equal(keeper_undo(keeper, 0, &err), 0);
	keeper_destroy(keeper);
	assert_string_equal(undone(), "32");
	assert_all_end();
}

TEST_WITH(what_somebody_ended_the_keeper_of_is_undone_by_us_if_we_can, clean, clean)
{
	struct keeper *keeper = create();

	assert_int_equal(add(keeper, &needed, '1'), 0);
	assert_int_equal(add(keeper, &wanted, '2'), 1);
	kill(child_of(getpid()), SIGKILL);
	assert_int_equal(keeper_undo(keeper, 1, &err), 0);
	assert_int_equal(keeper_undo(keeper, 0, &err), -EPIPE);
	assert_string_equal(err.text, "the process that does it is gone");
	keeper_destroy(keeper);
	assert_string_equal(undone(), "2");
	assert_all_end();
}

TEST_WITH(no_process_is_left_of_an_orderly_end, clean, clean)
{
	struct keeper *keeper = create();

	add_three(keeper);
	keeper_seal(keeper);
	for (int id = 3; id--;)
		assert_int_equal(keeper_undo(keeper, id, &err), 0);
	keeper_destroy(keeper);
	assert_int_equal(count_children(), 0);
	assert_string_equal(undone(), "321");
}

static int before(void **state)
{
	assert_non_null(mkdtemp(folder));
	snprintf(marks, sizeof(marks), "%s/marks", folder);
	snprintf(release, sizeof(release), "%s/release", folder);
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int after(void **state)
{
	return rmdir(folder);
}

TEST_PROGRAM(before, after)
