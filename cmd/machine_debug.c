/* SPDX-License-Identifier: BSD-2-Clause */
/* "registers" and "nmi": what the vCPUs are at, without stopping them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"
#include "vmm/registers.h"
#include "vmm/vcpu.h"
#include "vmm/visit.h"

#define FRAMES 24
#define STACK  64 /* words */

struct report {
	int result;
	struct registers registers;
	unsigned frame_count, stack_count;
	u64 frames[FRAMES]; /* the ways back, innermost first */
	u64 stack[STACK];   /* upwards from sp */
};

struct debug {
	struct vm_visit visit;
	struct control_client *client;
	unsigned cpus, told;
	bool nmi; /* that is asked for, and no report */
	struct report reports[];
};

/* ---- on the vCPU's thread ---- */

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
static void walk_frames(const struct vcpu *vcpu, struct report *report)
{
	u64 frame = report->registers.frame, next, back;

	if (report->registers.link)
		report->frames[report->frame_count++] = report->registers.link;
	while (report->frame_count < FRAMES && !read_word(vcpu, frame, &next) &&
	       !read_word(vcpu, frame + sizeof(back), &back) && back) {
		report->frames[report->frame_count++] = back;
		if (next <= frame)
			break;
		frame = next;
	}
}

static void read_stack(const struct vcpu *vcpu, struct report *report)
{
	u64 at = report->registers.sp & ~7ULL;

	while (report->stack_count < STACK &&
	       !read_word(vcpu, at, &report->stack[report->stack_count])) {
		report->stack_count++;
		at += sizeof(u64);
	}
}

static void visit(struct vm_visit *visit, struct vcpu *vcpu)
{
	struct debug *debug = container_of(visit, struct debug, visit);
	struct report *report = &debug->reports[vcpu->index];

	if (debug->nmi) {
		report->result = arch_vcpu_nmi(vcpu);
		return;
	}
	report->result = arch_vcpu_registers(vcpu, &report->registers);
	if (report->result)
		return;
	walk_frames(vcpu, report);
	read_stack(vcpu, report);
}

static void done(struct vm_visit *visit)
{
	control_wake(container_of(visit, struct debug, visit)->client);
}

/* ---- the answer ---- */

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

static json_t *report_json(unsigned cpu, const struct report *report)
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

static enum control_more debug_more(void *state, struct control_client *client)
{
	struct debug *debug = state;

	for (; debug->told < debug->cpus; debug->told++) {
		const struct report *report = &debug->reports[debug->told];

		if (!control_has_room(client))
			return CONTROL_AGAIN;
		if (report->result) {
			control_refuse(client, report->result == -EOPNOTSUPP
						       ? "this architecture has no NMI"
						       : "KVM does not let it be done");
			return CONTROL_END;
		}
		if (!debug->nmi)
			control_send(client, report_json(debug->told, report));
	}
	return CONTROL_END;
}

static void debug_end(void *state)
{
	struct debug *debug = state;

	vm_visit_end(&debug->visit);
	free(debug);
}

static const struct control_stream debug_stream = {
	.more = debug_more,
	.end = debug_end,
	.waits = true,
};

static int begin(struct vm *vm, struct control_client *client, int cpu, bool nmi, struct error *err)
{
	unsigned cpus = vm->config->cpus;
	struct debug *debug = calloc(1, sizeof(*debug) + cpus * sizeof(debug->reports[0]));
	int ret = debug ? control_stream(client, &debug_stream, debug, err) : -ENOMEM;

	if (ret) {
		free(debug);
		return ret;
	}
	debug->client = client;
	debug->cpus = cpus;
	debug->nmi = nmi;
	debug->visit.visit = visit;
	debug->visit.done = done;
	vm_visit_begin(vm, &debug->visit, cpu);
	return 0;
}

static int command_registers(void *arg, struct control_client *client, json_t *request,
			     struct error *err)
{
	return begin(arg, client, -1, false, err);
}

static int command_nmi(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	const json_t *cpu = json_object_get(request, "cpu");
	struct vm *vm = arg;

	if (!json_is_integer(cpu) || json_integer_value(cpu) < 0 ||
	    json_integer_value(cpu) >= vm->config->cpus)
		return error_set(err, -EINVAL, "no such CPU: it has %u, from 0", vm->config->cpus);
	return begin(vm, client, json_integer_value(cpu), true, err);
}

const struct control_command debug_commands[] = {
	{ "registers", command_registers },
	{ "nmi", command_nmi },
	{ 0 },
};
