virtio-src := blk.c blk_request.c chain.c console.c device.c mmio.c mmio_doorbell.c queue.c rng.c
