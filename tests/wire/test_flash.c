/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware's flash, by the commands that U-Boot, EDK2 and Linux give it, and what is in its file.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_vm.h"
#include "temp_folder.h"
#include "vmm/flash.h"
#include "vmm/slot.h"
#include "wire.h"

#define BASE  0x04000000
#define SIZE  (4 * FLASH_SECTOR)
#define READY 0x00800080u
#define ERROR 0x00300030u

/* Of KVM's side: what the guest sees as memory. */
static struct page_slot *shown;
static bool no_slots;

int page_slot_map_read_only(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	if (no_slots)
		return -EINVAL;
	assert_null(shown);
	assert_int_equal(gpa, BASE);
	*slot = (struct page_slot){ .gpa = gpa, .size = size, .host = host };
	shown = slot;
	return 0;
}

void page_slot_unmap(struct vm *vm, struct page_slot *slot)
{
	if (!slot->size)
		return;
	assert_ptr_equal(slot, shown);
	slot->size = 0;
	shown = NULL;
}

/* The host's side, which may be full, or frozen; and who reads the file. */
static atomic_bool host_full, host_frozen;
static atomic_int reader;

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	while (atomic_load(&host_frozen))
		usleep(1000);
	if (!atomic_load(&host_full))
		return syscall(SYS_pwrite64, fd, data, len, at);
	errno = ENOSPC;
	return -1;
}

ssize_t pread(int fd, void *data, size_t len, off_t at)
{
	atomic_store(&reader, getpid());
	return syscall(SYS_pread64, fd, data, len, at);
}

static struct vm *vm;
static struct temp_folder folder;
static struct flash_file file;
static char path[80];

static int setup_in_memory(void **state)
{
	const struct flash_file none = { .fd = -1, .size = SIZE };

	no_slots = false;
	vm = wire_create();
	return flash_create(vm, BASE, &none, NULL);
}

static int teardown_in_memory(void **state)
{
	wire_destroy(vm);
	assert_null(shown);
	return 0;
}

static void make_file(u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, "first", 5, 0), 5);
	assert_int_equal(pwrite(fd, "last", 4, size - 4), 4);
	close(fd);
}

static int setup(void **state)
{
	temp_folder_create(&folder, "/tmp");
	snprintf(path, sizeof(path), "%s/vars", folder.path);
	make_file(SIZE);
	no_slots = false;
	vm = wire_create();
	assert_int_equal(flash_file_open(&file, path, SIZE, NULL), 0);
	return flash_create(vm, BASE, &file, NULL);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	close(file.fd);
	temp_folder_remove(&folder);
	assert_null(shown);
	return 0;
}

static u64 get(u64 offset, unsigned len)
{
	u64 value = 0;

	assert_true(bus_read(vm->mmio, BASE + offset, &value, len));
	return value;
}

static u32 get32(u64 offset)
{
	return get(offset, 4);
}

static void put(u64 offset, u64 value, unsigned len)
{
	assert_true(bus_write(vm->mmio, BASE + offset, &value, len));
}

/* To both chips. */
static void command(u64 offset, u16 value)
{
	put(offset, value | (u32)value << 16, 4);
}

static u32 wait_until_ready(void)
{
	while (!(get32(0) & READY))
		loop_poll(vm->loop, 1000);
	return get32(0);
}

static void erase(u64 offset)
{
	command(offset, 0x20);
	command(offset, 0xd0);
}

static void program(u64 offset, u32 value)
{
	command(offset, 0x40);
	put(offset, value, 4);
}

/* @count words of each chip. */
static void program_buffer(u64 offset, const u32 *words, u32 count)
{
	command(offset, 0xe8);
	command(offset, count - 1);
	for (u32 i = 0; i < count; i++)
		put(offset + 4 * i, words[i], 4);
	command(offset, 0xd0);
}

