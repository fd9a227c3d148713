vmm-src := bus.c control.c control_socket.c device.c dma.c host.c ioevent.c irq.c loop.c \
	   memory.c msi.c pvpanic.c serial.c slot.c terminal.c vcpu.c vm.c
