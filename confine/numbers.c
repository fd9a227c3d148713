/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of the requests, by the compiler that lkvm is built with: another architecture's
 * structures have other sizes. It is compiled to assembly, of which the Makefile takes the lines.
 * Not part of lkvm.
 */
#include <asm/termbits.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <stddef.h>
#include <asm/ioctls.h>

#define IOCTL(kinds, name) asm volatile("\n->" #name " %c0" : : "i"((int)(name)));

void confine_numbers(void);

void confine_numbers(void)
{
#include "ioctls.def"
#include IOCTLS_OF_ARCH
}
