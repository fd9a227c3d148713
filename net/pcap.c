/* SPDX-License-Identifier: BSD-2-Clause */
/* The file's format: "PCAP Capture File Format" (IETF draft), with nanoseconds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/pcap.h"
#include "util/aside.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "vmm/loop.h"
#include "vmm/worker.h"

#define MAGIC	      0xa1b23c4d
#define LINK_ETHERNET 1
#define BUFFER	      (4 * MIB)
#define CLOSE_MS      3000

struct file_header {
	u32 magic;
	u16 major, minor;
	u32 zone, accuracy;
	u32 longest;
	u32 link;
};

struct record {
	u32 seconds, nanoseconds;
	u32 len, original;
};

/* Two buffers: one is filled while the other is written. */
struct net_pcap {
	int fd;
	bool made; /* the file was not there before */
	char *path;
	struct worker *worker;
	struct worker_job job;
	char *filling, *writing;
	size_t filled, to_write;
	bool busy;  /* the job is under way */
	bool begun; /* what was in the file before is gone; the job's */
	int error;  /* that ended the capture, by the job; looked at when it is done */
	u64 frames, lost;
};

/* ---- writing ---- */

/* Not before there is something to write: a run that is refused leaves a capture as it was. */
static int empty_file(struct net_pcap *pcap)
{
	/* EINVAL: it is no file, but a pipe. */
	if (!pcap->begun && ftruncate(pcap->fd, 0) && errno != EINVAL)
		return errno;
	pcap->begun = true;
	return 0;
}

static void write_out(struct worker_job *job)
{
	struct net_pcap *pcap = container_of(job, struct net_pcap, job);
	size_t done = 0;

	pcap->error = empty_file(pcap);
	while (!pcap->error && done < pcap->to_write) {
		ssize_t wrote = write(pcap->fd, pcap->writing + done, pcap->to_write - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0) {
			pcap->error = wrote ? errno : EIO;
			return;
		}
		done += wrote;
	}
}

static void submit(struct net_pcap *pcap)
{
	char *filled = pcap->filling;

	if (pcap->busy || !pcap->filled || pcap->error || !pcap->worker)
		return;
	pcap->filling = pcap->writing;
	pcap->writing = filled;
	pcap->to_write = pcap->filled;
	pcap->filled = 0;
	pcap->busy = true;
	pcap->error = -worker_submit(pcap->worker, &pcap->job);
	pcap->busy = !pcap->error;
}

static void written(struct worker_job *job)
{
	struct net_pcap *pcap = container_of(job, struct net_pcap, job);

	pcap->busy = false;
	if (pcap->error)
		log_warning("--pcap %s: %s: the capture ends here", pcap->path,
			    strerror(pcap->error));
	submit(pcap);
}

/* What of @iov is behind its first @skip bytes, as a record of @len bytes. */
static void add_record(struct net_pcap *pcap, const struct iovec *iov, u64 skip, u32 len)
{
	struct timespec now;
	struct record record = { .len = len, .original = len };
	char *at = pcap->filling + pcap->filled;

	clock_gettime(CLOCK_REALTIME, &now);
	record.seconds = now.tv_sec;
	record.nanoseconds = now.tv_nsec;
	memcpy(at, &record, sizeof(record));
	at += sizeof(record);
	pcap->filled += sizeof(record) + len;
	for (; len; iov++) {
		u64 before = MIN(skip, iov->iov_len), piece = MIN(iov->iov_len - before, len);

		memcpy(at, (char *)iov->iov_base + before, piece);
		skip -= before;
		at += piece;
		len -= piece;
	}
}

static void capture(struct net_pcap *pcap, const struct iovec *iov, u64 skip, u64 len)
{
	if (pcap->error || len <= skip)
		return;
	len -= skip;
	if (len > NET_MAX_FRAME || pcap->filled + sizeof(struct record) + len > BUFFER) {
		pcap->lost++;
		return;
	}
	pcap->frames++;
	add_record(pcap, iov, skip, len);
	submit(pcap);
}

/* ---- a back end in front of another ---- */

struct tapped {
	struct net_backend backend; /* as the other says, but for its ops */
	struct net_backend *inner;  /* owned */
	struct net_pcap *pcap;	    /* owned */
};

