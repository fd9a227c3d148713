/* SPDX-License-Identifier: BSD-2-Clause */
/* What "lkvm run" was asked for. */
#ifndef CMD_RUN_OPTIONS_H
#define CMD_RUN_OPTIONS_H

#include <limits.h>

#include "devices.h"
#include "oneshot.h"
#include "run_as.h"
#include "util/error.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "watch.h"

#define RUN_DEFAULT_RAM (256 * MIB)
/* Of a run for a command: what changes in its folders is in the guest's memory. */
#define RUN_COMMAND_RAM (1024 * MIB)

/* What the virtio devices other than the IOMMU sit on. AUTO: PCI, where the guest can use it. */
enum run_transport { TRANSPORT_AUTO, TRANSPORT_PCI, TRANSPORT_MMIO };

/* Whether virtio devices offer packed rings, and what came with them. */
enum run_packed { PACKED_ON, PACKED_OFF };

struct run_options {
	const char *name;
	bool is_named;		/* by the user */
	const char *kvm;	/* its device; NULL: VM_KVM_FILE */
	const char *firmware;	/* in the kernel's stead; NULL: there is a kernel */
	gpa_t firmware_address; /* of RAM; 0: not there */
	const char *kernel;
	char found_kernel[PATH_MAX]; /* run_options_find_kernel()'s */
	bool no_cache;		     /* of unpacked kernels */
	const char *initrd;
	const char *params;
	unsigned cpus;
	u64 ram;	       /* bytes */
	gpa_t ram_base;	       /* 0: where the architecture has it */
	const char *hugetlbfs; /* the folder that has it; NULL: none */
	const char *affinity;  /* CPUs of the host's: "0-3,5"; NULL: all */
	enum run_transport transport;
	enum run_packed packed;
	struct arch_options arch;
	const char *dump_dtb;
	bool overlay;
	const char *scratch; /* NULL: RAM */
	bool no_defaults;
	enum log_level log_level;
	bool debug, quiet, verbose;
	unsigned limits[WATCH_LIMITS]; /* of --timeout: seconds; 0: none */
	unsigned panic_timeout;	       /* seconds */
	unsigned hang;		       /* seconds; 0: nobody looks */
	bool hang_idle;
	const char *dump;	     /* of a guest that crashed; NULL: none */
	const char *symbols;	     /* of the guest's kernel; NULL: what is beside it */
	bool timed;		     /* --boot-time */
	const char *drawing;	     /* and its file; NULL: none */
	struct boot_time *boot_time; /* owned by the run; NULL: not timed */
	bool no_confine, sandbox_report;
	struct confine_user run_as;
	bool keep_user; /* --no-run-as */
	bool help;
	struct oneshot_options oneshot;
	/* Filled for a one-shot run. */
	int initrd_fd;		/* borrowed; 0: none */
	int *channels;		/* as of struct device_plan */
	bool channels_alone;	/* the same */
	const char *more_words; /* of our part of the kernel's command line; NULL */
	struct devices devices;
};

/*
 * Fill @options from argv; -EINVAL with a line. Strings are argv's, which is changed.
 * devices_free() in any case.
 */
int run_options_parse(struct run_options *options, int argc, char **argv, struct error *err);
/*
 * Of the run of a command: plan it, which reads files, and add the devices that it needs. @oneshot:
 * zeroed; oneshot_free() in any case. -errno with a line.
 */
int run_options_plan(struct run_options *options, struct oneshot *oneshot, struct error *err);

/*
 * The file that is meant by the kernel's name; if none is named, look for one and say which it is.
 * Without one, @options do not change. -EISDIR with a line: a folder without a kernel for us.
 */
int run_options_find_kernel(struct run_options *options, struct error *err);

/* The machine's own options, ended by an entry without a name; those of devices are their classes'.
 */
extern const struct option_spec run_option_specs[];
/* What arm64 alone has: known everywhere, so that help and manual are the same. */
extern const struct option_spec arm64_option_specs[];
/* What runs of a command alone have. */
extern const struct option_spec oneshot_option_specs[];
/* kvmtool's words for what is ours, or is refused: the same target. */
extern const struct option_spec kvmtool_option_specs[];

#endif
