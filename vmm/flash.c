/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chips, after Intel's "StrataFlash Embedded Memory (P30)", "Device Commands" and "Write State
 * Machine". A write to any address is a command to both chips. The array is shown to the guest as
 * memory while they are in "read array", and only then; in the other modes its reads come here.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/log.h"
#include "vmm/bus.h"
#include "vmm/counters.h"
#include "vmm/flash.h"
#include "vmm/slot.h"
#include "vmm/vm.h"
#include "vmm/worker.h"

#define BANK_WIDTH  4	 /* bytes of both chips */
#define BUFFER_SIZE 1024 /* bytes of both chips' write buffers */
#define COPY_SIZE   (64 * KIB)
#define PIECE	    4096u

enum mode { READ_ARRAY, READ_STATUS, READ_ID, READ_QUERY };

/* What the next write is, if not a command. */
enum step {
	COMMAND,
	ERASE_CONFIRM,
	PROGRAM_WORD,
	BUFFER_COUNT,
	BUFFER_WORDS,
	BUFFER_CONFIRM,
	LOCK_CONFIRM, /* of a sector, which does nothing: none is ever locked */
};

enum command {
	CMD_PROGRAM_10 = 0x10,
	CMD_ERASE = 0x20,
	CMD_PROGRAM_40 = 0x40,
	CMD_CLEAR_STATUS = 0x50,
	CMD_LOCK = 0x60,
	CMD_READ_STATUS = 0x70,
	CMD_READ_ID = 0x90,
	CMD_QUERY = 0x98,
	CMD_CONFIRM = 0xd0,
	CMD_BUFFER = 0xe8,
	CMD_RESET_AMD = 0xf0, /* drivers that do not know yet what they have give both */
	CMD_READ_ARRAY = 0xff,
};

/* "Status Register". */
#define STATUS_READY	     0x80
#define STATUS_ERASE_ERROR   0x20
#define STATUS_PROGRAM_ERROR 0x10
#define STATUS_BAD_SEQUENCE  (STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR)

struct flash {
	struct device device;
	struct bus_region region;
	struct page_slot slot;
	struct vm *vm;
	u8 *array; /* owned: size bytes */
	u64 size;
	enum mode mode;
	enum step step;
	u8 status; /* without STATUS_READY, which is that no job is under way */
	/* A write of the buffer: where and of how many bytes, and how many words are to come. */
	u64 start, length, left;
	u8 buffer[BUFFER_SIZE];
	/* What is on its way to the file. Until it is there the array does not change. */
	struct flash_file file;
	struct worker *worker; /* NULL: no file */
	struct worker_job job;
	u64 job_start, job_length;
	u8 job_error; /* the status of one that fails */
	int job_result;
	bool busy;
	bool missed; /* the last one failed: the file has not what is in its part of the array */
	bool told;   /* of a file that cannot be written */
	u64 erased, programmed, failed;
};

static struct flash *flash_of(struct bus_region *region)
{
	return container_of(region, struct flash, region);
}

/* ---- what a chip says of itself ---- */

/*
 * JESD68.01, "CFI query structure", of one chip, by address. Times are powers of two: drivers wait
 * the typical one before they look, and give up after the longest, which a slow disk may take.
 */
static const u8 query[0x50] = {
	[0x10] = 'Q',  'R',  'Y', [0x13] = 1, 0, /* Intel's commands, "primary" */
	[0x15] = 0x31, 0,			 /* whose table is there */
	[0x1b] = 0x17, 0x20,			 /* 1.7 to 2.0 V */
	[0x1f] = 8,    8,    4,	  0, /* 256 us for a word and for a buffer, 16 ms for a sector */
	[0x23] = 15,   15,   10,  0, /* times 2^15, 2^15 and 2^10 */
	[0x28] = 1,    0,	     /* 16 bits wide */
	[0x2a] = 9,    0,	     /* the write buffer: BUFFER_SIZE / 2 */
	[0x2c] = 1,		     /* all sectors are of one size: */
	[0x2f] = 0,    2,	     /* 2 times 64 KiB */
	[0x31] = 'P',  'R',  'I', '1',	      '0',
	[0x3f] = 1, /* fields of protection registers, which say that there are none */
};

static_assert(FLASH_SECTOR == 2 * 0x200 * 256 && BUFFER_SIZE == 2 << 9, "as the table says");

