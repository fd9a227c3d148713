/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "run_options.h"
#include "util/parse.h"
#include "vmm/control.h"
#include "vmm/vm.h"

#define TIMEOUT_MAX 1000000 /* seconds */

static int set_name(void *target, char *value, struct error *err)
{
	struct error why = { "" };

	((struct run_options *)target)->name = value;
	return control_check_name(value, &why) ? error_set(err, -EINVAL, "--name: %s", why.text)
					       : 0;
}

static int set_irqchip(void *target, char *value, struct error *err)
{
	return arch_irqchip_parse(value, &((struct run_options *)target)->arch.irqchip, err);
}

static int set_overlay(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	options->overlay = true;
	options->scratch = value;
	return value && !*value ? error_set(err, -EINVAL, "--overlay=: the folder is missing") : 0;
}

/* "30", or "boot=30,run=600". */
static int set_timeout(void *target, char *value, struct error *err)
{
	static const char *const names[WATCH_LIMITS] = {
		[WATCH_TOTAL] = "total", [WATCH_BOOT] = "boot", [WATCH_RUN] = "run"
	};
	unsigned *limits = ((struct run_options *)target)->limits;
	char *item;

	while ((item = strsep(&value, ","))) {
		char *number = strchr(item, '=');
		unsigned limit = WATCH_TOTAL;
		u64 seconds;

		if (number) {
			*number++ = '\0';
			for (limit = 0; limit < WATCH_LIMITS && strcmp(item, names[limit]); limit++)
				;
		}
		number = number ? number : item;
		if (limit == WATCH_LIMITS)
			return error_set(err, -EINVAL,
					 "--timeout %s=%s: there are total=, boot= and run=", item,
					 number);
		if (parse_u64(number, TIMEOUT_MAX, &seconds) || !seconds)
			return error_set(err, -EINVAL,
					 "--timeout %s: seconds, at least 1 and at most %u", number,
					 TIMEOUT_MAX);
		if (limits[limit])
			return error_set(err, -EINVAL, "--timeout: %s is given twice",
					 names[limit]);
		limits[limit] = seconds;
	}
	return 0;
}

static int set_run_as(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	options->keep_user = false;
	return run_as_parse(value, &options->run_as, err);
}

static int set_boot_time(void *target, char *value, struct error *err)
{
	struct run_options *options = target;

	options->timed = true;
	options->drawing = value;
	return value && !*value ? error_set(err, -EINVAL, "--boot-time=: the file is missing") : 0;
}

static const char *const transports[] = {
	[TRANSPORT_AUTO] = "auto",
	[TRANSPORT_PCI] = "pci",
	[TRANSPORT_MMIO] = "mmio",
	NULL,
};

static const char *const packed_words[] = {
	[PACKED_ON] = "on",
	[PACKED_OFF] = "off",
	NULL,
};

/* Programs that write down what they covered do so at their end, to files. */
#ifndef RUN_UNCONFINED
#define RUN_UNCONFINED false
#endif

#define FIELD(field) OPTION_FIELD(struct run_options, field)

static const struct option_spec hang_items[] = {
	{ 0, "seconds", OPTION_NUMBER, "SECONDS", "for how long", FIELD(hang), .min = 1,
	  .max = TIMEOUT_MAX, .first = true },
	{ 0, "idle", OPTION_FLAG, .help = "a guest that only waits for interrupts hangs, too",
	  FIELD(hang_idle) },
	{ 0 },
};