static void file_has(u64 offset, const void *data, size_t len)
{
	char found[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, found, len, offset), len);
	assert_memory_equal(found, data, len);
	close(fd);
}

/* ---- what it says of itself ---- */

TEST_WITH(a_query_shows_two_chips_of_16_bits_with_sectors_of_128_kib, setup_in_memory,
	  teardown_in_memory)
{
	command(0x154, 0x98);
	assert_int_equal(get32(0x40), 0x00510051);
	assert_int_equal(get32(0x44), 0x00520052);
	assert_int_equal(get32(0x48), 0x00590059);
	assert_int_equal(get32(0x4c), 0x00010001); /* Intel's commands */
	assert_int_equal(get32(0x27 * 4) & 0xff, 19);
	assert_int_equal(get32(0x2c * 4) & 0xff, 1);
	assert_int_equal(get32(0x2d * 4) & 0xff, SIZE / FLASH_SECTOR - 1);
	assert_int_equal(get32(0x2e * 4), 0);
	assert_int_equal(get32(0x30 * 4) << 8 & 0xff00, 128 * KIB / 256);
	assert_int_equal(get32(0x31 * 4) & 0xff, 'P');
	assert_int_equal(get(0x40, 1), 'Q');
	assert_int_equal(get(0x41, 1), 0);
	assert_int_equal(get(0x40, 2), 'Q');
	assert_int_equal(get(0x40, 8), 0x0052005200510051);
	command(0, 0xff);
	assert_int_equal(get32(0x40), UINT32_MAX);
}

/* Where drivers look for one that has no neighbour. What they find elsewhere is below. */
TEST_WITH(chips_of_another_width_are_not_found, setup_in_memory, teardown_in_memory)
{
	for (unsigned width = 1; width <= 2; width *= 2) {
		put(0x55 * width, 0x98, width);
		assert_int_not_equal(get(0x10 * width, 1), 'Q');
		put(0, 0xf0, width);
		put(0, 0xff, width);
	}
	assert_non_null(shown);
}

TEST_WITH(a_chip_says_whose_it_is_and_that_no_sector_is_locked, setup_in_memory, teardown_in_memory)
{
	command(0, 0x90);
	assert_int_equal(get32(0), 0x00890089);
	assert_int_equal(get32(4), 0x00180018);
	for (u64 sector = 0; sector < SIZE; sector += FLASH_SECTOR)
		assert_int_equal(get32(sector + 8), 0);
	/* Locking and unlocking one. */
	command(FLASH_SECTOR, 0x60);
	command(FLASH_SECTOR, 0x01);
	assert_int_equal(get32(0), READY);
	command(FLASH_SECTOR, 0x60);
	command(FLASH_SECTOR, 0xd0);
	assert_int_equal(get32(0), READY);
}

/* ---- what the guest sees as memory ---- */

TEST_WITH(the_array_is_memory_while_it_is_read_and_at_no_other_time, setup_in_memory,
	  teardown_in_memory)
{
	static const u8 modes[] = { 0x70, 0x90, 0x98, 0x20, 0x40, 0x60 };

	for (unsigned i = 0; i < sizeof(modes); i++) {
		assert_non_null(shown);
		assert_int_equal(shown->size, SIZE);
		command(0, modes[i]);
		assert_null(shown);
		/* The second part of a command, of which nothing is left. */
		command(0, 0xff);
		command(0, 0x50);
		command(0, 0xff);
	}
	assert_non_null(shown);
	/* By the command behind 0x40, which is data there. */
	assert_int_equal(*(u32 *)shown->host, 0x00ff00ff);
}

TEST_WITH(where_kvm_has_no_slot_left_reads_of_the_array_come_to_the_device, setup_in_memory,
	  teardown_in_memory)
{
	no_slots = true;
	command(0, 0x70);
	command(0, 0xff);
	assert_null(shown);
	program(16, 0x12345678);
	assert_int_equal(wait_until_ready(), READY);
	command(0, 0xff);
	assert_int_equal(get32(16), 0x12345678);
	assert_int_equal(get(16, 8), 0xffffffff12345678);
}

