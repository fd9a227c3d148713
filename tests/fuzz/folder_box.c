/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_box.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* In memory, where that is: a guest can ask for all of the file system to be synced. */
static char base[] = "/dev/shm/lkvm-fuzz-XXXXXX";
static char shared[64], secret[64];
static struct stat secret_was;
static sem_t begin, done;
static const u8 *input;
static size_t input_size;
static void (*input_play)(struct folder *folder, const u8 *data, size_t size);

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level ? remove(path) : 0;
}

static unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static unsigned count_entries(void)
{
	DIR *dir = opendir(base);
	unsigned count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void check_outside(void)
{
	struct stat now;

	CHECK(!stat(secret, &now));
	CHECK(now.st_nlink == 1 && now.st_size == secret_was.st_size);
	CHECK(now.st_mtim.tv_nsec == secret_was.st_mtim.tv_nsec);
	CHECK(now.st_ctim.tv_nsec == secret_was.st_ctim.tv_nsec);
	CHECK(now.st_atim.tv_nsec == secret_was.st_atim.tv_nsec);
	CHECK(count_entries() == 3); /* ".", "..", and the secret alone */
}

static void play_one(void)
{
	const struct folder_options options = {
		.map = input_size & 2 ? FOLDER_MAP_XATTR : FOLDER_MAP_SQUASH,
		.read_only = input_size % 16 == 15,
		.max_nodes = 64,
		.max_fds = 8,
		.max_files = 16,
	};
	unsigned fds = count_fds();
	struct folder *folder;
	char path[80];

	CHECK(!mkdir(shared, 0755));
	snprintf(path, sizeof(path), "%s/a", shared);
	CHECK(!mkdir(path, 0755));
	snprintf(path, sizeof(path), "%s/b", shared);
	CHECK(!symlink("../secret", path));
	snprintf(path, sizeof(path), "%s/f", shared);
	CHECK(!mkfifo(path, 0644));
	CHECK(!folder_open(&folder, shared, &options, NULL));
	CHECK(!folder_thread_start(folder));
	input_play(folder, input, input_size);
	folder_close(folder);
	CHECK(count_fds() == fds);
	CHECK(!nftw(shared, remove_one, 8, FTW_DEPTH | FTW_PHYS));
	CHECK(!rmdir(shared));
	check_outside();
}

static void *thread_main(void *arg)
{
	for (;;) {
		while (sem_wait(&begin))
			;
		play_one();
		sem_post(&done);
	}
	return NULL;
}

static void clean_up(void)
{
	unlink(secret);
	nftw(shared, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	rmdir(shared);
	rmdir(base);
}

/* The server's threads have a working directory of their own; the fuzzer keeps its own. */
static void set_up(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	pthread_t thread;
	int fd;

	if (access("/dev/shm", W_OK))
		strcpy(base, "/tmp/lkvm-fuzz-XXXXXX");
	CHECK(mkdtemp(base));
	snprintf(shared, sizeof(shared), "%s/shared", base);
	snprintf(secret, sizeof(secret), "%s/secret", base);
	fd = open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, "secret", 6) == 6);
	close(fd);
	CHECK(!stat(secret, &secret_was));
	atexit(clean_up);
	/* What a guest allocates is the host's memory, should this be a tmpfs. */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	sem_init(&begin, 0, 0);
	sem_init(&done, 0, 0);
	CHECK(!pthread_create(&thread, NULL, thread_main, NULL));
	pthread_detach(thread);
}

void box_play(const u8 *data, size_t size,
	      void (*play)(struct folder *folder, const u8 *data, size_t size))
{
	if (!input_play)
		set_up();
	input_play = play;
	input = data;
	input_size = size;
	sem_post(&begin);
	while (sem_wait(&done))
		;
}
