/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of kvmtool's that only arm64 guests have. On x86 they are refused. */
#include "run_options.h"

#define FIELD(field) OPTION_FIELD(struct run_options, arch.field)

const struct option_spec arm64_option_specs[] = {
	{ 0, "firmware-address", OPTION_NUMBER, "ADDRESS",
	  "where in RAM --firmware goes, and begins (read-only memory at 0)", .max = UINT64_MAX,
	  OPTION_FIELD(struct run_options, firmware_address) },
	{ 0, "pmu", OPTION_FLAG, .help = "counters of the processor's, for perf", FIELD(pmu) },
	{ 0, "nested", OPTION_FLAG, .help = "a guest that runs guests: it starts at EL2",
	  FIELD(nested) },
	{ 0, "e2h0", OPTION_FLAG, .help = "with --nested: without VHE", FIELD(e2h0) },
	{ 0, "sve-max-vl", OPTION_NUMBER, "BITS", "the longest vector of SVE", .min = 128,
	  .max = 2048, FIELD(sve_bits) },
	{ 0, "disable-sve", OPTION_FLAG, .help = "no SVE", FIELD(no_sve) },
	{ 0, "disable-mte", OPTION_FLAG, .help = "no memory tags (MTE)", FIELD(no_mte) },
	{ 0, "no-pvtime", OPTION_FLAG, .help = "the guest is not told of time stolen from it",
	  FIELD(no_stolen_time) },
	{ 0, "kaslr-seed", OPTION_NUMBER, "N", "where the kernel puts itself; 0: at random",
	  .max = UINT64_MAX, FIELD(kaslr_seed) },
	{ 0, "counter-offset", OPTION_NUMBER, "N",
	  "ticks that the guest's counter is behind the host's", .max = UINT64_MAX,
	  FIELD(counter_offset) },
	{ 0, "override-bad-firmware-cntfrq", OPTION_NUMBER, "HZ",
	  "the counter's frequency, where the host's firmware set none", .min = 1,
	  .max = UINT32_MAX, FIELD(timer_frequency) },
	{ 0 },
};
