/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loaded into a shared lkvm before the C library (LD_PRELOAD), it makes one call fail, once. A site
 * is a function with the four return addresses above the call, and for ioctl() and syscall() the
 * request: with address randomisation off it has the same key in every run. $FAULT_TABLE is a file
 * of struct fault_table that all processes of a run share. Each site is noted in it as it is first
 * reached. The first call at the site with the key `wanted` fails as that function fails, without
 * being made (but for close(), which closes).
 *
 * The functions are defined under names of ours and with seven integers for arguments, which is how
 * x86-64 and arm64 pass those of each of them; the headers that declare them properly are not
 * included.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unwind.h>

#include "table.h"

#define OPEN_READ_WRITE 2
#define SHARED_MAP	1
#define READ_WRITE	3
#define KVM_RUN		0xae80
#define PUBLIC		__attribute__((visibility("default")))

void *dlsym(void *handle, const char *name);
char *getenv(const char *name);

typedef long (*call_fn)(long, long, long, long, long, long, long);

static struct fault_table *table;
/* The unwinder may allocate, and what is called by it is no site. */
static __thread bool busy __attribute__((tls_model("initial-exec")));

static call_fn find(call_fn *real, const char *name)
{
	/* RTLD_NEXT */
	if (!*real)
		*real = (call_fn)dlsym((void *)-1L, name);
	return *real;
}

struct walk {
	unsigned depth;
	uintptr_t frames[FAULT_FRAMES + 2];
};

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;

	walk->frames[walk->depth++] = _Unwind_GetIP(context);
	return walk->depth == FAULT_FRAMES + 2 ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static uint64_t mix(uint64_t key, uint64_t value)
{
	key ^= value + 0x9e3779b97f4a7c15ULL + (key << 6) + (key >> 2);
	return key * 0xff51afd7ed558ccdULL;
}

static struct fault_site *site_of(uint64_t key, bool *is_new)
{
	for (uint32_t i = 0; i < FAULT_SITES; i++) {
		struct fault_site *site = &table->sites[(key + i) % FAULT_SITES];
		uint64_t none = 0;

		*is_new = atomic_compare_exchange_strong(&site->key, &none, key);
		if (*is_new || none == key)
			return site;
	}
	return NULL;
}

/* Which program it is decides as well: their addresses are alike. */
static uint64_t program_key(void)
{
	extern char *program_invocation_short_name;
	uint64_t key = 1;

	for (const char *c = program_invocation_short_name; c && *c; c++)
		key = mix(key, *c);
	return key;
}

static bool note(const char *name, long what, long first, const struct walk *walk)
{
	uint64_t key = mix(program_key(), what);
	struct fault_site *site;
	bool is_new;
	uint32_t not_yet = 0;

	for (const char *c = name; *c; c++)
		key = mix(key, *c);
	/* Ours and the wrapper's frame are left out. */
	for (unsigned i = 2; i < walk->depth; i++)
		key = mix(key, walk->frames[i]);
	site = site_of(key | 1, &is_new);
	if (!site)
		return false;
	if (is_new) {
		for (unsigned i = 0; name[i] && i < sizeof(site->name) - 1; i++)
			site->name[i] = name[i];
		site->what = what;
		site->in_guest = table->guest_ran;
		for (unsigned i = 2; i < walk->depth; i++)
			site->frames[i - 2] = walk->frames[i];
		site->order = atomic_fetch_add(&table->count, 1);
	}
	site->calls++;
	if (site->key != table->wanted ||
	    !atomic_compare_exchange_strong(&table->fired, &not_yet, 1))
		return false;
	table->fired_first = first;
	table->fired_in_guest = table->guest_ran;
	return true;
}

static __attribute__((noinline)) bool fails(const char *name, long what, long first)
{
	struct walk walk = { 0 };
	int error = errno;
	bool now;

	if (!table || busy)
		return false;
	busy = true;
	_Unwind_Backtrace(walk_frame, &walk);
	now = note(name, what, first, &walk);
	busy = false;
	errno = error;
	return now;
}

