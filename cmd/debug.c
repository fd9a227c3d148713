/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm debug. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "control.h"
#include "kernel_names.h"
#include "util/log.h"
#include "util/symbols.h"

static u64 hex_of(const json_t *json)
{
	const char *text = json_string_value(json);

	return text ? strtoull(text, NULL, 16) : 0;
}

static void print_place(const struct kernel_names *names, const char *mark, u64 address)
{
	u64 offset;
	const char *name = kernel_names_find(names, address, &offset);

	printf("  %s 0x%016llx", mark, (unsigned long long)address);
	if (name)
		printf(" %s+0x%llx", name, (unsigned long long)offset);
	printf("\n");
}

/* ---- a vCPU ---- */

static void print_registers(const json_t *registers)
{
	unsigned column = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)registers, key, value)
		printf("%s%-9s 0x%016llx%s", column ? "  " : "  ", key,
		       (unsigned long long)hex_of(value), ++column % 3 ? "" : "\n");
	if (column % 3)
		printf("\n");
}

/*
 * Kernels without frame pointers have their ways back somewhere on the stack: each word that points
 * into a function may be one, as in Linux's own traces, which mark such with '?'.
 */
static void print_guesses(const struct kernel_names *names, const json_t *stack)
{
	size_t index;
	json_t *word;

	json_array_foreach((json_t *)stack, index, word)
	{
		u64 offset;

		if (kernel_names_find(names, hex_of(word), &offset) && offset)
			print_place(names, "?", hex_of(word));
	}
}

static void print_backtrace(const struct kernel_names *names, const json_t *report)
{
	const json_t *frames = json_object_get(report, "frames");
	size_t index;
	json_t *frame;

	printf(" backtrace:\n");
	print_place(names, " ", hex_of(json_object_get(report, "pc")));
	json_array_foreach((json_t *)frames, index, frame) print_place(names, "<", hex_of(frame));
	print_guesses(names, json_object_get(report, "stack"));
}

static void print_stack(const json_t *stack)
{
	size_t index;
	json_t *word;

	printf(" stack:\n");
	json_array_foreach((json_t *)stack, index, word)
		printf("%s0x%016llx%s", index % 4 ? " " : "  ", (unsigned long long)hex_of(word),
		       index % 4 == 3 ? "\n" : "");
	if (json_array_size(stack) % 4)
		printf("\n");
}

static void print_report(const struct kernel_names *names, const json_t *report)
{
	printf("vCPU %llu:\n", (unsigned long long)query_number(report, "vcpu"));
	print_registers(json_object_get(report, "registers"));
	print_backtrace(names, report);
	if (!names->symbols)
		print_stack(json_object_get(report, "stack"));
}

/* ---- the command ---- */

static int ask_registers(const char *name, json_t **reports)
{
	struct query query;
	json_t *line;
	int status = query_begin(&query, name, json_pack("{ss}", "command", "registers"));

	if (status)
		return status;
	*reports = json_array();
	while ((line = query_next(&query)))
		json_array_append_new(*reports, line);
	fclose(query.answer);
	return query.status;
}

static void print_reports(struct kernel_names *names, const json_t *reports)
{
	size_t index;
	json_t *report;

	json_array_foreach((json_t *)reports, index, report)
	{
		kernel_names_place(names, query_text(report, "anchor_symbol"),
				   hex_of(json_object_get(report, "anchor")));
	}
	json_array_foreach((json_t *)reports, index, report) print_report(names, report);
}

static int show_registers(const struct control_options *options)
{
	struct kernel_names names = { NULL, 0 };
	struct error err = { "" };
	json_t *reports = NULL;
	int status;

	if (options->symbols && symbols_open(&names.symbols, options->symbols, &err)) {
		log_error("--symbols %s", err.text);
		return EXIT_USAGE;
	}
	status = ask_registers(options->name, &reports);
	if (!status && options->json) {
		json_dumpf(reports, stdout, JSON_INDENT(2));
		printf("\n");
	} else if (!status) {
		print_reports(&names, reports);
	}
	json_decref(reports);
	symbols_close(names.symbols);
	return status;
}

static int run_debug(const void *arg)
{
	const struct control_options *options = arg;

	if (!options->name) {
		log_error("usage: lkvm debug NAME [--symbols FILE] [--nmi CPU|--sysrq KEY]");
		return EXIT_USAGE;
	}
	if (options->sysrq && options->nmi) {
		log_error("--sysrq and --nmi: one of them at a time");
		return EXIT_USAGE;
	}
	if (options->sysrq)
		return query_ask(options->name,
				 json_pack("{ss,ss}", "command", "sysrq", "key", options->sysrq),
				 NULL);
	if (options->nmi)
		return query_ask(options->name,
				 json_pack("{ss,si}", "command", "nmi", "cpu", options->nmi - 1),
				 NULL);
	return show_registers(options);
}

static int set_nmi(void *target, char *value, struct error *err)
{
	struct control_options *options = target;
	char *end;
	unsigned long cpu = strtoul(value, &end, 10);

	if (end == value || *end || cpu > 255)
		return error_set(err, -EINVAL, "--nmi %s: that is no CPU's number", value);
	options->nmi = cpu + 1;
	return 0;
}

static int set_sysrq(void *target, char *value, struct error *err)
{
	struct control_options *options = target;

	/* The value itself is not repeated: it may be made to do things to a terminal. */
	if (strlen(value) != 1 || value[0] < '!' || value[0] > '~')
		return error_set(err, -EINVAL, "--sysrq: a SysRq key is one character of ASCII");
	options->sysrq = value;
	return 0;
}

#define FIELD(field) OPTION_FIELD(struct control_options, field)

static const struct option_spec specs[] = {
	CONTROL_NAME_SPEC,
	{ 'd', "dump", OPTION_FLAG, .help = "registers and stacks, which is what it shows anyway" },
	{ 0, "symbols", OPTION_FILE, "FILE", "System.map or vmlinux of the guest's kernel",
	  FIELD(symbols) },
	{ 0, "json", OPTION_FLAG, .help = "for programs", FIELD(json) },
	{ 'm', "nmi", OPTION_CALL, "CPU", "send an NMI to this CPU instead (x86)", .set = set_nmi },
	{ 's', "sysrq", OPTION_CALL, "KEY", "send a SysRq key to the guest's console instead",
	  .set = set_sysrq },
	{ 0 },
};

const struct verb debug_verb = {
	"debug",
	"NAME [--symbols FILE] [--nmi CPU|--sysrq KEY]",
	"look into a running VM's CPUs",
	specs,
	control_set_word,
	0,
	run_debug,
	"Show the registers of each CPU and where its guest's kernel is at, while the VM goes on "
	"or\n"
	"is paused. With the kernel's symbols the backtrace has names, wherever the kernel has "
	"moved\n"
	"itself: '<' is a way back by frame pointers, '?' a word on the stack that may be one.\n"
	"A SysRq key goes to the guest's console; on the serial port a break goes before "
	"it.\n" CONTROL_NAME_NOTE,
};
