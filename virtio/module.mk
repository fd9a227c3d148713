virtio-src := blk.c blk_request.c chain.c console.c device.c doorbell.c mmio.c pci.c pci_registers.c \
	      queue.c rng.c transport.c