/* ---- programming ---- */

TEST_WITH(programming_clears_bits_and_erasing_sets_them, setup_in_memory, teardown_in_memory)
{
	program(FLASH_SECTOR, 0xf0f0f0f0);
	assert_int_equal(get32(0), READY);
	program(FLASH_SECTOR, 0x3fffffff);
	command(0, 0xff);
	assert_int_equal(get32(FLASH_SECTOR), 0x30f0f0f0);
	assert_int_equal(get32(FLASH_SECTOR + 4), UINT32_MAX);
	erase(FLASH_SECTOR + 0x1234);
	assert_int_equal(get32(0), READY);
	command(0, 0xff);
	assert_int_equal(get32(FLASH_SECTOR), UINT32_MAX);
}

TEST_WITH(erasing_takes_one_sector, setup_in_memory, teardown_in_memory)
{
	for (u64 sector = 0; sector < SIZE; sector += FLASH_SECTOR) {
		program(sector, 0);
		program(sector + FLASH_SECTOR - 4, 0);
	}
	erase(2 * FLASH_SECTOR - 4);
	command(0, 0xff);
	for (u64 sector = 0; sector < SIZE; sector += FLASH_SECTOR) {
		u32 wanted = sector == FLASH_SECTOR ? UINT32_MAX : 0;

		assert_int_equal(get32(sector), wanted);
		assert_int_equal(get32(sector + FLASH_SECTOR - 4), wanted);
	}
}

TEST_WITH(a_buffer_is_programmed_as_one, setup_in_memory, teardown_in_memory)
{
	u32 words[256];

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = i * 0x01010101;
	program_buffer(SIZE - sizeof(words), words, ARRAY_SIZE(words));
	assert_int_equal(get32(0), READY);
	command(0, 0xff);
	assert_memory_equal((u8 *)shown->host + SIZE - sizeof(words), words, sizeof(words));
	assert_int_equal(get32(SIZE - sizeof(words) - 4), UINT32_MAX);
}

/*
 * U-Boot tries one chip of 16 bits at twice its addresses before it tries two side by side, and
 * both answer there: it then uses the first half of the flash, as it does on QEMU's board.
 */
TEST_WITH(a_driver_of_16_bits_programs_as_many_words_as_it_says, setup_in_memory,
	  teardown_in_memory)
{
	put(0x55 * 4, 0x98, 2);
	assert_int_equal(get(0x10 * 4, 2), 'Q');
	assert_int_equal(get(0x11 * 4, 2), 'R');
	put(0, 0xff, 2);
	put(0, 0x50, 2);
	put(16, 0xe8, 2);
	assert_int_equal(get(16, 2), 0x80);
	put(16, 255, 2);
	for (unsigned i = 0; i < 256; i++)
		put(16 + 2 * i, 0x1200 + i, 2);
	put(16, 0xd0, 2);
	assert_int_equal(get(16, 2), 0x80);
	put(16, 0xff, 2);
	assert_non_null(shown);
	assert_int_equal(get(14, 2), 0xffff);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(get(16 + 2 * i, 2), 0x1200 + i);
	assert_int_equal(get(16 + 512, 2), 0xffff);
	/* One at a time. */
	put(FLASH_SECTOR + 2, 0x40, 2);
	put(FLASH_SECTOR + 2, 0x3456, 2);
	assert_int_equal(get(FLASH_SECTOR + 2, 2), 0x80);
	put(0, 0xff, 2);
	assert_int_equal(get(FLASH_SECTOR, 4), 0x3456ffff);
}

