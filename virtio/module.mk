virtio-src := balloon.c balloon_class.c blk.c blk_class.c blk_limit.c blk_request.c \
	   blk_resume.c blk_wait.c chain.c console.c console_channel.c console_class.c console_control.c device.c doorbell.c fs.c message.c \
	   mmio.c net.c net_class.c net_control.c net_filter.c net_header.c net_pairs.c \
	   net_receive.c net_transmit.c net_vhost.c p9.c pci.c pci_registers.c place.c \
	   poller.c queue.c queue_packed.c queue_split.c rng.c root.c share.c \
	   transport.c vhost.c vsock.c vsock_buffer.c vsock_class.c vsock_connection.c \
	   vsock_dial.c vsock_host.c vsock_receive.c vsock_transmit.c \
	   vsock_vhost.c
