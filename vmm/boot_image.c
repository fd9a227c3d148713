/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry's file, all numbers little endian:
 *
 *   header, a page
 *   copy of the kernel's file
 *   runs: pairs of numbers, the first page and the count, of the image's pages that are not zero
 *   the architecture's list of numbers
 *   the pages of all runs
 *
 * each part from a page's border on. It is read, and not mapped: what was checked is what the guest
 * gets, whoever writes to the file meanwhile, RAM keeps its huge pages, and pages that the guest
 * gives back read as zeroes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/range.h"
#include "vmm/boot_image.h"

#define PAGE  BOOT_IMAGE_PAGE
#define CHUNK (256 * KIB) /* stays in a processor's cache between two looks at it */
#define MAGIC "lkvm boot 1\n"
/* More would not be kept, and less is worth no read of its own. */
#define RUN_GAP	  4
#define LIST_MAX  (64u * 1024 * 1024)
#define FILE_PART (align_up(sizeof(struct header), PAGE))

struct header {
	char magic[16];
	le64 kernel_size, image_size, run_count, list_count;
	le64 words[BOOT_IMAGE_WORDS];
	le64 sum;	 /* of runs, list and pages */
	le64 header_sum; /* of all before it */
};

struct run {
	le32 page, count;
};

/* ---- sums ---- */

#define LANES 4
#define PRIME 0x9e3779b97f4a7c15ULL

static u64 mix(u64 sum, u64 word)
{
	sum ^= word;
	return (sum << 29 | sum >> 35) * PRIME;
}

/* Each step is one to one in the sum and in the word, so a single changed word is always seen. */
u64 boot_sum(u64 sum, const void *data, size_t len)
{
	u64 lanes[LANES] = { sum, ~sum, sum ^ PRIME, len }, words[LANES];
	const u8 *at = data;
	size_t left = len;

	for (; left >= sizeof(words); left -= sizeof(words), at += sizeof(words)) {
		memcpy(words, at, sizeof(words));
		for (unsigned i = 0; i < LANES; i++)
			lanes[i] = mix(lanes[i], le64toh(words[i]));
	}
	memset(words, 0, sizeof(words));
	if (left)
		memcpy(words, at, left);
	for (unsigned i = 0; i < LANES; i++)
		sum = mix(sum, mix(lanes[i], le64toh(words[i])));
	return sum;
}

/* ---- images ---- */

int boot_image_alloc(struct boot_image *image, u64 size)
{
	void *data;

	*image = (struct boot_image){ .size = align_up(size, PAGE) };
	data = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	image->data = data;
	return 0;
}

void boot_image_free(struct boot_image *image)
{
	if (image->data)
		munmap(image->data, image->size);
	free(image->list);
	*image = (struct boot_image){ 0 };
}

/* ---- files ---- */

