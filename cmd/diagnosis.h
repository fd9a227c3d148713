/* SPDX-License-Identifier: BSD-2-Clause */
/* What the vCPUs of a VM that has stopped were at: for people, and for --result. */
#ifndef CMD_DIAGNOSIS_H
#define CMD_DIAGNOSIS_H

#include <jansson.h>

struct diagnosis;
struct machine;
struct registers;
struct symbols;

/*
 * NULL: there is no memory for it. vm_run() has returned. @symbols: NULL, or the kernel's,
 * borrowed.
 */
struct diagnosis *diagnosis_make(const struct machine *machine, struct symbols *symbols);
/*
 * On standard error: where each vCPU stands, and of those that do not wait for an interrupt, the
 * first ones at least, registers and last exits.
 */
void diagnosis_say(const struct diagnosis *diagnosis);
/* A list, of an object for each vCPU; NULL: no memory. The caller's. */
json_t *diagnosis_json(const struct diagnosis *diagnosis);
/* Of vCPU @cpu; NULL: they cannot be read. The diagnosis's. */
const struct registers *diagnosis_registers(const struct diagnosis *diagnosis, unsigned cpu);
/* NULL is fine. */
void diagnosis_free(struct diagnosis *diagnosis);

#endif
