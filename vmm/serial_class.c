/* SPDX-License-Identifier: BSD-2-Clause */
/* --serial, --tty and --log-file: the serial ports, and what is at their other ends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"
#include "util/parse.h"
#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

struct serial_state {
	struct terminal_target ports[ARCH_SERIAL_PORTS];
	bool given[ARCH_SERIAL_PORTS];
	bool tty[ARCH_SERIAL_PORTS]; /* by --tty */
	unsigned count;		     /* ports that were given by --serial: the first ones */
	const char *log_path;
	struct terminal_target log;
};

/* As Linux calls them. */
static const char *const port_names[ARCH_SERIAL_PORTS] = { "ttyS0", "ttyS1", "ttyS2", "ttyS3" };

/* For error lines. */
static const char *option_of(const struct serial_state *state, unsigned n)
{
	return state->tty[n] ? "--tty" : "--serial";
}

/* ---- the command line ---- */

static int check_port(const struct serial_state *state, unsigned n, const char *option,
		      const char *value, struct error *err)
{
	if (state->given[n])
		return error_set(err, -EINVAL, "%s %s: serial port %u is given already, by %s",
				 option, value, n, option_of(state, n));
	for (unsigned i = 0; i < ARCH_SERIAL_PORTS && !strcmp(value, "stdio"); i++) {
		if (state->given[i] && state->ports[i].kind == TERMINAL_STDIO)
			return error_set(err, -EINVAL,
					 "%s stdio: standard input and output are %s's already",
					 option, port_names[i]);
	}
	return 0;
}

static int set_port(struct serial_state *state, unsigned n, const char *option, const char *value,
		    struct error *err)
{
	int ret = check_port(state, n, option, value, err);

	if (!ret)
		ret = terminal_target_set(&state->ports[n], value, option, err);
	state->given[n] |= !ret;
	return ret;
}

static int set_serial(void *target, char *value, struct error *err)
{
	struct serial_state *state = target;

	if (state->count == ARCH_SERIAL_PORTS)
		return error_set(err, -EINVAL, "--serial %s: there are %u serial ports at most",
				 value, ARCH_SERIAL_PORTS);
	return set_port(state, state->count++, "--serial", value, err);
}

static int set_tty(void *target, char *value, struct error *err)
{
	struct serial_state *state = target;
	u64 n;
	int ret;

	if (parse_u64(value, ARCH_SERIAL_PORTS - 1, &n))
		return error_set(err, -EINVAL, "--tty %s: the number of a serial port, 0 to %u",
				 value, ARCH_SERIAL_PORTS - 1);
	if (state->tty[n])
		return 0;
	ret = set_port(state, n, "--tty", "pty", err);
	if (ret)
		return ret;
	state->tty[n] = true;
	return 0;
}

static const struct option_spec serial_options[] = {
	{ 0, "serial", OPTION_CALL, "FILE|pty|socket:PATH|stdio|none",
	  "what a serial port is on the host; again: the next of four",
	  "What a serial port is on the host: the first --serial is ttyS0's, the next one ttyS1's, "
	  "up to four. FILE is appended to, and gives no input; pty is a new terminal, whose path "
	  "'lkvm list -l' shows; socket:PATH listens there for one client at a time; stdio is "
	  "lkvm's own input and output, which is what ttyS0 is unless --console virtio takes them; "
	  "with none output goes nowhere. A reader that stops holds up that port and nothing else. "
	  "While nobody has the pty open or is connected, the last 64 KiB of output are kept for "
	  "who comes. A FILE of one of these names is ./pty and so on",
	  .set = set_serial, .many = true },
	{ 0, "tty", OPTION_CALL, "N", "serial port N, from 0, is a new pty",
	  "Serial port N, from 0 to 3, is a new pty: as --serial pty in that place, and kvmtool's "
	  "word for it",
	  .set = set_tty, .many = true },
	{ 0, "log-file", OPTION_FILE, "FILE", "append all output of the console to FILE, too",
	  "Append all output of the guest's console to FILE, too: of ttyS0, or of hvc0 with "
	  "--console virtio. A guest that writes faster than the file waits for it",
	  OPTION_FIELD(struct serial_state, log_path) },
	{ 0 },
};

/* Of each port: what was named, somebody's two ends, or a relay's pipe and its end. */
#define FDS_PORT 5