const struct option_spec run_option_specs[] = {
	{ 'k', "kernel", OPTION_FILE, "FILE",
	  "kernel: bzImage, ELF vmlinux, arm64 Image[.gz] or EFI zboot",
	  "x86: bzImage, or ELF vmlinux with a PVH note or a 64-bit entry; arm64: Image, "
	  "Image.gz, or an EFI zboot image of gzip or zstd. A file whose name ends in .flat, and "
	  "that is none of these, is started as it is: on x86 in real mode at 1000:0000, on arm64 "
	  "512 KiB above the start of RAM. The option's name may be left out. Without it the first "
	  "of these is taken that is there: ./bzImage, arch/ARCHITECTURE/boot/bzImage, "
	  "../../arch/ARCHITECTURE/boot/bzImage, the same two with Image, /boot/vmlinuz-RELEASE "
	  "and "
	  "/boot/bzImage-RELEASE of the host's kernel; a line says which. FILE may also "
	  "be a folder in which a kernel was built, or what follows vmlinuz- in /boot.",
	  FIELD(kernel) },
	{ 'f', "firmware", OPTION_FILE, "FILE", "start firmware, which loads the kernel (arm64)",
	  "Start firmware in a kernel's stead (arm64): U-Boot or EDK2 as they are built for QEMU's "
	  "virt board, such as Debian's /usr/lib/u-boot/qemu_arm64/u-boot.bin and "
	  "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd. The machine is like that board then, see "
	  "FIRMWARE. --params is all of the command line in the device tree.",
	  FIELD(firmware) },
	{ 0, "no-cache", OPTION_FLAG, .help = "unpack the kernel each time",
	  .manual = "Neither look for the unpacked kernel in $XDG_CACHE_HOME/lkvm (~/.cache/lkvm), "
		    "nor put it there; see BOOT CACHE",
	  FIELD(no_cache) },
	{ 'i', "initrd", OPTION_FILE, "FILE", "initial RAM disk", FIELD(initrd) },
	{ 'p', "params", OPTION_WORD, "TEXT", "kernel command line, after lkvm's own part",
	  "Kernel command line, after lkvm's own part. That is console=ttyS0 or console=hvc0, and "
	  "panic=-1. With a disk, without an initrd, and unless TEXT has root=, it is "
	  "root=/dev/vda rw as well: the first disk, as Linux finds them. With several, or behind "
	  "an IOMMU, that is so as a rule, but Linux promises no order: name the root by its "
	  "PARTUUID there.",
	  FIELD(params) },
	{ 0, "nodefaults", OPTION_FLAG, .help = "no command line but that of --params",
	  FIELD(no_defaults) },
	{ 'c', "cpus", OPTION_NUMBER, "N", "virtual CPUs", FIELD(cpus), .min = 1,
	  .max = ARCH_MAX_CPUS, .preset = 1 },
	{ 'm', "mem", OPTION_SIZE, "SIZE[@ADDRESS]",
	  "RAM in MiB, or with K, M, G, T; with a COMMAND 1G, else",
	  "RAM in MiB, or with K, M, G, T. arm64: @ADDRESS, written likewise, is where it begins: "
	  "2G, as without it, or above. A run for a COMMAND has 1G if it is not given.",
	  FIELD(ram), .unit = MIB, .preset = RUN_DEFAULT_RAM,
	  .at = offsetof(struct run_options, ram_base) },
	{ 0, "name", OPTION_CALL, "NAME", "the VM's name (guest-PID)",
	  "The name of the virtual machine (guest-PID): up to 64 characters of ASCII, without "
	  "spaces "
	  "and slashes, and neither a dot nor a dash in front. No two that run may have the same. "
	  "A "
	  "run whose control socket cannot have this name is refused.",
	  .set = set_name },
	{ 0, "hugetlbfs", OPTION_FILE, "FOLDER", "have RAM in huge pages of this file system",
	  "Have RAM in a file of this file system of huge pages (hugetlbfs). All of its pages are "
	  "taken before the guest starts, and none is given back before the end. Without it, RAM "
	  "is in transparent huge pages where the host has them.",
	  FIELD(hugetlbfs) },
	{ 0, "vcpu-affinity", OPTION_WORD, "CPUS", "the host's CPUs that run the guest: 0-3,5",
	  FIELD(affinity) },
	{ 0, "overlay", OPTION_CALL, "FOLDER",
	  "leave the root folder unchanged: the guest's changes go elsewhere",
	  "Leave the folder that is the root (--disk) unchanged. The guest's changes go to a "
	  "scratch layer over it: in the host's memory, up to as much as the guest has, and "
	  "forgotten at the end; or, with --overlay=FOLDER, in that folder, where the next run "
	  "finds them. Nobody else may change either folder meanwhile. The host's overlayfs does "
	  "it. For an ordinary user it needs user namespaces, and Linux 6.6 for a layer in memory; "
	  "a rename of one of the folder's own directories then gives EXDEV, at which programs "
	  "copy it.",
	  .set = set_overlay, .optional = true },
	{ 0, "transport", OPTION_CHOICE, .help = "what virtio devices sit on",
	  .manual =
		  "What virtio devices other than the IOMMU sit on. auto is pci, but mmio where "
		  "PCI has no "
		  "MSIs: on x86 where --params takes it or its interrupts away (nolapic, noapic, "
		  "nosmp, pci=off ...), on arm64 with --irqchip gicv3 or gicv2; and where PCI has "
		  "no place for all. Where virtio-mmio has no place for all of a kind they are on "
		  "PCI",
	  .choices = transports, FIELD(transport) },
	{ 0, "packed", OPTION_CHOICE, .help = "whether virtio devices offer packed rings",
	  .manual = "Whether virtio devices offer packed rings, to use chains in order, and kicks "
		    "that say more; off: what virtio 1.0 has",
	  .choices = packed_words, FIELD(packed) },
	{ 0, "irqchip", OPTION_CALL, "NAME", "interrupt controller (the best the host has)",
	  "arm64: gicv3-its, gicv3, gicv2m or gicv2; x86: auto or kernel, which are the same. "
	  "Without it, the best that the host has.",
	  .set = set_irqchip },
	{ 0, "dump-dtb", OPTION_FILE, "FILE", "write the guest's device tree here (arm64)",
	  "Write the guest's device tree to FILE (arm64), which is new, empty, or holds one.",
	  FIELD(dump_dtb) },
	{ 0, "loglevel", OPTION_CHOICE, .help = "what goes to standard error",
	  .choices = log_level_names, .preset = LOG_WARNING, FIELD(log_level) },
	{ 0, "debug", OPTION_FLAG, .help = "--loglevel debug, and counters at the end",
	  FIELD(debug) },
	{ 0, "quiet", OPTION_FLAG, .help = "--loglevel error", FIELD(quiet) },
	{ 0, "verbose", OPTION_FLAG, .help = "--loglevel info, and a command's console",
	  .manual = "--loglevel info. Of a run for a command also the console, on standard error, "
		    "each line behind 'lkvm: info: console:', and with all that its kernel says",
	  FIELD(verbose) },
	{ 0, "timeout", OPTION_CALL, "SECONDS|boot=SECONDS,run=SECONDS",
	  "end the guest after this long, with status 4",
	  "End a guest that still runs after this long, counted from lkvm's start. lkvm is gone "
	  "within a second of it, whatever the host does. Of a run for a command boot= bounds the "
	  "time until the command starts, run= that of the command, and total= is all of it.",
	  .set = set_timeout },
	{ 0, "panic-timeout", OPTION_NUMBER, "SECONDS",
	  "end a guest that panicked and does nothing for so long",
	  "End a guest whose kernel panicked and that has touched no device for this long",
	  FIELD(panic_timeout), .min = 1, .max = 1000000, .preset = VM_PANIC_TIMEOUT },
	{ 0, "hang", OPTION_LIST, .help = "end a guest that hangs for so long, with status 6",
	  .manual =
		  "End a guest that hangs for SECONDS: it had no output, wrote to no device, gave "
		  "none a request, and no processor got on. A processor gets on if it runs a "
		  "program, or if its registers change from look to look; one whose kernel had "
		  "interrupts on before, and has them off at each look, does not. A guest that "
		  "waits for interrupts is idle and does not hang, unless idle says so. No "
		  "program that computes is taken for a hang, nor a guest whose host is busy",
	  .items = hang_items },
	{ 0, "symbols", OPTION_FILE, "FILE", "System.map or vmlinux of the kernel, for a hang",
	  "System.map or vmlinux of the guest's kernel: names for where a guest was that "
	  "--timeout, "
	  "--hang or --watchdog ended. Without it, what is in the kernel, beside it, or where it "
	  "was built.",
	  FIELD(symbols) },
	{ 0, "dump-on-crash", OPTION_FILE, "FILE", "write a core of a guest that did not end well",
	  "Write an ELF core of a guest that panicked, crashed or hung, or that --timeout or "
	  "--watchdog ended: RAM, the registers of each CPU, and Linux's VMCOREINFO, for crash, "
	  "gdb "
	  "and makedumpfile. Pages of zeroes are holes. FILE must not be there. Takes two minutes "
	  "at most, also after --timeout; a signal ends it. What is not whole is removed.",
	  FIELD(dump) },
	{ 0, "boot-time", OPTION_CALL, "FILE.svg", "say when each stage was reached",
	  "Say at the end when each stage of the run was reached, on standard error, and with "
	  "--boot-time=FILE.svg in a drawing, too. Of a command's guest the kernel then prints "
	  "what it does, which takes some time of its own.",
	  .set = set_boot_time, .optional = true },
	{ 0, "no-confine", OPTION_FLAG,
	  .help = "keep all rights: no filters of system calls and files",
	  .manual = "Keep all rights while the guest runs. Without it lkvm gives up, before the "
		    "guest's first instruction, what the run does not need: new privileges, "
		    "root's capabilities, the host's files but for shared folders, TCP, and all "
		    "system calls but those of each kind of its threads; one that makes another "
		    "ends lkvm with a line and status 159. What the host cannot confine is left "
		    "out, one by one",
	  FIELD(no_confine) },
	{ 0, "run-as", OPTION_CALL, "USER[:GROUP]", "as root: be this user while the guest runs",
	  "As root: be this user, in this group alone, while the guest runs; each is a name of "
	  "this host's or a number. What the run needs is opened by root before, and what is to be "
	  "undone at the end a small process does that stays root's. Shared folders, passed "
	  "devices, --vsock and --dump-on-crash go on to need root, and are refused with it. "
	  "Without it a run of root's that has none of these, nor a disk or flash on FUSE or the "
	  "network, is a user of its own, with a number that no other process has; --no-run-as "
	  "keeps it root's",
	  .set = set_run_as },
	{ 0, "sandbox-report", OPTION_FLAG, .help = "say what lkvm is confined to, and run",
	  .manual = "Say on standard error, a line each, what lkvm is confined to and what of it "
		    "this host does not have, and run. It implies --loglevel info; --debug says "
		    "it too",
	  FIELD(sandbox_report) },
	{ 'h', "help", OPTION_FLAG, .help = "this text", FIELD(help) },
	{ 0 },
};

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int set_word(void *target, char *word, struct error *err)
{
	struct run_options *options = target;

	if (!*word)
		return error_set(err, -EINVAL,
				 "an empty word, where a kernel or a folder is named");
	if (options->oneshot.command && !options->oneshot.root && is_folder(word)) {
		options->oneshot.root = word;
		return 0;
	}
	if (options->oneshot.command ? options->oneshot.word != NULL : options->kernel != NULL)
		return error_set(err, -EINVAL,
				 "'%s' is one word too many: the kernel is named already, and a "
				 "value that can be left out follows its option's '='",
				 word);
	/* Of a command's words it is known at the end what they name. */
	if (options->oneshot.command)
		options->oneshot.word = word;
	else
		options->kernel = word;
	return 0;
}

