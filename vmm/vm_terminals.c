/* SPDX-License-Identifier: BSD-2-Clause */
/* Terminals other than standard input and output. */
#include "util/log.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

int vm_add_terminal(struct vm *vm, const char *name, const struct terminal_target *target,
		    struct terminal **terminal)
{
	int ret = terminal_create_at(terminal, vm->loop, name, target);

	if (ret)
		return ret;
	list_add_tail(&vm->terminals, terminal_node(*terminal));
	if (target->kind == TERMINAL_PTY || target->kind == TERMINAL_SOCKET)
		log_info("%s is at %s", name, target->path);
	return 0;
}

void vm_destroy_terminals(struct vm *vm)
{
	while (vm && !list_empty(&vm->terminals))
		terminal_destroy(terminal_of_node(vm->terminals.next));
}