static unsigned serial_class_fds(const void *arg)
{
	const struct serial_state *state = arg;
	unsigned count = !!state->log_path;

	for (unsigned n = 0; n < ARCH_SERIAL_PORTS; n++)
		count += state->given[n] && state->ports[n].kind > TERMINAL_NONE;
	return count * FDS_PORT;
}

/* ---- opening ---- */

static int check_stdio(const struct serial_state *state, const struct device_plan *plan,
		       struct error *err)
{
	for (unsigned n = 0; n < ARCH_SERIAL_PORTS && plan->console_taken; n++) {
		if (state->given[n] && state->ports[n].kind == TERMINAL_STDIO)
			return error_set(err, -EINVAL,
					 "--serial stdio: with --console virtio standard input and "
					 "output are hvc0's");
	}
	return 0;
}

static int open_log(struct serial_state *state, struct keeper *keeper, struct error *err)
{
	if (!state->log_path)
		return 0;
	state->log = (struct terminal_target){ .kind = TERMINAL_FILE,
					       .path = state->log_path,
					       .fd = -1 };
	return terminal_target_open(&state->log, keeper, "--log-file", err);
}

/*
 * In claim(), as only then all devices have said what they take; and a file that is made is not
 * left behind by another option's mistake.
 */
static int serial_class_claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct serial_state *state = arg;
	int ret = check_stdio(state, plan, err);

	for (unsigned n = 0; n < ARCH_SERIAL_PORTS && !ret; n++) {
		if (state->given[n])
			ret = terminal_target_open(&state->ports[n], plan->keeper,
						   option_of(state, n), err);
	}
	return ret ? ret : open_log(state, plan->keeper, err);
}

static void serial_class_release(void *arg)
{
	struct serial_state *state = arg;

	for (unsigned n = 0; n < ARCH_SERIAL_PORTS; n++) {
		if (state->given[n])
			terminal_target_close(&state->ports[n]);
	}
	if (state->log.path)
		terminal_target_close(&state->log);
}

/* ---- making ---- */

static const struct terminal_target nowhere = { .kind = TERMINAL_NONE, .fd = -1 };

/* Its terminal; a port that is there for the sake of a later one has none. */
static int make_terminal(struct serial_state *state, unsigned n, struct device_host *host,
			 struct terminal **terminal)
{
	const struct terminal_target *target = state->given[n] ? &state->ports[n] : &nowhere;

	*terminal = NULL;
	if (!state->given[n] && n)
		return 0;
	if (state->given[n] ? target->kind == TERMINAL_STDIO : !host->plan->console_taken) {
		*terminal = host->terminal;
		return 0;
	}
	return vm_add_terminal(host->vm, port_names[n], target, terminal);
}

/* Whatever the console is, the kernel may say its last words here. */
static void use_console(struct device_host *host, struct terminal *first)
{
	if (first && first != host->terminal)
		terminal_hear(first, host->heard);
	host->console = host->plan->console_taken || !first ? host->terminal : first;
}

static int make_port(struct serial_state *state, unsigned n, struct device_host *host)
{
	struct terminal *terminal;
	int ret = make_terminal(state, n, host, &terminal);

	if (ret)
		return ret;
	if (n == 0)
		use_console(host, terminal);
	return arch_serial_create(host->vm, n, terminal);
}

static int serial_class_create(void *arg, struct device_host *host, struct error *err)
{
	struct serial_state *state = arg;
	unsigned count = ARCH_SERIAL_PORTS;
	int ret = 0;

	while (count > 1 && !state->given[count - 1])
		count--;
	for (unsigned n = 0; n < count && !ret; n++)
		ret = make_port(state, n, host);
	if (ret)
		return error_set(err, ret, "cannot make the serial ports: %s", strerror(-ret));
	if (state->log.path)
		ret = terminal_log_to(host->console, &state->log);
	return ret ? error_set(err, ret, "cannot write the console's log: %s", strerror(-ret)) : 0;
}

const struct device_class serial_class = {
	.name = "serial",
	.options = serial_options,
	.count = DEVICE_ALWAYS,
	.state_size = sizeof(struct serial_state),
	.fds = serial_class_fds,
	.claim = serial_class_claim,
	.create = serial_class_create,
	.release = serial_class_release,
};
