/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices driven from user space, for the lab's hosts and guests alike: one container, any
 * number of groups in it, one piece of memory that all its devices see. What cannot go on ends the
 * process.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <stdbool.h>
#include <stdint.h>

/* Within 28 bits of DMA mask, and in no host's reserved range. */
#define IOVA	     0x100000ull
#define MEMORY_BYTES 65536ull /* of any kernel's pages, a multiple */

#define MAX_GROUPS 8

struct container {
	int fd;
	unsigned count;
	int numbers[MAX_GROUPS], groups[MAX_GROUPS];
	char *memory; /* MEMORY_BYTES */
};

/* What was said to have failed. */
extern int failures;

/* One line: "NAME BDF: WHAT", or "... FAILED: WHAT". Returns @ok. */
bool says(const char *name, const char *bdf, bool ok, const char *what);
void fail(const char *bdf, const char *what) __attribute__((noreturn));

char *new_memory(void);
/* A device of any group, reset, its registers and DMA switched on. Returns its file descriptor. */
int device_open(struct container *container, const char *bdf);
/* Configuration space. */
uint32_t device_read_config(int device, unsigned offset, unsigned len);
/* A whole BAR. */
volatile void *device_map_bar(int device, const char *bdf, unsigned bar);

/* The memory at @iova, or no longer; @access: VFIO_DMA_MAP_FLAG_*. 0 or -errno. */
int container_map(const struct container *container, uint64_t iova, uint32_t access);
int container_unmap(const struct container *container, uint64_t iova);

/* virtio-rng over PCI: have @device write @len random bytes to @offset of the memory at IOVA. */
bool rng_fill(int device, const char *bdf, char *memory, unsigned offset, unsigned len);

/* Where the page is, physically: only root may know; 0. */
uint64_t physical_address(const void *at);

/* vfio-lsi.c: @bdf copies from the registers of itself and of @edu; exit status. */
int lsi_bare(const char *bdf, const char *edu);
int lsi_peer(const char *bdf, const char *edu);

/* All of the disk @path to stdout. Exit status. */
int scatter_read(const char *path);

#endif