/* What depends on the size: 0x27, and 0x2d, 0x2e. */
static u8 query_byte(const struct flash *flash, u64 n)
{
	u64 sectors = flash->size / FLASH_SECTOR - 1;

	switch (n) {
	case 0x27:
		return __builtin_ctzll(flash->size / 2);
	case 0x2d:
		return sectors;
	case 0x2e:
		return sectors >> 8;
	default:
		return n < sizeof(query) ? query[n] : 0;
	}
}

/* Intel, a chip of theirs; the third word of a sector is its lock. */
static u8 id_byte(u64 n)
{
	static const u8 id[] = { 0x89, 0x18, 0 };

	n %= FLASH_SECTOR / BANK_WIDTH;
	return n < sizeof(id) ? id[n] : 0;
}

/* ---- reading ---- */

static u8 register_byte(const struct flash *flash, u64 offset)
{
	u64 word = offset / BANK_WIDTH;

	/* The upper byte of each chip. */
	if (offset % 2)
		return 0;
	switch (flash->mode) {
	case READ_ID:
		return id_byte(word);
	case READ_QUERY:
		return query_byte(flash, word);
	default:
		return flash->status | (flash->busy ? 0 : STATUS_READY);
	}
}

static u64 flash_read(struct bus_region *region, u64 offset, unsigned len)
{
	const struct flash *flash = flash_of(region);
	u64 value = 0;

	for (unsigned i = 0; i < len; i++) {
		u8 byte = flash->mode == READ_ARRAY ? flash->array[offset + i]
						    : register_byte(flash, offset + i);

		value |= (u64)byte << 8 * i;
	}
	return value;
}

/* ---- writing ---- */

static void write_file(struct worker_job *job)
{
	struct flash *flash = container_of(job, struct flash, job);
	u64 at = flash->job_start, left = flash->job_length;
	ssize_t done;

	flash->job_result = 0;
	while (left) {
		done = pwrite(flash->file.fd, flash->array + at, left, at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			flash->job_result = done < 0 ? -errno : -EIO;
			return;
		}
		at += done;
		left -= done;
	}
	if (fdatasync(flash->file.fd))
		flash->job_result = -errno;
}

static void finish_write(struct flash *flash, int result)
{
	flash->busy = false;
	flash->missed = result;
	if (!result)
		return;
	flash->failed++;
	flash->status |= flash->job_error;
	if (!flash->told)
		log_warning("--flash %s: cannot write it, as the guest was told: %s",
			    flash->file.path, strerror(-result));
	flash->told = true;
}

static void file_written(struct worker_job *job)
{
	struct flash *flash = container_of(job, struct flash, job);

	finish_write(flash, flash->job_result);
}

/*
 * The array has changed. What an earlier write missed goes along, as the guest reads it in the
 * array: one that succeeds leaves no difference.
 */
static void begin_write(struct flash *flash, u64 start, u64 length, u8 error)
{
	u64 end = start + length;
	int ret;

	if (!flash->worker)
		return;
	if (flash->missed) {
		start = MIN(start, flash->job_start);
		end = MAX(end, flash->job_start + flash->job_length);
	}
	flash->job_start = start;
	flash->job_length = end - start;
	flash->job_error = error;
	flash->busy = true;
	ret = worker_submit(flash->worker, &flash->job);
	if (ret)
		finish_write(flash, ret);
}

/* Bits become 0 by it, and 1 by erasing alone. */
static void program(struct flash *flash, u64 start, const u8 *data, u64 length)
{
	for (u64 i = 0; i < length; i++)
		flash->array[start + i] &= data[i];
	flash->programmed += length;
	begin_write(flash, start, length, STATUS_PROGRAM_ERROR);
}

static void program_word(struct flash *flash, u64 offset, u64 value, unsigned len)
{
	u8 data[sizeof(value)];

	for (unsigned i = 0; i < len; i++)
		data[i] = value >> 8 * i;
	program(flash, offset, data, len);
}

static void erase(struct flash *flash, u64 offset)
{
	u64 start = align_down(offset, FLASH_SECTOR);

	memset(flash->array + start, 0xff, FLASH_SECTOR);
	flash->erased++;
	begin_write(flash, start, FLASH_SECTOR, STATUS_ERASE_ERROR);
}

static void refuse_sequence(struct flash *flash)
{
	flash->step = COMMAND;
	flash->status |= STATUS_BAD_SEQUENCE;
}

