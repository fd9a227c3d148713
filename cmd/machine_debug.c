/* SPDX-License-Identifier: BSD-2-Clause */
/* "registers" and "nmi": what the vCPUs are at, without stopping them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"
#include "vcpu_report.h"
#include "vmm/registers.h"
#include "vmm/vcpu.h"
#include "vmm/visit.h"

struct debug {
	struct vm_visit visit;
	struct control_client *client;
	unsigned cpus, told;
	bool nmi; /* that is asked for, and no report */
	struct vcpu_report reports[];
};

/* ---- on the vCPU's thread ---- */

static void visit(struct vm_visit *visit, struct vcpu *vcpu)
{
	struct debug *debug = container_of(visit, struct debug, visit);
	struct vcpu_report *report = &debug->reports[vcpu->index];

	if (debug->nmi) {
		report->result = arch_vcpu_nmi(vcpu);
		return;
	}
	vcpu_report_read(report, vcpu);
}

static void done(struct vm_visit *visit)
{
	control_wake(container_of(visit, struct debug, visit)->client);
}

/* ---- the answer ---- */

static enum control_more debug_more(void *state, struct control_client *client)
{
	struct debug *debug = state;

	for (; debug->told < debug->cpus; debug->told++) {
		const struct vcpu_report *report = &debug->reports[debug->told];

		if (!control_has_room(client))
			return CONTROL_AGAIN;
		if (report->result) {
			control_refuse(client, report->result == -EOPNOTSUPP
						       ? "this architecture has no NMI"
						       : "KVM does not let it be done");
			return CONTROL_END;
		}
		if (!debug->nmi)
			control_send(client, vcpu_report_json(debug->told, report));
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
