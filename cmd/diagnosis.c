/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnosis.h"
#include "json_name.h"
#include "kernel_names.h"
#include "machine.h"
#include "util/log.h"
#include "vcpu_report.h"
#include "vmm/vcpu.h"

#define SAID_VCPUS  4 /* of which all is said */
#define SAID_FRAMES 8
#define SAID_EXITS  6

struct diagnosis {
	unsigned cpus;
	struct kernel_names names;
	struct {
		const struct vcpu *vcpu;
		struct vcpu_report report;
		struct vcpu_state state;
	} vcpus[];
};

struct diagnosis *diagnosis_make(const struct machine *machine, struct symbols *symbols)
{
	unsigned cpus = machine->config.cpus;
	struct diagnosis *diagnosis = calloc(1, sizeof(*diagnosis) +
							cpus * sizeof(diagnosis->vcpus[0]));

	if (!diagnosis)
		return NULL;
	diagnosis->cpus = cpus;
	for (unsigned i = 0; i < cpus; i++) {
		const struct vcpu *vcpu = machine->vm->vcpus[i];

		diagnosis->vcpus[i].vcpu = vcpu;
		vcpu_report_read(&diagnosis->vcpus[i].report, vcpu);
		if (!diagnosis->vcpus[i].report.result)
			diagnosis->vcpus[i].report.result = arch_vcpu_state(
				vcpu, &diagnosis->vcpus[i].state);
	}
	diagnosis->names.symbols = symbols;
	for (unsigned i = 0; i < cpus; i++)
		kernel_names_place(&diagnosis->names, arch_anchor,
				   diagnosis->vcpus[i].report.registers.anchor);
	return diagnosis;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
	free(diagnosis);
}

const struct registers *diagnosis_registers(const struct diagnosis *diagnosis, unsigned cpu)
{
	const struct vcpu_report *report = &diagnosis->vcpus[cpu].report;

	return report->result ? NULL : &report->registers;
}

/* ---- words ---- */

static const char *describe_state(const struct vcpu_state *state)
{
	if (state->off)
		return "off";
	if (state->waiting)
		return "waiting for an interrupt";
	if (state->user)
		return "in a program";
	return state->masked ? "in the kernel, interrupts off" : "in the kernel, interrupts on";
}

/* "0xffffffff81000010 start_kernel+0x10" */
static void describe_place(const struct kernel_names *names, u64 address, char *text, size_t size)
{
	u64 offset;
	const char *name = kernel_names_find(names, address, &offset);

	snprintf(text, size, "0x%llx", (unsigned long long)address);
	if (name)
		snprintf(text, size, "0x%llx %s+0x%llx", (unsigned long long)address, name,
			 (unsigned long long)offset);
}

static void describe_exit(const struct vcpu_last_exit *last, char *text, size_t size)
{
	if (last->len)
		snprintf(text, size, "%s %s 0x%llx/%u",
			 last->reason == KVM_EXIT_IO ? "port" : "mmio",
			 last->is_write ? "write" : "read", (unsigned long long)last->address,
			 last->len);
	else
		snprintf(text, size, "exit %u", last->reason);
}

/* The @n-th of those that are remembered, from the oldest; NULL: no more. */
static const struct vcpu_last_exit *last_exit(const struct vcpu *vcpu, u64 n)
{
	u64 first = vcpu->last_count - MIN(vcpu->last_count, (u64)VCPU_LAST_EXITS);

	return first + n < vcpu->last_count ? &vcpu->last_exits[(first + n) % VCPU_LAST_EXITS]
					    : NULL;
}

/* ---- on standard error ---- */

/* Words of one line that are put together. */
struct line {
	char text[512];
	size_t len;
};

static void add_word(struct line *line, const char *word)
{
	if (line->len < sizeof(line->text))
		line->len += snprintf(line->text + line->len, sizeof(line->text) - line->len,
				      "%s%s", line->len ? ", " : "", word);
}

static void say_line(unsigned cpu, const char *what, const struct line *line)
{
	if (line->len)
		log_warning("vCPU %u: %s: %s", cpu, what, line->text);
}

static void say_frames(const struct diagnosis *diagnosis, unsigned cpu)
{
	const struct vcpu_report *report = &diagnosis->vcpus[cpu].report;
	struct line line = { .len = 0 };
	char place[256];

	for (unsigned i = 0; i < MIN(report->frame_count, SAID_FRAMES); i++) {
		describe_place(&diagnosis->names, report->frames[i], place, sizeof(place));
		add_word(&line, place);
	}
	say_line(cpu, "called from", &line);
}

/*
 * Kernels without frame pointers have their ways back somewhere on the stack: each word that points
 * into a function may be one.
 */