static struct tapped *tapped_of(struct net_backend *backend)
{
	return container_of(backend, struct tapped, backend);
}

static u64 header_of(const struct tapped *tapped)
{
	return tapped->inner->header ? NET_HEADER : 0;
}

static int tapped_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		       unsigned count)
{
	struct tapped *tapped = tapped_of(backend);
	int ret = tapped->inner->ops->send(tapped->inner, pair, iov, count);
	u64 len = 0;

	for (unsigned i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (!ret)
		capture(tapped->pcap, iov, header_of(tapped), len);
	return ret;
}

static ssize_t tapped_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			      unsigned count)
{
	struct tapped *tapped = tapped_of(backend);
	ssize_t len = tapped->inner->ops->receive(tapped->inner, pair, iov, count);

	if (len > 0)
		capture(tapped->pcap, iov, header_of(tapped), len);
	return len;
}

static int tapped_flush(struct net_backend *backend, unsigned pair)
{
	struct net_backend *inner = tapped_of(backend)->inner;

	return inner->ops->flush ? inner->ops->flush(inner, pair) : 0;
}

static int tapped_set_offloads(struct net_backend *backend, u32 offloads)
{
	struct net_backend *inner = tapped_of(backend)->inner;

	return inner->ops->set_offloads ? inner->ops->set_offloads(inner, offloads) : 0;
}

static int tapped_set_pairs(struct net_backend *backend, unsigned pairs)
{
	struct net_backend *inner = tapped_of(backend)->inner;

	return inner->ops->set_pairs ? inner->ops->set_pairs(inner, pairs) : 0;
}

static void tapped_start(struct net_backend *backend)
{
	struct net_backend *inner = tapped_of(backend)->inner;

	if (inner->ops->start)
		inner->ops->start(inner);
}

static void tapped_close(struct net_backend *backend)
{
	net_close(tapped_of(backend)->inner);
	net_pcap_close(tapped_of(backend)->pcap);
	free(tapped_of(backend));
}

static const struct net_ops tapped_ops = {
	.send = tapped_send,
	.flush = tapped_flush,
	.receive = tapped_receive,
	.set_offloads = tapped_set_offloads,
	.set_pairs = tapped_set_pairs,
	.start = tapped_start,
	.close = tapped_close,
};

int net_pcap_wrap(struct net_backend **wrapped, struct net_pcap *pcap, struct net_backend *backend)
{
	struct tapped *tapped = calloc(1, sizeof(*tapped));

	if (!tapped)
		return -ENOMEM;
	tapped->backend = *backend;
	tapped->backend.ops = &tapped_ops;
	tapped->inner = backend;
	tapped->pcap = pcap;
	*wrapped = &tapped->backend;
	return 0;
}

/* ---- the file ---- */

/* Captures begin with one of these, in the byte order of whoever wrote them. */
static bool is_capture(int fd)
{
	static const u32 magics[] = { MAGIC, 0x4d3cb2a1, 0xa1b2c3d4, 0xd4c3b2a1, 0x0a0d0d0a };
	u32 magic;

	if (pread(fd, &magic, sizeof(magic), 0) != sizeof(magic))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(magics); i++) {
		if (magic == magics[i])
			return true;
	}
	return false;
}

/* Nobody's data is overwritten by a slip of the finger. */
static int check_file(int fd, const char *path, struct error *err)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return error_set(err, -errno, "--pcap %s: %s", path, strerror(errno));
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "--pcap %s: neither a file nor a pipe", path);
	ret = file_take(fd);
	if (ret)
		return error_set(err, ret, "--pcap %s: %s", path,
				 ret == -EBUSY ? "is in use: choose another name" : strerror(-ret));
	if (fstat(fd, &st))
		return error_set(err, -errno, "--pcap %s: %s", path, strerror(errno));
	if (st.st_size && !is_capture(fd))
		return error_set(err, -EEXIST,
				 "--pcap %s: is there, and is not a capture: remove it, or "
				 "choose another name",
				 path);
	return 0;
}