/* What to tell of a failure: in errno and as @result, or as the result alone. */
#define CALL(name, what, result, error)                                                            \
	PUBLIC long fault_##name(long, long, long, long, long, long, long) __asm__(#name);         \
	long fault_##name(long a, long b, long c, long d, long e, long f, long g)                  \
	{                                                                                          \
		static call_fn real;                                                               \
		if (!find(&real, #name))                                                           \
			return -1;                                                                 \
		if (fails(#name, what, a)) {                                                       \
			errno = (error) ? (error) : errno;                                         \
			return result;                                                             \
		}                                                                                  \
		return real(a, b, c, d, e, f, g);                                                  \
	}
#define FAILS(name, error)	  CALL(name, 0, -1, error)
#define FAILS_NULL(name, error)	  CALL(name, 0, 0, error)
#define FAILS_RESULT(name, error) CALL(name, 0, error, 0)

/* Memory */
FAILS_NULL(malloc, ENOMEM)
FAILS_NULL(calloc, ENOMEM)
FAILS_NULL(realloc, ENOMEM)
FAILS_NULL(strdup, ENOMEM)
FAILS_NULL(strndup, ENOMEM)
FAILS_RESULT(posix_memalign, ENOMEM)
FAILS(mmap, ENOMEM)
FAILS(madvise, EINVAL)
/* Threads and processes */
FAILS_RESULT(pthread_create, EAGAIN)
FAILS_RESULT(posix_spawn, EAGAIN)
FAILS(fork, EAGAIN)
FAILS(clone, EAGAIN)
FAILS(waitpid, ECHILD)
FAILS(waitid, ECHILD)
FAILS(prctl, EINVAL)
FAILS(setpgid, EPERM)
FAILS(unshare, EPERM)
FAILS(sched_getaffinity, EINVAL)
FAILS(getrlimit, EINVAL)
FAILS(setrlimit, EPERM)
/* Descriptors */
FAILS(open, EMFILE)
FAILS(__open_2, EMFILE)
FAILS(openat, EMFILE)
FAILS_NULL(fopen, EMFILE)
FAILS_NULL(fdopen, ENOMEM)
FAILS_NULL(opendir, EMFILE)
FAILS_NULL(fdopendir, ENOMEM)
FAILS(fcntl, EINVAL)
FAILS(dup3, EMFILE)
FAILS(pipe2, EMFILE)
FAILS(eventfd, EMFILE)
FAILS(eventfd_read, EIO)
FAILS(eventfd_write, EIO)
FAILS(epoll_create1, EMFILE)
FAILS(epoll_ctl, ENOSPC)
FAILS(epoll_wait, EINTR)
FAILS(poll, ENOMEM)
FAILS(timerfd_create, EMFILE)
FAILS(timerfd_settime, EINVAL)
FAILS(signalfd, EMFILE)
FAILS(sigtimedwait, EAGAIN)
/* Files */
FAILS(read, EIO)
FAILS(__read_chk, EIO)
FAILS(pread, EIO)
FAILS(readv, EIO)
FAILS(preadv, EIO)
FAILS(write, EIO)
FAILS(pwrite, EIO)
FAILS(writev, EIO)
FAILS(pwritev, EIO)
FAILS(copy_file_range, EIO)
FAILS(lseek, EIO)
FAILS(stat, EIO)
FAILS(lstat, EIO)
FAILS(fstat, EIO)
FAILS(fstatat, EIO)
FAILS(statx, EIO)
FAILS(statfs, EIO)
FAILS(fstatfs, EIO)
FAILS(fstatvfs, EIO)
FAILS(access, EIO)
FAILS(faccessat, EIO)
FAILS(readlink, EIO)
FAILS(readlinkat, EIO)
FAILS_NULL(realpath, EIO)
FAILS(fsync, EIO)
FAILS(fdatasync, EIO)
FAILS(syncfs, EIO)
FAILS(ftruncate, ENOSPC)
FAILS(fallocate, ENOSPC)
FAILS(futimens, EIO)
FAILS(utimensat, EIO)
FAILS(chmod, EPERM)
FAILS(fchmod, EPERM)
FAILS(fchmodat, EPERM)
FAILS(fchown, EPERM)
FAILS(fchownat, EPERM)
FAILS(mkdir, ENOSPC)
FAILS(mkdirat, ENOSPC)
FAILS(rename, ENOSPC)
FAILS(renameat2, ENOSPC)
FAILS(unlink, EIO)
FAILS(unlinkat, EIO)
FAILS(flock, ENOLCK)
FAILS(getdents64, EIO)
FAILS(getrandom, EAGAIN)
FAILS_RESULT(io_setup, -EAGAIN)
FAILS_RESULT(io_submit, -EIO)
FAILS_RESULT(io_getevents, -EINVAL)
FAILS_RESULT(io_destroy, -EINVAL)
/* Sockets */
FAILS(socket, EMFILE)
FAILS(socketpair, EMFILE)
FAILS(bind, EADDRINUSE)
FAILS(listen, EOPNOTSUPP)
FAILS(accept4, EMFILE)
FAILS(connect, ENOMEM)
FAILS(getsockopt, EINVAL)
FAILS(setsockopt, EINVAL)
FAILS(send, ENOBUFS)
FAILS(sendmsg, ENOBUFS)
FAILS(recv, EIO)
FAILS(recvmsg, EIO)
FAILS(shutdown, ENOTCONN)

/* The one whose success is lost: it closes all the same. */
PUBLIC long fault_close(long, long, long, long, long, long, long) __asm__("close");
long fault_close(long a, long b, long c, long d, long e, long f, long g)
{
	static call_fn real;
	bool now = fails("close", 0, a);
	long ret = find(&real, "close") ? real(a, b, c, d, e, f, g) : -1;

	if (!now)
		return ret;
	errno = EIO;
	return -1;
}

static long seen_ioctl(long request)
{
	if (request == KVM_RUN && table)
		table->guest_ran = 1;
	return request;
}

CALL(ioctl, seen_ioctl(b), -1, ENOMEM)
CALL(syscall, a, -1, EINVAL)

static __attribute__((constructor)) void begin(void)
{
	const char *path = getenv("FAULT_TABLE");
	call_fn open_real = NULL, mmap_real = NULL, close_real = NULL;
	long fd, at;

	if (!path)
		return;
	fd = find(&open_real, "open")((long)path, OPEN_READ_WRITE, 0, 0, 0, 0, 0);
	if ((int)fd < 0)
		return;
	at = find(&mmap_real, "mmap")(0, sizeof(*table), READ_WRITE, SHARED_MAP, fd, 0, 0);
	find(&close_real, "close")(fd, 0, 0, 0, 0, 0, 0);
	if (at != -1)
		table = (struct fault_table *)at;
}