/* Whether there is a "--", or a --shell, is known at the end, and what the words before it mean
 * goes by it. */
static bool has_command(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--") || !strcmp(argv[i], "--shell"))
			return true;
	}
	return false;
}

/* What a word names that is no folder, or the second folder: the kernel, unless --kernel does. */
static int place_word(struct run_options *options, struct error *err)
{
	const char *word = options->oneshot.word, *root = options->oneshot.root;

	if (word && options->kernel && root)
		return error_set(err, -EINVAL,
				 "'%s' is one word too many: the root is '%s', and the kernel is "
				 "named already",
				 word, root);
	if (word && options->kernel)
		return error_set(err, -EINVAL,
				 "'%s': the root of a command is a folder, and there is none of "
				 "this name",
				 word);
	if (word)
		options->kernel = word;
	return 0;
}

static void keep_user(struct run_options *options)
{
	options->run_as = (struct confine_user){ 0 };
	options->keep_user = true;
}

/* "--no-X" of what is more than one field. */
static int undo(const struct option_group *group, const struct option_spec *spec)
{
	struct run_options *options = group->target;

	if (!strcmp(spec->name, "timeout"))
		memset(options->limits, 0, sizeof(options->limits));
	else if (!strcmp(spec->name, "hang"))
		options->hang = options->hang_idle = 0;
	else if (!strcmp(spec->name, "run-as"))
		keep_user(options);
	else
		return option_undo(spec, options);
	return 0;
}