/* "Buffered program": words less one, of each chip. */
static void begin_buffer(struct flash *flash, u64 value)
{
	u64 words = (value & 0xffff) + 1;

	if (words * BANK_WIDTH > BUFFER_SIZE) {
		refuse_sequence(flash);
		return;
	}
	memset(flash->buffer, 0xff, sizeof(flash->buffer));
	flash->length = 0;
	flash->left = words;
	flash->step = BUFFER_WORDS;
}

/*
 * The first one says where, and how wide they are: U-Boot takes the chips for one of 16 bits, at
 * every other address, and writes 16 bits at a time. All are to lie within what was announced.
 */
static void fill_buffer(struct flash *flash, u64 offset, u64 value, unsigned len)
{
	unsigned width = MIN(len, (unsigned)BANK_WIDTH), words = len / width;

	if (!flash->length) {
		flash->start = offset;
		flash->length = flash->left * width;
	}
	if (offset < flash->start || offset - flash->start + len > flash->length ||
	    flash->start + flash->length > flash->size || words > flash->left) {
		refuse_sequence(flash);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		flash->buffer[offset - flash->start + i] = value >> 8 * i;
	flash->left -= words;
	if (!flash->left)
		flash->step = BUFFER_CONFIRM;
}

static void take_command(struct flash *flash, u8 command)
{
	static const u8 modes[256] = {
		[CMD_READ_STATUS] = READ_STATUS, [CMD_READ_ID] = READ_ID,
		[CMD_QUERY] = READ_QUERY,	 [CMD_READ_ARRAY] = READ_ARRAY,
		[CMD_RESET_AMD] = READ_ARRAY,	 [CMD_ERASE] = READ_STATUS,
		[CMD_PROGRAM_10] = READ_STATUS,	 [CMD_PROGRAM_40] = READ_STATUS,
		[CMD_BUFFER] = READ_STATUS,	 [CMD_LOCK] = READ_STATUS,
	};
	static const u8 steps[256] = {
		[CMD_ERASE] = ERASE_CONFIRM,	 [CMD_PROGRAM_10] = PROGRAM_WORD,
		[CMD_PROGRAM_40] = PROGRAM_WORD, [CMD_BUFFER] = BUFFER_COUNT,
		[CMD_LOCK] = LOCK_CONFIRM,
	};

	if (command == CMD_CLEAR_STATUS)
		flash->status = 0;
	else if (modes[command] || command == CMD_READ_ARRAY || command == CMD_RESET_AMD)
		flash->mode = modes[command];
	flash->step = steps[command];
}

/* The second part of a command. */
static void take_confirmation(struct flash *flash, u64 offset, u8 command)
{
	enum step step = flash->step;

	flash->step = COMMAND;
	if (step == LOCK_CONFIRM)
		return;
	if (command != CMD_CONFIRM)
		refuse_sequence(flash);
	else if (step == ERASE_CONFIRM)
		erase(flash, offset);
	else
		program(flash, flash->start, flash->buffer, flash->length);
}

/* The guest sees memory in one mode, and registers in the others. */
static void show_array(struct flash *flash)
{
	if (flash->mode != READ_ARRAY)
		page_slot_unmap(flash->vm, &flash->slot);
	else if (!flash->slot.size)
		/* Where KVM has no slot left its reads come here, too. */
		page_slot_map_read_only(flash->vm, &flash->slot, flash->region.start, flash->array,
					flash->size);
}

static void flash_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct flash *flash = flash_of(region);

	/* A chip that is at work takes no command that we have. */
	if (flash->busy)
		return;
	switch (flash->step) {
	case COMMAND:
		take_command(flash, value);
		break;
	case PROGRAM_WORD:
		flash->step = COMMAND;
		program_word(flash, offset, value, len);
		break;
	case BUFFER_COUNT:
		begin_buffer(flash, value);
		break;
	case BUFFER_WORDS:
		fill_buffer(flash, offset, value, len);
		break;
	default:
		take_confirmation(flash, offset, value);
		break;
	}
	show_array(flash);
}

static const struct bus_ops flash_bus_ops = { .read = flash_read, .write = flash_write };

/* ---- its life ---- */

/* A file that holds little takes little memory: pages of zeroes stay untouched. */
static void keep(u8 *to, const u8 *from, u64 len)
{
	static const u8 zeroes[PIECE];

	for (u64 at = 0; at < len; at += PIECE) {
		u64 piece = MIN(len - at, (u64)PIECE);

		if (memcmp(from + at, zeroes, piece))
			memcpy(to + at, from + at, piece);
	}
}