static const char *guess(const struct diagnosis *diagnosis, u64 word, char *text, size_t size)
{
	u64 offset;

	if (!kernel_names_find(&diagnosis->names, word, &offset) || !offset)
		return NULL;
	describe_place(&diagnosis->names, word, text, size);
	return text;
}

static void say_guesses(const struct diagnosis *diagnosis, unsigned cpu)
{
	const struct vcpu_report *report = &diagnosis->vcpus[cpu].report;
	struct line line = { .len = 0 };
	char text[256];
	unsigned said = 0;

	for (unsigned i = 0; i < report->stack_count && said < SAID_FRAMES; i++) {
		if (!guess(diagnosis, report->stack[i], text, sizeof(text)))
			continue;
		add_word(&line, text);
		said++;
	}
	say_line(cpu, "perhaps called from", &line);
}

static void say_registers(const struct registers *registers, unsigned cpu)
{
	struct line line = { .len = 0 };

	for (unsigned i = 0; i < registers->count; i++) {
		char word[64];

		snprintf(word, sizeof(word), "%s 0x%llx", registers->list[i].name,
			 (unsigned long long)registers->list[i].value);
		add_word(&line, word);
		if (i % 6 == 5 || i + 1 == registers->count) {
			say_line(cpu, "registers", &line);
			line.len = 0;
		}
	}
}

static void say_exits(const struct vcpu *vcpu, unsigned cpu)
{
	u64 kept = MIN(vcpu->last_count, (u64)VCPU_LAST_EXITS);
	struct line line = { .len = 0 };
	char word[64];

	for (u64 n = kept - MIN(kept, (u64)SAID_EXITS); n < kept; n++) {
		describe_exit(last_exit(vcpu, n), word, sizeof(word));
		add_word(&line, word);
	}
	say_line(cpu, "last exits", &line);
}

void diagnosis_say(const struct diagnosis *diagnosis)
{
	unsigned said = 0;

	for (unsigned i = 0; i < diagnosis->cpus; i++) {
		const struct vcpu_report *report = &diagnosis->vcpus[i].report;
		const struct vcpu_state *state = &diagnosis->vcpus[i].state;
		char place[256];

		if (report->result) {
			log_warning("vCPU %u: its registers cannot be read", i);
			continue;
		}
		describe_place(&diagnosis->names, report->registers.pc, place, sizeof(place));
		log_warning("vCPU %u: at %s, %s", i, place, describe_state(state));
		if (state->off || state->waiting || said++ >= SAID_VCPUS)
			continue;
		say_frames(diagnosis, i);
		say_guesses(diagnosis, i);
		say_registers(&report->registers, i);
		say_exits(diagnosis->vcpus[i].vcpu, i);
	}
}

/* ---- for programs ---- */

static json_t *exits_json(const struct vcpu *vcpu)
{
	const struct vcpu_last_exit *last;
	json_t *list = json_array();
	char word[64];

	for (u64 n = 0; (last = last_exit(vcpu, n)); n++) {
		describe_exit(last, word, sizeof(word));
		json_array_append_new(list, json_string(word));
	}
	return list;
}

/* The control socket's report, with names for what has some. */
static json_t *vcpu_json(const struct diagnosis *diagnosis, unsigned cpu)
{
	const struct vcpu_report *report = &diagnosis->vcpus[cpu].report;
	json_t *json = vcpu_report_json(cpu, report), *backtrace = json_array(),
	       *guesses = json_array();
	char place[256];

	json_object_del(json, "stack");
	json_object_del(json, "anchor");
	json_object_del(json, "anchor_symbol");
	json_object_del(json, "frames");
	describe_place(&diagnosis->names, report->registers.pc, place, sizeof(place));
	json_object_set_new(json, "at", json_name(place));
	json_object_set_new(json, "state",
			    json_string(describe_state(&diagnosis->vcpus[cpu].state)));
	for (unsigned i = 0; i < report->frame_count; i++) {
		describe_place(&diagnosis->names, report->frames[i], place, sizeof(place));
		json_array_append_new(backtrace, json_name(place));
	}
	for (unsigned i = 0; i < report->stack_count; i++) {
		if (guess(diagnosis, report->stack[i], place, sizeof(place)))
			json_array_append_new(guesses, json_name(place));
	}
	json_object_set_new(json, "called_from", backtrace);
	json_object_set_new(json, "perhaps_called_from", guesses);
	json_object_set_new(json, "last_exits", exits_json(diagnosis->vcpus[cpu].vcpu));
	return json;
}

json_t *diagnosis_json(const struct diagnosis *diagnosis)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < diagnosis->cpus; i++) {
		if (!diagnosis->vcpus[i].report.result)
			json_array_append_new(list, vcpu_json(diagnosis, i));
	}
	return list;
}
