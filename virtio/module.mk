virtio-src := blk.c blk_class.c blk_request.c chain.c console.c device.c doorbell.c mmio.c pci.c pci_registers.c \
	      place.c queue.c queue_split.c rng.c transport.c
