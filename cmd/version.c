/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "cmd.h"
#include "vmm/arch.h"

int cmd_version(int argc, char **argv)
{
	printf("lkvm %s (%s)\n", LKVM_VERSION, arch_name);
	return EXIT_OK;
}

void cmd_version_help(void)
{
	printf("usage: lkvm version\n\nPrint the version and the architecture of this lkvm.\n");
}
