/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core.h"
#include "vmm/memory.h"

#define PAGE	     4096
#define PIECE	     (1024 * KIB) /* of RAM that is written at once */
#define NAME_ROOM    8		  /* "CORE", padded */
#define STATUS_REGS  112	  /* Linux, include/linux/elfcore.h: struct elf_prstatus.pr_reg */
#define STATUS_PID   32
#define STATUS_AFTER 8 /* pr_fpvalid, padded */

/* Linux, include/linux/vmcore_info.h: a note at the start of a page of its own. */
#define VMCOREINFO	"VMCOREINFO"
#define VMCOREINFO_TEXT "OSRELEASE="
#define VMCOREINFO_MOST (64 * KIB)

/* Header and notes, in memory. */
struct head {
	u8 *data;
	size_t len, room;
};

static void *add(struct head *head, size_t len)
{
	void *at = head->data + head->len;

	head->len += (len + 3) & ~(size_t)3;
	return at;
}

static u64 range_size(const struct range *range)
{
	return range->last - range->start + 1;
}

static size_t status_size(void)
{
	return STATUS_REGS + arch_core_register_count * sizeof(u64) + STATUS_AFTER;
}

/* ---- notes ---- */

static u64 find_register(const struct registers *registers, const char *name)
{
	for (unsigned i = 0; i < registers->count; i++) {
		if (!strcmp(registers->list[i].name, name))
			return registers->list[i].value;
	}
	return 0;
}

static void add_vcpu(struct head *head, const struct registers *registers, u32 pid)
{
	Elf64_Nhdr *note = add(head, sizeof(*note));
	char *name = add(head, NAME_ROOM);
	u8 *status = add(head, status_size());

	*note = (Elf64_Nhdr){ sizeof("CORE"), status_size(), NT_PRSTATUS };
	memcpy(name, "CORE", sizeof("CORE"));
	memcpy(status + STATUS_PID, &pid, sizeof(pid));
	for (unsigned i = 0; registers && i < arch_core_register_count; i++) {
		u64 value = find_register(registers, arch_core_registers[i]);

		memcpy(status + STATUS_REGS + i * sizeof(value), &value, sizeof(value));
	}
}

/* How long its text is; 0: there is no such note in this page. */
static u32 vmcoreinfo_at(const u8 *page, u64 left)
{
	const size_t text = sizeof(Elf64_Nhdr) + ((sizeof(VMCOREINFO) + 3) & ~3ul);
	Elf64_Nhdr note;

	memcpy(&note, page, sizeof(note));
	if (note.n_namesz != sizeof(VMCOREINFO) || note.n_type || !note.n_descsz ||
	    note.n_descsz > VMCOREINFO_MOST || text + note.n_descsz > left ||
	    memcmp(page + sizeof(note), VMCOREINFO, sizeof(VMCOREINFO)) ||
	    memcmp(page + text, VMCOREINFO_TEXT, strlen(VMCOREINFO_TEXT)))
		return 0;
	return note.n_descsz;
}

/* The guest may have written one itself: it is data, and bounded. NULL: there is none. */
static const u8 *find_vmcoreinfo(const struct core *core, u32 *len)
{
	for (unsigned i = 0; i < memory_count(core->memory); i++) {
		struct range range;
		const u8 *ram = memory_range(core->memory, i, &range);
		u64 size = range_size(&range);

		for (u64 at = 0; at + PAGE <= size && !core->stop; at += PAGE) {
			*len = vmcoreinfo_at(ram + at, size - at);
			if (*len)
				return ram + at;
		}
	}
	return NULL;
}

static void add_vmcoreinfo(struct core *core, struct head *head)
{
	u32 len;
	const u8 *note = find_vmcoreinfo(core, &len);
	size_t before = sizeof(Elf64_Nhdr) + ((sizeof(VMCOREINFO) + 3) & ~3ul);

	if (!note)
		return;
	memcpy(add(head, before + len), note, before + len);
	core->has_vmcoreinfo = true;
}