/* @groups: DEVICE_CLASSES_MAX + 5, zeroed. @command: there is one. */
static void make_groups(struct run_options *options, bool command, struct option_group *groups)
{
	groups[0] = (struct option_group){ run_option_specs, options, .undo = undo };
	groups[1] = (struct option_group){ kvmtool_option_specs, options };
	groups[2] = (struct option_group){
		arm64_option_specs, options,
		.refusal = arch_has_device_tree ? NULL : "only arm64 guests have it: leave it out"
	};
	groups[3] = (struct option_group){
		oneshot_option_specs, options,
		.refusal = command ? NULL
				   : "it is for the run of a command: lkvm run [DIR] ... -- COMMAND"
	};
	devices_option_groups(&options->devices, groups + 4);
}

static int check_firmware(const struct run_options *options, struct error *err)
{
	const char *other = options->kernel	       ? "--kernel"
			    : options->initrd	       ? "--initrd"
			    : options->oneshot.command ? "the command"
						       : NULL;

	if (options->firmware && other)
		return error_set(err, -EINVAL,
				 "--firmware: it loads the kernel itself: leave out %s", other);
	if (options->firmware_address && !options->firmware)
		return error_set(err, -EINVAL,
				 "--firmware-address: give the firmware, too, with --firmware");
	return 0;
}

