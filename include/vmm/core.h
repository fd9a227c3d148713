/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ELF core of a guest (System V ABI, "ELF-64 Object File Format"; core(5)): its RAM at physical
 * addresses, which are also the virtual ones of the program headers; an NT_PRSTATUS note for each
 * vCPU; and the VMCOREINFO note that Linux keeps in its RAM, if there is one, by which crash(8) and
 * makedumpfile(8) find everything else.
 */
#ifndef VMM_CORE_H
#define VMM_CORE_H

#include <stdatomic.h>

#include "util/types.h"
#include "vmm/registers.h"

struct guest_memory;

struct core {
	const struct guest_memory *memory;
	const struct registers *const *registers; /* of each vCPU; NULL: they are not known */
	unsigned cpus;
	_Atomic bool stop; /* give up soon: from any thread */
	/* core_write()'s. */
	bool has_vmcoreinfo;
};

/*
 * To @fd, an empty file that is open for writing; pages of zeroes become holes. Nothing changes the
 * guest meanwhile. 0; -ECANCELED: @core->stop; or what write said. May block as long as the file.
 */
int core_write(struct core *core, int fd);

/* Of the architecture: EM_*, and the names of struct registers in the order of NT_PRSTATUS. */
extern const u16 arch_core_machine;
extern const char *const arch_core_registers[];
extern const unsigned arch_core_register_count;

#endif
