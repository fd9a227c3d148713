/* SPDX-License-Identifier: BSD-2-Clause */
/* The program init/ as it was built, inside this one. */
#include "oneshot.h"

asm(".pushsection .rodata\n"
    "	.globl oneshot_init\n"
    "oneshot_init:\n"
    "	.incbin \"" LKVM_INIT "\"\n"
    "	.globl oneshot_init_end\n"
    "oneshot_init_end:\n"
    ".popsection\n");
