/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kexec-load KERNEL INITRD PARAMETERS [now]: load a crash kernel; with "now" one that takes over at
 * once. Debian's kexec-tools are no part of the lab.
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RB_KEXEC
#define RB_KEXEC 0x45584543
#endif

int main(int argc, char **argv)
{
	unsigned long flags = argc == 5 ? 0 : KEXEC_FILE_ON_CRASH;
	int kernel, initrd;

	if (argc != 4 && (argc != 5 || strcmp(argv[4], "now")))
		return 2;
	kernel = open(argv[1], O_RDONLY);
	initrd = open(argv[2], O_RDONLY);
	if (kernel < 0 || initrd < 0 ||
	    syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], flags)) {
		perror("kexec-load");
		return 1;
	}
	if (argc == 5) {
		sync();
		reboot(RB_KEXEC);
		perror("kexec-load: reboot");
		return 1;
	}
	return 0;
}
