/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "cmd.h"
#include "control.h"
#include "iommu.h"
#include "util/log.h"
#include "verbs.h"
#include "vmm/control.h"

/* ---- show, trace, fault ---- */

static int run_show(const void *arg)
{
	const struct iommu_options *options = arg;
	json_t *ask = json_pack("{ss,sb}", "command", "iommu-show", "mappings", options->mappings);
	struct query query;
	int status = query_begin(&query, options->name, ask);

	if (status)
		return status;
	status = options->json ? iommu_print_json(&query, options) : iommu_print_table(&query);
	fclose(query.answer);
	return status;
}

static int run_trace(const void *arg)
{
	const struct iommu_options *options = arg;
	struct query query;
	int status = query_begin(&query, options->name,
				 json_pack("{ss}", "command", "iommu-trace"));

	if (status)
		return status;
	status = iommu_print_trace(&query);
	fclose(query.answer);
	return status;
}

static int run_fault(const void *arg)
{
	const struct iommu_options *options = arg;
	const char *access = options->access ? options->access : "write";
	json_t *ask, *answer;
	struct query query;
	int status;

	ask = json_pack("{ss,ss,ss,ss}", "command", "iommu-fault", "endpoint", options->endpoint,
			"address", options->address, "access", access);
	status = query_begin(&query, options->name, ask);
	if (status)
		return status;
	answer = query_next(&query);
	json_decref(answer);
	fclose(query.answer);
	return query.status;
}

/* ---- the words of the command line ---- */

static const struct option_spec show_specs[] = {
	{ 0, "json", OPTION_FLAG, .help = "for programs",
	  OPTION_FIELD(struct iommu_options, json) },
	{ 0, "mappings", OPTION_FLAG, .help = "with the list of mappings",
	  OPTION_FIELD(struct iommu_options, mappings) },
	{ 0 },
};

static int set_name(void *target, unsigned n, char *word, struct error *err)
{
	if (n)
		return error_set(err, -EINVAL, "'%s': one VM at a time", word);
	((struct iommu_options *)target)->name = word;
	/* A path would lead to somebody else's socket. */
	return control_check_name(word, err);
}

static int set_fault_word(void *target, unsigned n, char *word, struct error *err)
{
	struct iommu_options *options = target;

	switch (n) {
	case 0:
		return set_name(target, n, word, err);
	case 1:
		options->endpoint = word;
		return 0;
	case 2:
		options->address = word;
		return 0;
	case 3:
		options->access = word;
		return 0;
	default:
		return error_set(err, -EINVAL, "'%s': there is nothing after read or write", word);
	}
}

static const struct verb verbs[] = {
	{ "show", "NAME [--json] [--mappings]", "what the IOMMU of a running VM holds", show_specs,
	  set_name, 1, run_show },
	{ "trace", "NAME", "follow its requests and faults, to Ctrl-C or the VM's end", NULL,
	  set_name, 1, run_trace },
	{ "fault", "NAME ENDPOINT ADDRESS [read|write]",
	  "put a fault report into the guest's event queue, for driver developers", NULL,
	  set_fault_word, 3, run_fault },
	{ 0 },
};

const struct verb_family iommu_family = {
	.command = "iommu",
	.verbs = verbs,
	.options_size = sizeof(struct iommu_options),
	.notes = CONTROL_NAME_NOTE "\nENDPOINT is an ID that 'lkvm iommu show' lists, ADDRESS what "
				   "the device is said to have accessed.",
};
