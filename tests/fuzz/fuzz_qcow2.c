/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A qcow2 image from the input, in memory: opened, checked, read and written. Whatever it says, no
 * memory is touched that is not ours, and nothing takes for ever. An image that the check
 * calls sound is what was written to it, and stays sound.
 */
#include "fake_file.h"
#include "input.h"
#include "shim.h"

#include "../../disk/qcow2.h"

#define SPAN (64 * KIB)

static int run(struct disk_image *image, enum disk_op op, u64 offset, u8 *data, u64 len)
{
	struct iovec iov = { data, len };
	struct disk_request request = {
		.op = op, .offset = offset, .len = len, .iov = &iov, .iov_count = data ? 1 : 0
	};
	struct disk_request prepare = { .op = DISK_PREPARE };
	enum disk_way way = qcow2_driver.map(image, &request);

	if (way == DISK_WAY_FILE)
		qcow2_driver.unmap(image, &request);
	if (op == DISK_WRITE && qcow2_driver.wants(image))
		qcow2_driver.work(image, &prepare);
	return qcow2_driver.work(image, &request);
}

static bool is_sound(struct disk_image *image)
{
	struct qcow2_report report;

	return !qcow2_check(image->state, false, &report) && !report.errors;
}

/* It was sound: what is written is read, and it is sound afterwards. */
static void write_and_read(struct disk_image *image, u64 offset, u64 len, u8 *data)
{
	memset(data, 0xa5, len);
	if (run(image, DISK_WRITE, offset, data, len))
		return;
	memset(data, 0, len);
	fuzz_check(!run(image, DISK_READ, offset, data, len));
	for (u64 i = 0; i < len; i++)
		fuzz_check(data[i] == 0xa5);
	run(image, DISK_DISCARD, offset, NULL, len);
	if (run(image, DISK_WRITE_ZEROES, offset, NULL, len))
		return;
	fuzz_check(!run(image, DISK_READ, offset, data, len));
	for (u64 i = 0; i < len; i++)
		fuzz_check(!data[i]);
	if (!run(image, DISK_FLUSH, 0, NULL, 0) && !run(image, DISK_FLUSH, 0, NULL, 0))
		fuzz_check(is_sound(image));
}

static void play(struct disk_image *image, bool writable, u64 at)
{
	u64 size = image->info.size, len = MIN(size, SPAN);
	u8 *data = malloc(SPAN);

	at = at % (size - len + 1) / DISK_SECTOR * DISK_SECTOR;
	run(image, DISK_READ, at, data, len);
	run(image, DISK_READ, 0, data, len);
	if (is_sound(image) && writable) {
		write_and_read(image, 0, len, data);
		write_and_read(image, at, len, data);
		write_and_read(image, at, len / 2 / DISK_SECTOR * DISK_SECTOR, data);
	}
	free(data);
}

/* The first byte says how it is opened, the rest is the file; at its end lies a place in it. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fake_file *fake = fake_reset(0);
	struct disk_image image = { .driver = &qcow2_driver };
	struct qcow2_header header;
	bool writable;
	u64 at;

	if (size < 9 || size > FAKE_ROOM / 2)
		return 0;
	writable = data[0] & 1;
	fake->size = size - 9;
	memcpy(fake->bytes, data + 1, fake->size);
	memcpy(&at, data + size - 8, 8);
	image.file = (struct disk_file){ .path = (char *)"fuzz",
					 .size = fake->size,
					 .block_size = DISK_SECTOR };
	if (qcow2_header_read(&image.file, writable, &header, NULL) ||
	    qcow2_attach(&image, &header, writable, NULL))
		return 0;
	play(&image, writable, at);
	qcow2_driver.close(&image);
	return 0;
}
