/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab-marks SECONDS COMMAND...: run a VMM in an emulated host, and look at the host's clock and
 * KVM's counters whenever the guest's console says "mark NAME COUNT". Each is a line of standard
 * output, but for the first it is what happened since the one before:
 *
 *   NAME COUNT NANOSECONDS EXITS EXITS-TO-USER RSS
 *
 * RSS in KiB, without the mapping that is the guest's RAM. What else the console says goes to
 * standard error. The command is killed after SECONDS.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUEST_RAM (250ull << 20) /* a mapping of so much is RAM */

struct counts {
	uint64_t ns, exits, user;
};

static pid_t child;

static void end_child(int signal)
{
	kill(child, SIGKILL);
}

/* Of all VMs: there is one. 0: this architecture has no such counter. */
static uint64_t count(const char *name)
{
	char path[60];
	unsigned long long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%s", name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static struct counts look(void)
{
	struct counts counts;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	counts.ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	counts.exits = count("exits");
	/* x86 has the first two, arm64 the third. */
	counts.user = count("mmio_exits") + count("io_exits") + count("mmio_exit_user");
	return counts;
}

static unsigned long rss(void)
{
	char path[40], line[300];
	unsigned long long first, last, kib, sum = 0;
	int ours = 1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", child);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &first, &last) == 2)
			ours = last - first < GUEST_RAM;
		else if (ours && sscanf(line, "Rss: %llu", &kib) == 1)
			sum += kib;
	}
	if (file)
		fclose(file);
	return sum;
}

static void watch(FILE *console)
{
	struct counts before = look();
	char line[1000], name[40];

	while (fgets(line, sizeof(line), console)) {
		const char *mark = strstr(line, "mark ");
		unsigned long long n = 0;
		struct counts now;

		if (!mark || sscanf(mark, "mark %39s %llu", name, &n) < 1) {
			fputs(line, stderr);
			continue;
		}
		now = look();
		printf("%s %llu %llu %llu %llu %lu\n", name, n,
		       (unsigned long long)(now.ns - before.ns),
		       (unsigned long long)(now.exits - before.exits),
		       (unsigned long long)(now.user - before.user), rss());
		/* What the looking cost is not the guest's. */
		before = look();
	}
}

int main(int argc, char **argv)
{
	int ends[2], status;

	if (argc < 3 || pipe(ends))
		return 2;
	child = fork();
	if (!child) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(ends[1]);
	signal(SIGALRM, end_child);
	alarm(atoi(argv[1]));
	watch(fdopen(ends[0], "r"));
	return child < 0 || waitpid(child, &status, 0) < 0 || status;
}