TEST_WITH(a_buffer_of_wide_writes_holds_what_was_announced, setup_in_memory, teardown_in_memory)
{
	command(0, 0xe8);
	command(0, 3);
	put(8, 0x1122334455667788, 8);
	put(16, 0x99aabbccddeeff00, 8);
	command(0, 0xd0);
	assert_int_equal(get32(0), READY);
	command(0, 0xff);
	assert_int_equal(get(8, 8), 0x1122334455667788);
	assert_int_equal(get(16, 8), 0x99aabbccddeeff00);
	/* An odd number of them leaves no room for two. */
	command(0, 0xe8);
	command(0, 0);
	put(32, 0, 8);
	assert_int_equal(get32(0), READY | ERROR);
	command(0, 0x50);
	command(0, 0xff);
	assert_int_equal(get(32, 8), UINT64_MAX);
}

TEST_WITH(a_buffer_that_breaks_its_promise_changes_nothing, setup_in_memory, teardown_in_memory)
{
	static const struct {
		u32 count;
		u64 offsets[2];
	} wrong[] = {
		{ 257, { 0, 4 } }, /* more than there is */
		{ 0x10000, { 0, 4 } },
		{ 2, { 4, 0 } },	       /* before its start */
		{ 2, { 0, 8 } },	       /* behind its end */
		{ 2, { SIZE - 4, SIZE - 4 } }, /* over the end of the chips */
		{ 2, { 0, SIZE - 4 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		command(0, 0xe8);
		put(0, wrong[i].count - 1, 4);
		if (wrong[i].count <= 256) {
			put(wrong[i].offsets[0], 0, 4);
			put(wrong[i].offsets[1], 0, 4);
		}
		assert_int_equal(get32(0), READY | ERROR);
		command(0, 0x50);
		assert_int_equal(get32(0), READY);
		command(0, 0xff);
		for (u64 at = 0; at < SIZE; at += 4)
			assert_int_equal(get32(at), UINT32_MAX);
	}
	/* One that is not confirmed. */
	command(0, 0xe8);
	command(0, 0);
	put(0, 0, 4);
	command(0, 0xff);
	assert_int_equal(get32(0), READY | ERROR);
	command(0, 0xff);
	assert_int_equal(get32(0), UINT32_MAX);
}

TEST_WITH(erasing_must_be_confirmed, setup_in_memory, teardown_in_memory)
{
	program(0, 0);
	command(0, 0x20);
	command(0, 0xff);
	assert_int_equal(get32(0), READY | ERROR);
	command(0, 0x50);
	command(0, 0xff);
	assert_int_equal(get32(0), 0);
}

TEST_WITH(nonsense_of_every_width_does_no_harm, setup_in_memory, teardown_in_memory)
{
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			put(first, first * 0x0101010101010101ull, len);
			put(SIZE - 8, first, len);
			put(SIZE - len, UINT64_MAX, len);
			get(SIZE - len, len);
			get(first, len);
		}
	}
}

/* ---- the file ---- */

TEST_WITH(the_guest_reads_what_is_in_the_file, setup, teardown)
{
	assert_memory_equal(shown->host, "first", 6);
	assert_memory_equal((char *)shown->host + SIZE - 4, "last", 4);
	assert_int_equal(get(0, 1), 'f');
}

TEST_WITH(what_the_chip_says_is_done_is_in_the_file, setup, teardown)
{
	static const u32 words[2] = { 0x64636261, 0x68676665 };
	static const char blank[8] = "\xff\xff\xff\xff\xff\xff\xff\xff";

	erase(FLASH_SECTOR);
	assert_int_equal(wait_until_ready(), READY);
	file_has(FLASH_SECTOR, blank, 8);
	file_has(2 * FLASH_SECTOR - 8, blank, 8);
	program_buffer(FLASH_SECTOR + 8, words, 2);
	assert_int_equal(wait_until_ready(), READY);
	file_has(FLASH_SECTOR + 8, "abcdefgh", 8);
	program(FLASH_SECTOR + 16, 0x6c6b6a69);
	assert_int_equal(wait_until_ready(), READY);
	file_has(FLASH_SECTOR + 16, "ijkl", 4);
	file_has(0, "first", 5);
}