static int check_ends(const struct run_options *options, struct error *err)
{
	const char *params = options->params ? options->params : "";

	if (options->quiet && (options->verbose || options->debug))
		return error_set(err, -EINVAL, "--quiet, --verbose and --debug: one of them");
	if (!options->oneshot.command &&
	    (options->limits[WATCH_BOOT] || options->limits[WATCH_RUN]))
		return error_set(err, -EINVAL,
				 "--timeout: boot= and run= are for the run of a command: lkvm run "
				 "[DIR] ... -- COMMAND");
	if (options->hang && strstr(params, "idle=poll"))
		return error_set(err, -EINVAL,
				 "--hang: with idle=poll a kernel never looks idle: leave out one "
				 "of them");
	return run_as_check(options, err);
}

int run_options_parse(struct run_options *options, int argc, char **argv, struct error *err)
{
	struct option_group groups[DEVICE_CLASSES_MAX + 5] = { { NULL } };
	bool command = has_command(argc, argv);
	int ret, rest = 0;

	memset(options, 0, sizeof(*options));
	option_preset(run_option_specs, options);
	options->no_confine = RUN_UNCONFINED;
	if (command) {
		options->oneshot.command = argv + argc;
		options->ram = RUN_COMMAND_RAM;
	}
	ret = devices_init(&options->devices, err);
	if (ret)
		return ret;
	make_groups(options, command, groups);
	ret = options_parse(groups, argc, argv, set_word, options, &rest, err);
	if (!ret)
		ret = place_word(options, err);
	options->oneshot.command = rest				   ? argv + rest
				   : options->oneshot.shell || ret ? options->oneshot.command
								   : NULL;
	if (!ret && !options->oneshot.command)
		ret = devices_complete(&options->devices, err);
	options->arch.firmware = options->firmware;
	if (!ret)
		ret = check_firmware(options, err);
	if (!ret)
		ret = check_ends(options, err);
	if (options->quiet)
		options->log_level = LOG_ERROR;
	if (options->verbose)
		options->log_level = LOG_INFO;
	if (options->sandbox_report)
		options->log_level = MAX(options->log_level, LOG_INFO);
	if (options->debug)
		options->log_level = LOG_DEBUG;
	return ret;
}

int run_options_plan(struct run_options *options, struct oneshot *oneshot, struct error *err)
{
	struct option_group groups[DEVICE_CLASSES_MAX + 5] = { { NULL } };
	int ret;

	make_groups(options, true, groups);
	ret = oneshot_plan(oneshot, options, groups, err);
	return ret ? ret : devices_complete(&options->devices, err);
}