/* -EIO if there are fewer. */
static int read_all(int fd, void *data, size_t count, u64 offset)
{
	char *to = data;

	while (count) {
		ssize_t n = pread(fd, to, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static int write_all(int fd, const void *data, size_t count, u64 offset)
{
	const char *from = data;

	while (count) {
		ssize_t n = pwrite(fd, from, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		from += n;
		offset += n;
		count -= n;
	}
	return 0;
}

/* What is copied is what is summed. @fd -1: nothing is copied. */
static int copy_kernel(int kernel_fd, u64 size, int fd, u64 *sum)
{
	u8 *chunk = malloc(CHUNK);
	int ret = chunk ? 0 : -ENOMEM;

	*sum = 0;
	for (u64 done = 0; !ret && done < size; done += CHUNK) {
		size_t some = MIN(CHUNK, size - done);

		ret = read_all(kernel_fd, chunk, some, done);
		if (!ret)
			*sum = boot_sum(*sum, chunk, some);
		if (!ret && fd >= 0)
			ret = write_all(fd, chunk, some, FILE_PART + done);
	}
	free(chunk);
	return ret;
}

int boot_kernel_sum(int kernel_fd, u64 size, u64 *sum)
{
	return copy_kernel(kernel_fd, size, -1, sum);
}

static bool is_zero(const u8 *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/* The runs of pages that are not zero, but for gaps that are too short. *runs: the caller's. */
static int find_runs(const struct boot_image *image, struct run **runs, u64 *count)
{
	u64 pages = image->size / PAGE, end = 0;
	struct run *run = NULL;

	*runs = malloc((pages / RUN_GAP + 1) * sizeof(**runs));
	*count = 0;
	if (!*runs)
		return -ENOMEM;
	for (u64 page = 0; page < pages; page++) {
		if (is_zero(image->data + page * PAGE))
			continue;
		if (!run || page - end >= RUN_GAP) {
			run = &(*runs)[(*count)++];
			run->page = cpu_to_le32(page);
		}
		end = page + 1;
		run->count = cpu_to_le32(end - le32_to_cpu(run->page));
	}
	return 0;
}

static u64 runs_at(u64 kernel_size)
{
	return FILE_PART + align_up(kernel_size, PAGE);
}

static u64 list_at(u64 kernel_size, u64 run_count)
{
	return runs_at(kernel_size) + align_up(run_count * sizeof(struct run), PAGE);
}

static u64 pages_at(u64 kernel_size, u64 run_count, u64 list_count)
{
	return list_at(kernel_size, run_count) + align_up(list_count * sizeof(u32), PAGE);
}

static int write_pages(const struct boot_image *image, const struct run *runs, u64 count, int fd,
		       u64 offset, u64 *sum)
{
	int ret = 0;

	for (u64 i = 0; i < count && !ret; i++) {
		const u8 *from = image->data + le32_to_cpu(runs[i].page) * (u64)PAGE;
		u64 len = le32_to_cpu(runs[i].count) * (u64)PAGE;

		for (u64 done = 0; done < len; done += CHUNK)
			*sum = boot_sum(*sum, from + done, MIN(CHUNK, len - done));
		ret = write_all(fd, from, len, offset);
		offset += len;
	}
	return ret;
}

static int write_header(const struct boot_image *image, u64 kernel_size, u64 run_count, u64 sum,
			int fd)
{
	struct header header = {
		.magic = MAGIC,
		.kernel_size = cpu_to_le64(kernel_size),
		.image_size = cpu_to_le64(image->size),
		.run_count = cpu_to_le64(run_count),
		.list_count = cpu_to_le64(image->list_count),
		.sum = cpu_to_le64(sum),
	};

	for (unsigned i = 0; i < BOOT_IMAGE_WORDS; i++)
		header.words[i] = cpu_to_le64(image->words[i]);
	header.header_sum = cpu_to_le64(boot_sum(0, &header, offsetof(struct header, header_sum)));
	return write_all(fd, &header, sizeof(header), 0);
}

static int write_parts(const struct boot_image *image, const struct run *runs, u64 run_count,
		       u64 kernel_size, int fd)
{
	u64 sum = boot_sum(0, runs, run_count * sizeof(*runs));
	int ret = write_all(fd, runs, run_count * sizeof(*runs), runs_at(kernel_size));

	sum = boot_sum(sum, image->list, image->list_count * sizeof(u32));
	if (!ret)
		ret = write_all(fd, image->list, image->list_count * sizeof(u32),
				list_at(kernel_size, run_count));
	if (!ret)
		ret = write_pages(image, runs, run_count, fd,
				  pages_at(kernel_size, run_count, image->list_count), &sum);
	return ret ? ret : write_header(image, kernel_size, run_count, sum, fd);
}

int boot_image_write(const struct boot_image *image, int kernel_fd, u64 kernel_size, u64 kernel_sum,
		     int fd)
{
	u64 run_count, sum;
	struct run *runs;
	int ret = find_runs(image, &runs, &run_count);

	if (!ret)
		ret = copy_kernel(kernel_fd, kernel_size, fd, &sum);
	if (!ret && sum != kernel_sum)
		ret = -ESTALE;
	if (!ret)
		ret = write_parts(image, runs, run_count, kernel_size, fd);
	free(runs);
	return ret;
}

/* ---- entries ---- */

static bool header_fits(const struct header *header, u64 file_size)
{
	u64 kernel_size = le64_to_cpu(header->kernel_size);
	u64 size = le64_to_cpu(header->image_size), runs = le64_to_cpu(header->run_count);
	u64 list = le64_to_cpu(header->list_count);

	return !memcmp(header->magic, MAGIC, sizeof(MAGIC)) && kernel_size <= BOOT_IMAGE_MAX &&
	       size <= BOOT_IMAGE_MAX && is_aligned(size, PAGE) && runs <= size / PAGE &&
	       list <= LIST_MAX && pages_at(kernel_size, runs, list) <= file_size &&
	       le64_to_cpu(header->header_sum) ==
		       boot_sum(0, header, offsetof(struct header, header_sum));
}

static bool is_same(int kernel_fd, int fd, u64 size)
{
	u8 *chunks = malloc(2 * CHUNK);
	bool same = chunks;

	for (u64 done = 0; same && done < size; done += CHUNK) {
		size_t some = MIN(CHUNK, size - done);

		same = !read_all(kernel_fd, chunks, some, done) &&
		       !read_all(fd, chunks + CHUNK, some, FILE_PART + done) &&
		       !memcmp(chunks, chunks + CHUNK, some);
	}
	free(chunks);
	return same;
}

int boot_entry_open(struct boot_entry *entry, int fd, int kernel_fd, u64 kernel_size)
{
	struct header header;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (read_all(fd, &header, sizeof(header), 0) || !header_fits(&header, st.st_size) ||
	    le64_to_cpu(header.kernel_size) != kernel_size || !is_same(kernel_fd, fd, kernel_size))
		return -ESTALE;
	*entry = (struct boot_entry){
		.fd = fd,
		.size = le64_to_cpu(header.image_size),
		.list_count = le64_to_cpu(header.list_count),
		.kernel_size = kernel_size,
		.run_count = le64_to_cpu(header.run_count),
		.sum = le64_to_cpu(header.sum),
	};
	for (unsigned i = 0; i < BOOT_IMAGE_WORDS; i++)
		entry->words[i] = le64_to_cpu(header.words[i]);
	return 0;
}

void boot_entry_close(struct boot_entry *entry)
{
	if (entry->fd >= 0)
		close(entry->fd);
	entry->fd = -1;
}

/* Piece by piece, each summed while the processor still has it. */
static int load_run(const struct boot_entry *entry, u8 *to, u64 len, u64 offset, u64 *sum)
{
	for (u64 done = 0; done < len; done += CHUNK) {
		size_t some = MIN(CHUNK, len - done);

		if (read_all(entry->fd, to + done, some, offset + done))
			return -EILSEQ;
		*sum = boot_sum(*sum, to + done, some);
	}
	return 0;
}

static int load_runs(const struct boot_entry *entry, const struct run *runs, u8 *to, u64 *sum)
{
	u64 offset = pages_at(entry->kernel_size, entry->run_count, entry->list_count);
	u64 pages = entry->size / PAGE, end = 0;

	for (u64 i = 0; i < entry->run_count; i++) {
		u64 page = le32_to_cpu(runs[i].page), count = le32_to_cpu(runs[i].count);

		/* Ascending, so that no page is read twice. */
		if (page < end || page > pages || count > pages - page ||
		    load_run(entry, to + page * PAGE, count * PAGE, offset, sum))
			return -EILSEQ;
		end = page + count;
		offset += count * PAGE;
	}
	return *sum == entry->sum ? 0 : -EILSEQ;
}

static int load_parts(const struct boot_entry *entry, struct run *runs, u32 *list, u8 *to)
{
	size_t runs_size = entry->run_count * sizeof(*runs);
	size_t list_size = entry->list_count * sizeof(*list);
	u64 sum;

	if (read_all(entry->fd, runs, runs_size, runs_at(entry->kernel_size)) ||
	    read_all(entry->fd, list, list_size, list_at(entry->kernel_size, entry->run_count)))
		return -EILSEQ;
	sum = boot_sum(boot_sum(0, runs, runs_size), list, list_size);
	return load_runs(entry, runs, to, &sum);
}

int boot_entry_load(const struct boot_entry *entry, void *to, u32 **list)
{
	struct run *runs = malloc(entry->run_count * sizeof(*runs) + 1);
	int ret = -ENOMEM;

	*list = malloc(entry->list_count * sizeof(**list) + 1);
	if (runs && *list)
		ret = load_parts(entry, runs, *list, to);
	free(runs);
	if (!ret && entry->list_count)
		return 0;
	free(*list);
	*list = NULL;
	return ret;
}