static int read_file(struct flash *flash)
{
	u8 *copy = malloc(COPY_SIZE);
	ssize_t got;
	int ret = copy ? 0 : -ENOMEM;

	for (u64 at = 0; !ret && at < flash->size;) {
		got = pread(flash->file.fd, copy, MIN(flash->size - at, (u64)COPY_SIZE), at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			ret = got < 0 ? -errno : -ENODATA;
			break;
		}
		keep(flash->array + at, copy, got);
		at += got;
	}
	free(copy);
	return ret;
}

static void load(void *arg)
{
	struct flash *flash = arg;

	flash->job_result = read_file(flash);
}

static int fill(struct flash *flash, struct error *err)
{
	int ret;

	if (!flash->file.path) {
		memset(flash->array, 0xff, flash->size);
		return 0;
	}
	/* By a process aside, as what serves the file may not answer. */
	flash->job_result = -EIO;
	aside_call("lkvm-flash", load, flash);
	ret = flash->job_result;
	return ret ? error_set(err, ret, "--flash %s: %s", flash->file.path,
			       ret == -ENODATA ? "it became shorter" : strerror(-ret))
		   : 0;
}

static void flash_destroy(struct device *device)
{
	struct flash *flash = container_of(device, struct flash, device);

	while (flash->busy) {
		if (!worker_await(flash->worker)) {
			log_warning("--flash %s: the host does not write it", flash->file.path);
			return;
		}
	}
	worker_destroy(flash->worker);
	page_slot_unmap(flash->vm, &flash->slot);
	bus_remove(flash->vm->mmio, &flash->region);
	if (flash->array)
		munmap(flash->array, flash->size);
	free(flash);
}

static bool flash_settled(const struct device *device)
{
	return !container_of(device, struct flash, device)->busy;
}

static void flash_report(const struct device *device, struct counters *counters)
{
	const struct flash *flash = container_of(device, struct flash, device);

	counters_begin(counters, device->info.name);
	counters_number(counters, "sectors_erased", flash->erased);
	counters_number(counters, "programmed", flash->programmed);
	counters_number(counters, "failed_writes", flash->failed);
}

static const struct device_ops flash_ops = {
	.settled = flash_settled,
	.report = flash_report,
	.destroy = flash_destroy,
};

static int set_up(struct flash *flash, struct vm *vm, gpa_t base)
{
	flash->vm = vm;
	flash->size = flash->file.size;
	flash->job = (struct worker_job){ .run = write_file, .done = file_written };
	flash->device.ops = &flash_ops;
	flash->device.info = (struct device_info){
		.name = "flash",
		.kind = DEVICE_FLASH,
		.resource = { .base = base, .size = flash->size, .gsi = DEVICE_NO_IRQ },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	flash->region = (struct bus_region){ .start = base,
					     .last = base + flash->size - 1,
					     .ops = &flash_bus_ops };
	/* Private: a guest whose memory has tags can have no shared memory. */
	flash->array = mmap(NULL, flash->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (flash->array == MAP_FAILED) {
		flash->array = NULL;
		return -errno;
	}
	madvise(flash->array, flash->size, MADV_DONTFORK);
	return 0;
}

static int open_worker(struct flash *flash)
{
	const struct worker_options options = {
		.name = "lkvm-flash",
		.kind = THREAD_WORKER,
		.threads = 1,
		.files = { flash->file.fd },
		.file_count = 1,
	};

	return flash->file.path ? worker_create(&flash->worker, flash->vm->loop, &options) : 0;
}

int flash_create(struct vm *vm, gpa_t base, const struct flash_file *file, struct error *err)
{
	struct flash *flash = calloc(1, sizeof(*flash));
	int ret;

	if (!flash)
		return error_set(err, -ENOMEM, "out of memory");
	flash->file = *file;
	ret = set_up(flash, vm, base);
	if (!ret)
		ret = fill(flash, err);
	if (!ret)
		ret = open_worker(flash);
	if (!ret)
		ret = bus_add(vm->mmio, &flash->region);
	if (ret) {
		flash_destroy(&flash->device);
		return error_set(err, ret, "cannot make the flash: %s", strerror(-ret));
	}
	show_array(flash);
	vm_add_device(vm, &flash->device);
	return 0;
}
