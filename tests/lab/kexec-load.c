/* SPDX-License-Identifier: BSD-2-Clause */
/* kexec-load KERNEL INITRD PARAMETERS: load a crash kernel. Debian's kexec-tools are no part of the
 * lab. */
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int kernel, initrd;

	if (argc != 4)
		return 2;
	kernel = open(argv[1], O_RDONLY);
	initrd = open(argv[2], O_RDONLY);
	if (kernel < 0 || initrd < 0 ||
	    syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3],
		    (unsigned long)KEXEC_FILE_ON_CRASH)) {
		perror("kexec-load");
		return 1;
	}
	return 0;
}
