/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>

#include "vcpu_report.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static int read_word(const struct vcpu *vcpu, u64 address, u64 *word)
{
	gpa_t gpa;
	le64 raw;

	if (address % sizeof(raw) || arch_vcpu_translate(vcpu, address, &gpa) ||
	    memory_read(vcpu->vm->memory, gpa, &raw, sizeof(raw)))
		return -EFAULT;
	*word = le64_to_cpu(raw);
	return 0;
}

/* Frames are a list upwards in memory. The guest made it: it is followed for so long. */
static void walk_frames(const struct vcpu *vcpu, struct vcpu_report *report)
{
	u64 frame = report->registers.frame, next, back;

	if (report->registers.link)
		report->frames[report->frame_count++] = report->registers.link;
	while (report->frame_count < REPORT_FRAMES && !read_word(vcpu, frame, &next) &&
	       !read_word(vcpu, frame + sizeof(back), &back) && back) {
		report->frames[report->frame_count++] = back;
		if (next <= frame)
			break;
		frame = next;
	}
}

static void read_stack(const struct vcpu *vcpu, struct vcpu_report *report)
{
	u64 at = report->registers.sp & ~7ULL;

	while (report->stack_count < REPORT_STACK &&
	       !read_word(vcpu, at, &report->stack[report->stack_count])) {
		report->stack_count++;
		at += sizeof(u64);
	}
}

void vcpu_report_read(struct vcpu_report *report, const struct vcpu *vcpu)
{
	report->frame_count = report->stack_count = 0;
	report->result = arch_vcpu_registers(vcpu, &report->registers);
	if (report->result)
		return;
	walk_frames(vcpu, report);
	read_stack(vcpu, report);
}

/* As text: a program's integers may have no more than 53 bits. */
static json_t *hex(u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	return json_string(text);
}

static json_t *hex_list(const u64 *values, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, hex(values[i]));
	return list;
}

json_t *vcpu_report_json(unsigned cpu, const struct vcpu_report *report)
{
	json_t *registers = json_object();

	for (unsigned i = 0; i < report->registers.count; i++)
		json_object_set_new(registers, report->registers.list[i].name,
				    hex(report->registers.list[i].value));
	return json_pack("{si,so,so,so,so,so,ss}", "vcpu", (int)cpu, "registers", registers, "pc",
			 hex(report->registers.pc), "frames",
			 hex_list(report->frames, report->frame_count), "stack",
			 hex_list(report->stack, report->stack_count), "anchor",
			 hex(report->registers.anchor), "anchor_symbol", arch_anchor);
}