/* ---- the header ---- */

static void fill_header(struct head *head, unsigned segments)
{
	Elf64_Ehdr *elf = add(head, sizeof(*elf));

	*elf = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = arch_core_machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(*elf),
		.e_ehsize = sizeof(*elf),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = segments,
	};
}

static void fill_segments(const struct core *core, Elf64_Phdr *segments, size_t notes, size_t len)
{
	u64 offset = (len + PAGE - 1) & ~(u64)(PAGE - 1);

	segments[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = notes, .p_filesz = len - notes };
	for (unsigned i = 0; i < memory_count(core->memory); i++) {
		struct range range;

		memory_range(core->memory, i, &range);
		segments[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | PF_X,
			.p_offset = offset,
			.p_vaddr = range.start,
			.p_paddr = range.start,
			.p_filesz = range_size(&range),
			.p_memsz = range_size(&range),
			.p_align = PAGE,
		};
		offset += range_size(&range);
	}
}

/* All before RAM. Its data is the caller's to free. */
static int make_head(struct core *core, struct head *head, Elf64_Phdr **segments)
{
	unsigned count = memory_count(core->memory) + 1;
	size_t notes;

	head->room = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr) + PAGE + VMCOREINFO_MOST +
		     core->cpus * (sizeof(Elf64_Nhdr) + NAME_ROOM + status_size());
	head->data = calloc(1, head->room);
	if (!head->data)
		return -ENOMEM;
	fill_header(head, count);
	*segments = add(head, count * sizeof(Elf64_Phdr));
	notes = head->len;
	for (unsigned i = 0; i < core->cpus; i++)
		add_vcpu(head, core->registers[i], i + 1);
	add_vmcoreinfo(core, head);
	fill_segments(core, *segments, notes, head->len);
	return 0;
}

/* ---- RAM ---- */

static int write_all(int fd, const u8 *data, size_t len, u64 offset)
{
	while (len) {
		ssize_t done = pwrite(fd, data, len, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		data += done;
		len -= done;
		offset += done;
	}
	return 0;
}

static bool is_zero(const u8 *page)
{
	return !*(const u64 *)page && !memcmp(page, page + sizeof(u64), PAGE - sizeof(u64));
}

/* Pages of @piece that are not zero, those that follow each other at once. */
static int write_piece(int fd, const u8 *piece, size_t len, u64 offset)
{
	int ret = 0;

	for (size_t at = 0, end; at < len && !ret; at = end) {
		if (is_zero(piece + at)) {
			end = at + PAGE;
			continue;
		}
		for (end = at + PAGE; end < len && !is_zero(piece + end); end += PAGE)
			;
		ret = write_all(fd, piece + at, end - at, offset + at);
	}
	return ret;
}

static int write_range(struct core *core, int fd, const u8 *ram, const Elf64_Phdr *segment)
{
	int ret = 0;

	for (u64 at = 0; at < segment->p_filesz && !ret; at += PIECE) {
		if (core->stop)
			return -ECANCELED;
		ret = write_piece(fd, ram + at, MIN(segment->p_filesz - at, (u64)PIECE),
				  segment->p_offset + at);
	}
	return ret;
}

int core_write(struct core *core, int fd)
{
	struct head head = { NULL };
	Elf64_Phdr *segments;
	int ret = make_head(core, &head, &segments);
	u64 end = 0;

	if (!ret)
		ret = write_all(fd, head.data, head.len, 0);
	for (unsigned i = 0; !ret && i < memory_count(core->memory); i++) {
		struct range range;

		end = segments[i + 1].p_offset + segments[i + 1].p_filesz;
		ret = write_range(core, fd, memory_range(core->memory, i, &range),
				  &segments[i + 1]);
	}
	/* Holes at the end are part of it. */
	if (!ret && ftruncate(fd, end))
		ret = -errno;
	free(head.data);
	return ret;
}