TEST_WITH(a_chip_at_work_takes_no_command, setup, teardown)
{
	erase(0);
	program(0, 0);
	command(0, 0xff);
	assert_null(shown);
	assert_int_equal(wait_until_ready(), READY);
	command(0, 0xff);
	assert_int_equal(get32(0), UINT32_MAX);
}

TEST_WITH(what_is_under_way_at_the_end_is_written_before_it, setup, teardown)
{
	erase(FLASH_SECTOR);
	wire_destroy(vm);
	file_has(FLASH_SECTOR, "\xff\xff", 2);
	vm = wire_create();
	assert_int_equal(flash_create(vm, BASE, &file, NULL), 0);
	assert_int_equal(get32(FLASH_SECTOR), UINT32_MAX);
}

TEST(a_file_that_cannot_be_written_is_an_error_that_the_guest_sees)
{
	struct flash_file full = { .path = "/dev/full", .size = SIZE };

	full.fd = open(full.path, O_RDWR | O_CLOEXEC);
	no_slots = false;
	vm = wire_create();
	assert_int_equal(flash_create(vm, BASE, &full, NULL), 0);
	erase(0);
	assert_int_equal(wait_until_ready(), READY | 0x00200020);
	command(0, 0x50);
	program(0, 0);
	assert_int_equal(wait_until_ready(), READY | 0x00100010);
	wire_destroy(vm);
	close(full.fd);
}

/* The guest reads its array, which has what the file has not: a success must end that. */
TEST_WITH(what_could_not_be_written_is_written_before_the_next_success, setup, teardown)
{
	static const char blank[8] = "\xff\xff\xff\xff\xff\xff\xff\xff";

	atomic_store(&host_full, true);
	erase(0);
	assert_int_equal(wait_until_ready(), READY | 0x00200020);
	command(0, 0x50);
	program(2 * FLASH_SECTOR, 0);
	assert_int_equal(wait_until_ready(), READY | 0x00100010);
	command(0, 0x50);
	file_has(0, "first", 5);
	atomic_store(&host_full, false);
	erase(SIZE - FLASH_SECTOR);
	assert_int_equal(wait_until_ready(), READY);
	file_has(0, blank, 8);
	file_has(FLASH_SECTOR - 8, blank, 8);
	file_has(SIZE - 8, blank, 8);
}

TEST_WITH(a_host_that_writes_nothing_keeps_neither_the_guest_nor_the_end_waiting, setup, teardown)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	atomic_store(&host_frozen, true);
	erase(0);
	loop_poll(vm->loop, 50);
	assert_int_equal(get32(0), 0);
	assert_false(device->ops->settled(device));
	loop_set_patience(vm->loop, -1, 50);
	fake_vm_destroy_devices(vm);
	assert_true(loop_gave_up(vm->loop));
	/* What the host still uses was left as it was. */
	atomic_store(&host_frozen, false);
	while (!device->ops->settled(device))
		loop_poll(vm->loop, 1000);
	device->ops->destroy(device);
}

/* As one that dies with the process: a hung server keeps a thread from ending. */
TEST_WITH(the_file_is_read_by_a_process_that_can_be_left_behind, setup, teardown)
{
	assert_int_not_equal(atomic_load(&reader), 0);
	assert_int_not_equal(atomic_load(&reader), getpid());
}

TEST_WITH(a_file_that_became_shorter_is_refused_before_the_guest_runs, setup, teardown)
{
	struct error err = { "" };

	wire_destroy(vm);
	vm = wire_create();
	assert_int_equal(truncate(path, SIZE - 1), 0);
	assert_int_equal(flash_create(vm, BASE, &file, &err), -ENODATA);
	assert_non_null(strstr(err.text, "became shorter"));
}