static int make_file(const char *path, bool *made, struct error *err)
{
	/* One that is opened for reading too waits for nobody, but a pipe must have a reader. */
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), ret;

	if (fd < 0 && errno == ENXIO)
		return error_set(err, -ENXIO, "--pcap %s: nobody reads that pipe yet", path);
	*made = fd < 0 && errno == ENOENT;
	if (fd >= 0)
		close(fd);
	fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, -errno, "--pcap %s: %s", path, strerror(errno));
	ret = check_file(fd, path, err);
	/* It is a worker who waits. */
	if (!ret && fcntl(fd, F_SETFL, 0))
		ret = error_set(err, -errno, "--pcap %s: %s", path, strerror(errno));
	if (ret)
		close(fd);
	return ret ? ret : fd;
}

struct opening {
	const char *path;
	struct error *err;
	bool made;
	int fd; /* or -errno */
};

static void open_aside(void *arg)
{
	struct opening *opening = arg;

	opening->fd = make_file(opening->path, &opening->made, opening->err);
}

static int open_file(struct net_pcap *pcap, struct error *err)
{
	struct opening opening = { .path = pcap->path, .err = err, .fd = -EIO };

	aside_call("lkvm-pcap", open_aside, &opening);
	pcap->fd = opening.fd;
	pcap->made = opening.made;
	return MIN(opening.fd, 0);
}

static void remove_aside(void *arg)
{
	const struct net_pcap *pcap = arg;
	struct stat ours, there;

	if (!fstat(pcap->fd, &ours) && !lstat(pcap->path, &there) && ours.st_ino == there.st_ino &&
	    ours.st_dev == there.st_dev)
		unlink(pcap->path);
}

static void begin_file(struct net_pcap *pcap)
{
	struct file_header header = {
		.magic = MAGIC,
		.major = 2,
		.minor = 4,
		.longest = NET_MAX_FRAME,
		.link = LINK_ETHERNET,
	};

	memcpy(pcap->filling, &header, sizeof(header));
	pcap->filled = sizeof(header);
}

static void free_pcap(struct net_pcap *pcap)
{
	free(pcap->filling);
	free(pcap->writing);
	free(pcap->path);
	if (pcap->fd >= 0)
		close(pcap->fd);
	free(pcap);
}

int net_pcap_open(struct net_pcap **out, const char *path, struct error *err)
{
	struct net_pcap *pcap = calloc(1, sizeof(*pcap));
	int ret;

	if (!pcap)
		return error_set(err, -ENOMEM, "--pcap %s: %s", path, strerror(ENOMEM));
	pcap->job = (struct worker_job){ .run = write_out, .done = written };
	pcap->filling = malloc(BUFFER);
	pcap->writing = malloc(BUFFER);
	pcap->path = strdup(path);
	pcap->fd = -1;
	if (!pcap->filling || !pcap->writing || !pcap->path) {
		free_pcap(pcap);
		return error_set(err, -ENOMEM, "--pcap %s: %s", path, strerror(ENOMEM));
	}
	ret = open_file(pcap, err);
	if (ret) {
		free_pcap(pcap);
		return ret;
	}
	begin_file(pcap);
	*out = pcap;
	return 0;
}

int net_pcap_start(struct net_pcap *pcap, struct loop *loop)
{
	const struct worker_options options = { .name = "pcap",
						.kind = THREAD_WORKER,
						.threads = 1,
						.files[0] = pcap->fd,
						.file_count = 1 };
	int ret = worker_create(&pcap->worker, loop, &options);

	if (!ret)
		submit(pcap);
	return ret;
}

static int left_until(u64 end_ms)
{
	u64 now = now_ms();

	return end_ms - MIN(now, end_ms);
}

void net_pcap_close(struct net_pcap *pcap)
{
	u64 end = now_ms() + CLOSE_MS;

	if (!pcap)
		return;
	/* The run was refused. */
	if (!pcap->worker && pcap->made)
		aside_call("lkvm-pcap", remove_aside, pcap);
	while (pcap->busy && worker_await_for(pcap->worker, left_until(end)))
		;
	if (pcap->lost)
		log_warning("--pcap %s: %llu of %llu frames are not in it: it was too slow",
			    pcap->path, (unsigned long long)pcap->lost,
			    (unsigned long long)(pcap->frames + pcap->lost));
	if (pcap->busy) {
		/* Its thread is stuck in the host, and has the buffer: both end with the process.
		 */
		log_warning("--pcap %s: the host does not write it: its end is missing",
			    pcap->path);
		return;
	}
	worker_destroy(pcap->worker);
	free_pcap(pcap);
}
